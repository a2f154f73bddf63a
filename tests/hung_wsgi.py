"""The web application with a part that hangs when it is closed: `gunicorn --pythonpath tests hung_wsgi:app`."""

import time

from wsgi import app

app.extensions["akount"].on_close("hung", lambda: time.sleep(999))
