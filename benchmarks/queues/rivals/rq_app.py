"""RQ: jobs for its default worker, which forks for each, and for its SimpleWorker, which does not."""

from __future__ import annotations

import os

from redis import Redis
from rq import Queue

from benchmarks.queues import rows

queue = Queue("bench", connection=Redis.from_url(os.environ["REDIS_URL"]))


def run(job_id: str) -> None:
    rows.carry_out(job_id)


def run_forked(job_id: str) -> None:
    """The worker is the parent: this process is there for one job."""
    rows.carry_out(job_id, os.getppid())


def enqueue(job_id: str) -> None:
    queue.enqueue(run_forked if os.environ["RQ_WORKER"] == "fork" else run, job_id, result_ttl=0)
