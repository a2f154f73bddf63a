"""How gunicorn serves: threads for patience, nothing shared across the fork, everything closed in order at the end."""

import sys

from akount.processes import loading

with loading():
    import akount.app  # once, before the fork: a worker is there in no time, and the code is in memory once
    from akount import exposition, logs, metrics, pools
    from akount.db import require_head
    from akount.errors import AkountError, SettingsError
    from akount.webserver import WebWorker, take_charge
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
worker_class = WebWorker
threads = settings.web_threads
timeout = 60
graceful_timeout = settings.stop_seconds - 1  # a worker that has not ended itself by then is killed
keepalive = 5
control_socket_disable = True
forwarded_allow_ips = ""  # TRUSTED_PROXY_HOPS alone says who is believed about the client
preload_app = settings.web_preload
accesslog = None  # the application writes one line a request, with tenant and request id
loglevel = "warning"
proc_name = "akount-web"


def on_starting(server):
    """Refuses an old schema before there is a worker: once and in words, not as a traceback from each of them."""
    logs.configure(as_json=settings.logs_as_json, level=settings.log_level, warnings=settings.warnings)
    database = pools.open_database(settings, 0)
    try:
        require_head(database)
        pools.warn(settings, database)
    except AkountError as error:
        give_up(error)
    finally:
        database.close()
    metrics.share(exposition.directory(settings), exposition.WEB)
    server.ties = take_charge(server)


def post_fork(server, worker):
    """Ties the worker to its master, and makes an application that has nothing open in common with another process."""
    worker.ties = server.ties
    if server.cfg.preload_app:
        worker.app.callable = akount.app.create_app(settings)


def on_exit(server):
    """The server ends as badly as its worst worker: 1 when one was killed, cut requests off or left something open."""
    if not server.ties.clean:
        sys.exit(1)


def child_exit(server, worker):  # noqa: ARG001
    """A process that died has no requests in hand any more, however it died."""
    metrics.process_died(worker.pid)
