"""How gunicorn serves: threads for patience, nothing shared across the fork, everything closed in order at the end."""

from config import load

settings = load()

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


def worker_exit(server, worker):  # noqa: ARG001
    """Closes what the worker has open, in order."""
    from wsgi import app

    app.extensions["akount"].close()
