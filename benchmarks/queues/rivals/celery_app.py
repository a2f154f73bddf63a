"""Celery over Redis, without a result store: the job row is the result."""

from __future__ import annotations

import os

from celery import Celery

from benchmarks.queues import rows

app = Celery("bench", broker=os.environ["REDIS_URL"])
app.conf.task_ignore_result = True
app.conf.broker_connection_retry_on_startup = True
if os.environ.get("CELERY_ACKS") == "late":
    app.conf.task_acks_late = True
    app.conf.worker_prefetch_multiplier = 1


@app.task(name="bench.run")
def run(job_id: str) -> None:
    rows.carry_out(job_id)


def enqueue(job_id: str) -> None:
    run.delay(job_id)
