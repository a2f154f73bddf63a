"""The fixtures of a whole module, for the tests of the HTTP API."""

from api_help import app, runtime, settings, worker

__all__ = ["app", "runtime", "settings", "worker"]
