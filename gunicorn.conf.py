"""How gunicorn serves: threads for patience, nothing shared across the fork, everything closed in order at the end."""

import signal
import sys
import threading

from akount.db import Database, require_head
from akount.errors import AkountError, SettingsError
from config import load


def give_up(error):
    """Says why there is nothing to serve, in words: 2 the settings or the schema, 1 the database is away."""
    sys.stderr.write(f"{error.detail}\n")
    sys.exit(2 if isinstance(error, SettingsError) else 1)


try:
    settings = load()
except SettingsError as wrong:
    give_up(wrong)

bind = f"{settings.host}:{settings.port}"
workers = settings.web_processes
worker_class = "gthread"
threads = settings.web_threads
timeout = 60
graceful_timeout = 25
keepalive = 5
control_socket_disable = True
preload_app = False  # each worker opens its own connections
accesslog = None  # the application writes one line a request, with tenant and request id
loglevel = "warning"
proc_name = "akount-web"


def on_starting(server):  # noqa: ARG001
    """Refuses an old schema before there is a worker: once and in words, not as a traceback from each of them."""
    database = Database(settings.database, pooled=False)
    try:
        require_head(database)
    except AkountError as error:
        give_up(error)
    finally:
        database.close()


def post_worker_init(worker):
    """Makes TERM end the event streams at once: gunicorn would wait for them until its patience is over."""
    stopping = threading.Event()  # set by the handler: a lock that the interrupted code could hold is not touched there

    def end_streams():
        stopping.wait()
        worker.wsgi.extensions["watcher"].close()

    def stop(number, frame):
        stopping.set()
        worker.handle_exit(number, frame)

    threading.Thread(target=end_streams, name="end-streams", daemon=True).start()
    signal.signal(signal.SIGTERM, stop)
    signal.siginterrupt(signal.SIGTERM, False)


def worker_exit(server, worker):  # noqa: ARG001
    """Closes what the worker has open, in order; a worker that never came up has nothing open."""
    app = getattr(worker, "wsgi", None)
    if app is not None:
        app.extensions["akount"].close()
