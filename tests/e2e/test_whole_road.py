"""End to end: real gunicorn, real workers, real HTTP, real files; on the embedded default and on Postgres with Redis."""

import io
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import httpx
import psutil
import pytest
import redis
from PIL import Image

from akount.currencies import to_minor
from akount.kinds import KINDS
from fresh import postgres_copy
from make import SAMPLES, pdf
from servers import Server, redis_server
from service import ROOT, Service

TRUTHS = [json.loads(line) for line in (SAMPLES / "truth.jsonl").read_text().splitlines()]
PHOTO = next(t["file"] for t in TRUTHS if t["file"].endswith(".jpg"))


@pytest.fixture(scope="module")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """The service as a newcomer has it: SQLite, local files. A short lease, so that tests of it are quick."""
    with Service(tmp_path_factory.mktemp("embedded"), LEASE_SECONDS="5") as service:
        yield service


@pytest.fixture(scope="module")
def valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with redis_server(tmp_path_factory.mktemp("valkey"), password="p@ss/word") as server:
        yield server


@pytest.fixture(scope="module")
def production_shape(tmp_path_factory: pytest.TempPathFactory, postgres: Server, valkey: Server) -> Iterator[Service]:
    """The same service over Postgres and Redis, by settings alone."""
    environ = {"DATABASE_URL": postgres_copy(postgres), "REDIS_URL": valkey.url, "LEASE_SECONDS": "5"}
    with Service(tmp_path_factory.mktemp("production"), **environ) as service:
        yield service


@pytest.fixture(params=["embedded", "production_shape"])
def service(request: pytest.FixtureRequest) -> Service:
    found: Service = request.getfixturevalue(request.param)
    return found


@pytest.mark.parametrize("truth", TRUTHS, ids=[t["file"] for t in TRUTHS])
def test_every_sample_becomes_a_record_with_the_right_total(service: Service, truth: dict) -> None:
    kind = KINDS[truth["queue"]]
    job = service.result(service.upload((SAMPLES / truth["file"]).read_bytes(), truth["file"], kind.plural))
    assert job["status"] == "completed", job
    record = service.client.get(f"/api/business/{kind.plural}/{job['result']['recordId']}").json()
    currency = record["currency"]
    expected = to_minor(Decimal(truth["truth"]["total"]), currency)
    assert abs(record["totalAmount"]) == abs(expected or 0)
    assert currency == truth["truth"]["currency"]
    assert record["evidence"]["totalAmount"]["engine"] == record["engine"]


def test_the_same_file_again_is_the_same_document(service: Service) -> None:
    data = pdf()
    first = service.upload(data)
    answer = service.client.post("/api/business/bills/scan", files={"file": ("other-name.pdf", data)})
    assert answer.status_code == 200
    assert answer.json()["duplicate"] is True
    assert answer.json()["jobId"] == first["jobId"]


@pytest.mark.parametrize("victim", ["consumer", "worker process", "reader"])
def test_a_job_survives_the_death_of_its_worker_and_is_booked_once(service: Service, victim: str) -> None:
    photo = (SAMPLES / PHOTO).read_bytes() + victim.encode()  # bytes after the picture do not change it
    upload = service.upload(photo, "receipt.jpg")
    service.await_status(upload, "active")
    time.sleep(0.3)
    tree = service.workers("bill-scan")
    place = {"consumer": 0, "worker process": 2, "reader": 3}[victim]
    ordered = [
        tree[0],
        *sorted(tree[0].children(), key=lambda p: p.pid),
        *(p for p in tree if p.cmdline()[-1:] == ["models"]),
    ]
    ordered[place].kill()
    job = service.result(upload)
    assert job["status"] == "completed", job
    assert job["attempts"] == 2
    assert [r["id"] for r in service.records() if r["documentId"] == upload["documentId"]] == [job["result"]["recordId"]]


def test_no_process_is_left_behind_by_a_killed_consumer(embedded: Service) -> None:
    tree = embedded.workers("invoice-scan")
    assert len(tree) >= 4  # consumer, sweeper, worker process, reader
    tree[0].kill()
    _gone, alive = psutil.wait_procs(tree, timeout=60)
    assert alive == []
    upload = embedded.upload(pdf(), plural="invoices")
    assert embedded.result(upload)["status"] == "completed"


