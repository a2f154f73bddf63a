#!/bin/sh
# Run once by the image of Postgres, in an empty data directory: an ordinary role and its database. A superuser, such as the
# image's own, would be beyond row-level security between tenants.
set -eu
psql -v ON_ERROR_STOP=1 -v password="$AKOUNT_DATABASE_PASSWORD" --username "${POSTGRES_USER:-postgres}" --dbname postgres <<'SQL'
CREATE ROLE akount LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE PASSWORD :'password';
CREATE DATABASE akount OWNER akount ENCODING 'UTF8' TEMPLATE template0;
REVOKE ALL ON DATABASE akount FROM PUBLIC;
SQL
