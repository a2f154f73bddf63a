"""Our queue beside plain Huey, RQ, Celery and BullMQ, each with a job row in the same database: `make bench-queue`."""