def test_a_document_survives_an_emptied_queue(production_shape: Service, valkey: Server) -> None:
    with production_shape.asleep():
        uploads = [production_shape.upload(pdf()) for _ in range(3)]
        with redis.Redis.from_url(valkey.url) as client:
            client.flushall()
    assert [production_shape.result(u)["status"] for u in uploads] == ["completed"] * 3


def test_a_document_sent_while_redis_is_down_is_read_when_it_is_back(production_shape: Service, valkey: Server) -> None:
    valkey.stop()
    started = time.monotonic()
    upload = production_shape.upload(pdf())
    assert time.monotonic() - started < 20
    health = production_shape.client.get("/health")
    assert (health.status_code, health.json()["status"], health.json()["checks"]["redis"]) == (200, "degraded", "error")
    valkey.start()
    assert production_shape.result(upload)["status"] == "completed"
    assert production_shape.client.get("/health").json()["status"] == "ok"


def test_an_unreadable_document_fails_with_a_cause_and_the_next_one_is_read(service: Service) -> None:
    stamp = io.BytesIO()
    Image.frombytes("L", (80, 80), os.urandom(6400)).save(stamp, "PNG")
    job = service.result(service.upload(stamp.getvalue(), "stamp.png"))
    assert job["status"] == "failed"
    assert job["error"]["code"] == "too_small"
    assert job["attempts"] == 1
    assert service.result(service.upload(pdf()))["status"] == "completed"


def test_a_stream_tells_of_the_job_from_the_beginning_to_the_end(service: Service) -> None:
    photo = (SAMPLES / PHOTO).read_bytes() + b"stream"
    upload = service.upload(photo, "receipt.jpg")
    events = []
    with httpx.stream("GET", service.address + upload["streamUrl"], timeout=60, trust_env=False) as stream:
        assert stream.status_code == 200
        events = [json.loads(line[6:]) for line in stream.iter_lines() if line.startswith("data: ")]
    names = [e["event"] for e in events]
    assert names[:2] == ["connected", "initial"]
    assert names[-1] == "completed"
    assert events[-1]["result"]["recordId"]


def test_ten_mebibytes_are_accepted_and_one_byte_more_is_not(embedded: Service) -> None:
    limit = 10 * 1024 * 1024
    data = pdf()
    fits = data + b"%" + b"x" * (limit - len(data) - 1)
    embedded.upload(fits)
    answer = embedded.client.post("/api/business/bills/scan", files={"file": ("a.pdf", fits + b"x")})
    assert (answer.status_code, answer.json()["code"]) == (413, "file_too_large")


def test_the_demo_reads_every_sample_and_ends_with_zero(tmp_path: Path) -> None:
    environ = Service(tmp_path).environ
    command = [sys.executable, "-m", "akount", "demo", "--exit"]
    first = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, timeout=170, check=False)
    assert first.returncode == 0, first.stdout + first.stderr
    for truth in TRUTHS:
        assert truth["file"] in first.stdout
    second = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, timeout=60, check=False)
    assert second.returncode == 0, second.stderr


def test_a_worker_whose_engine_hangs_gives_its_job_back_and_ends_in_time(embedded: Service) -> None:
    upload = embedded.upload((SAMPLES / PHOTO).read_bytes() + b"hung", "receipt.jpg")
    embedded.await_status(upload, "active")
    consumer, *rest = embedded.workers("bill-scan")
    for process in rest:
        if "akount.extraction.reader" in process.cmdline():
            process.suspend()
    consumer.terminate()
    _gone, alive = psutil.wait_procs([consumer, *rest], timeout=35)
    assert alive == []
    job = embedded.result(upload)  # by the worker that was started in its place
    assert job["status"] == "completed", job
    assert job["attempts"] == 1, "an attempt that was given back does not count"


def test_a_killed_run_leaves_no_process_behind(tmp_path: Path) -> None:
    with Service(tmp_path) as service:
        family = service.family()
        service.process.kill()
        _gone, alive = psutil.wait_procs(family, timeout=60)
        assert alive == []
