"""gunicorn.conf.py with workers for whom it takes a second from their fork to signal handlers of their own."""

import runpy
import time

globals().update(runpy.run_path("gunicorn.conf.py"))
_tie = globals()["post_fork"]


def post_fork(server, worker):
    _tie(server, worker)
    time.sleep(1)
