"""The web application: a table of contents, in order."""

from __future__ import annotations

from flask import Flask

from akount import connections, edge, exposition, health, metrics, monitoring, throttle
from akount.admin import console
from akount.api import decisions, documents, guards, jobs, keys, openapi, problems, records, session, system, uploads, webhooks
from akount.identity import clerk
from akount.identity.throttle import Throttle
from akount.kinds import KINDS
from akount.lifecycle import open_runtime
from akount.tasks.queues import hang_bells
from akount.tasks.upkeep import Watchman
from akount.watch import Watcher
from config import Settings


def create_app(settings: Settings) -> Flask:
    """The application of one web process, with everything it has open in `app.extensions["akount"]`.

    It asks nothing of the database: a process that starts while the database is away serves when it is back. That the
    schema is the right one is the business of who starts the server (gunicorn.conf.py) and of /health/ready."""
    app = Flask(__name__, static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = settings.max_upload_bytes + uploads.FORM_OVERHEAD
    app.config["MAX_FORM_PARTS"] = uploads.FORM_PARTS
    app.request_class = uploads.UploadRequest
    app.url_map.merge_slashes = False  # a path is right or 404; a redirect would be HTML and repeat the sender's Host

    runtime = app.extensions["akount"] = open_runtime(settings)  # from here in the reverse order of closing (H4)
    connections.examine(settings)
    hang_bells(runtime)
    app.extensions["probes"] = probes = health.Probes(runtime)
    runtime.on_close("probes", probes.close)
    app.extensions["watcher"] = watcher = Watcher(runtime.database, limit=max(1, settings.web_threads // 2))
    app.extensions["refusals"] = refusals = exposition.Refusals(settings)
    watchman = Watchman(runtime, refusals.sample)
    runtime.on_close("watchman", watchman.close)
    app.before_request(watchman.wake)

    app.extensions["lookout"] = monitoring.Lookout()
    app.extensions["clerk"] = clerk.open_verifier(settings)
    app.extensions["throttle"] = Throttle(runtime.limiter.windows)

    metrics.numbers()  # while there is one thread: of several that import a package at once one meets it half made, and fails
    problems.init_app(app)  # first: the request id stands on every answer, also on a refusal
    edge.init_app(app, settings)  # whose word about the client is believed, what browsers are told
    throttle.guard_door(app, settings, runtime.limiter.windows)
    app.before_request(guards.recognize)
    throttle.count_users(app, settings, runtime.limiter.windows)
    app.before_request(guards.permit)  # only now is a body read

    app.register_blueprint(health.bp)
    app.register_blueprint(monitoring.bp)
    app.register_blueprint(jobs.bp, url_prefix="/api/ai/jobs")
    app.register_blueprint(system.bp, url_prefix="/api/system")
    app.register_blueprint(keys.bp, url_prefix="/api/system/keys")
    app.register_blueprint(decisions.bp, url_prefix="/api/system/decisions")
    app.register_blueprint(webhooks.bp, url_prefix="/api/system/webhooks")
    app.register_blueprint(documents.bp, url_prefix="/api/documents")
    app.register_blueprint(session.bp, url_prefix="/api/session")
    app.register_blueprint(openapi.bp, url_prefix="/api")
    for kind in KINDS.values():
        at = {"url_prefix": f"/api/business/{kind.plural}", "url_defaults": {"kind_name": kind.name}}
        app.register_blueprint(uploads.bp, name=f"{kind.plural}-uploads", **at)
        app.register_blueprint(records.bp, name=kind.plural, **at)
    console.init_app(app, runtime)
    runtime.on_close("streams", watcher.close)  # last of all: streams are told to reconnect before anything else goes
    return app
