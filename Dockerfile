# One image for the web server and the workers; the command says which.
#   web:     docker run -p 4000:4000 … akount
#   worker:  docker run … akount python -m akount worker
#   schema:  docker run … akount python -m akount migrate
# Stop it with patience, docker stop -t 35: within STOP_SECONDS (30) it finishes what it does, and its exit code tells how.

FROM python:3.11-slim-bookworm AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
RUN python -m venv /venv
COPY requirements.txt /requirements.txt
# The lock names every package with its hashes; nothing is compiled.
RUN /venv/bin/pip install --require-hashes --only-binary :all: -r /requirements.txt

FROM python:3.11-slim-bookworm
RUN groupadd --gid 1001 akount \
    && useradd --uid 1001 --gid 1001 --no-create-home --shell /usr/sbin/nologin akount \
    && install -d -o akount -g akount /data
COPY --from=build /venv /venv
WORKDIR /app
COPY wsgi.py config.py gunicorn.conf.py ./
COPY migrations/ migrations/
COPY akount/ akount/
ENV PATH=/venv/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 \
    APP_ENV=production HOST=0.0.0.0 PORT=4000 DATA_DIR=/data
USER 1001:1001
EXPOSE 4000
VOLUME /data
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=3s --start-period=5s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request as u; u.urlopen('http://127.0.0.1:' + os.environ['PORT'] + '/health/live', timeout=2)"]
CMD ["gunicorn", "-c", "gunicorn.conf.py", "wsgi:app"]
