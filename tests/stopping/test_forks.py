"""No connection belongs to two processes: gunicorn with preload and without, and the worker's processes (C5)."""

import http.client
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import pytest

from akount.models import JobStatus
from fresh import make_settings, postgres_copy, redis_database
from make import pdf, submitted
from people import settle_in
from servers import Server
from web import Web, lines_to, upload_body
from worker import Consumer, emptied, job_of, until

REQUESTS = 240


def apart(owners: list[set[int]]) -> bool:
    return len(set().union(*owners)) == sum(len(own) for own in owners)


def ports(*servers: Server) -> list[int]:
    return [urlsplit(server.url).port or 0 for server in servers]


@pytest.mark.parametrize("preload", ["false", "true"])
def test_requests_at_once_over_four_processes_all_succeed(
    tmp_path: Path, postgres: Server, redis_shared: Server, preload: str
) -> None:
    settings = make_settings(tmp_path, postgres_copy(postgres), REDIS_URL=redis_database(redis_shared))
    with emptied(settings) as runtime:
        people = settle_in(runtime.database)
    many = {"RATE_LIMIT_PER_MINUTE": "1000000", "JOBS_PER_MINUTE": "1000000"}
    with Web(settings, WEB_PROCESSES="4", WEB_PRELOAD=preload, **many) as web:
        path = web.upload(people.ada, pdf()).json()["statusUrl"]

        def ask(number: int) -> int:
            connection = http.client.HTTPConnection("127.0.0.1", web.port, timeout=60)
            try:
                if number % 4 == 0:
                    headers = people.ada.headers | {"Content-Type": "multipart/form-data; boundary=x"}
                    connection.request("POST", "/api/business/bills/scan", upload_body(pdf()), headers)
                else:
                    connection.request("GET", path, headers=people.ada.headers)
                return connection.getresponse().status
            finally:
                connection.close()

        with ThreadPoolExecutor(32) as clients:
            answers = Counter(clients.map(ask, range(REQUESTS)))
        assert answers == {202: REQUESTS // 4, 200: REQUESTS * 3 // 4}, web.log.read_text()[-3000:]
        master = psutil.Process(web.process.pid)
        for port in ports(postgres, redis_shared):
            owners = [lines_to(worker, port) for worker in web.workers()]
            assert len(owners) == 4
            assert all(owners), "each has opened its own"
            assert apart(owners)
            assert lines_to(master, port) == set()
        web.process.terminate()
        assert web.process.wait(30) == 0


def test_the_processes_of_a_worker_share_nothing(tmp_path: Path, postgres: Server, redis_shared: Server) -> None:
    settings = make_settings(tmp_path, postgres_copy(postgres), REDIS_URL=redis_database(redis_shared))
    with emptied(settings) as runtime, Consumer(runtime, processes=3) as worker:
        job_id = submitted(runtime, settle_in(runtime.database).ada).id
        worker.finish()
        until(lambda: job_of(runtime, job_id).status is JobStatus.COMPLETED, worker)
        for port in ports(postgres, redis_shared):
            owners = [lines_to(process, port) for process in worker.family]
            assert len(owners) == 4, "three workers and a sweeper"
            assert all(owners)
            assert apart(owners)
            assert lines_to(psutil.Process(worker.process.pid), port) == set(), "who forks has opened nothing"
            most = 2 if port == ports(postgres)[0] else 99
            assert all(len(own) <= most for own in owners), "and no more than was counted for"
