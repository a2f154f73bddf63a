"""A worker script as RQ's manual advises for speed: what a job needs is imported before the fork. `rq_worker fork|simple`."""

from __future__ import annotations

import sys

from rq import SimpleWorker, Worker

from benchmarks.queues import rows
from benchmarks.queues.rivals.rq_app import queue

if __name__ == "__main__":
    forks = sys.argv[1] == "fork"
    if forks:
        rows.keeper()  # imports the driver; a connection must not cross a fork, each job opens its own
    (Worker if forks else SimpleWorker)([queue], connection=queue.connection).work(logging_level="WARNING")
