"""The whole service in its real shape, without Docker: nginx, two web servers, workers, Postgres, Redis."""
