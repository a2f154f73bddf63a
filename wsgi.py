"""The door of the web server: `gunicorn wsgi:app`."""

from akount import logs
from akount.app import create_app
from config import load

settings = load()
logs.configure(as_json=settings.logs_as_json, level=settings.log_level)
app = create_app(settings)
