"""Plain Huey: a Redis queue, or an SQLite one where no Redis is named."""

from __future__ import annotations

import os

from huey import RedisHuey, SqliteHuey

from benchmarks.queues import rows

REDIS = os.environ.get("REDIS_URL")
huey = RedisHuey("bench", url=REDIS) if REDIS else SqliteHuey("bench", filename=os.environ["QUEUE_FILE"])


@huey.task()
def run(job_id: str) -> None:
    rows.carry_out(job_id)


def enqueue(job_id: str) -> None:
    run(job_id)
