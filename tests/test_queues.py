"""The queue carries ids and nothing else, may be away, and may lose everything: the sweep makes it good (R1, R4)."""

import datetime as dt
import json
import os
import pickle
import sqlite3
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from huey.api import Task
from huey.registry import Message
from huey.storage import RedisStorage
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select, update
from structlog.testing import capture_logs

import config
from akount import ledger
from akount.db import now
from akount.errors import Unreadable
from akount.kinds import KINDS, QUEUES
from akount.lifecycle import Runtime, open_runtime
from akount.models import Document, Job, JobStatus
from akount.tasks import queues, scan, upkeep
from akount.tasks.queues import Bell, IdSerializer, Queue, hang_bells, open_queue
from fakes import FakeReader
from fresh import make_settings, sqlite_copy
from make import submitted
from people import People, Person, settle_in
from servers import Server, redis_server
from shared import emptied

QUEUE = KINDS["bill"].queue


@pytest.fixture(scope="module")
def sqlite_url(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    return sqlite_copy(sqlite_template, tmp_path_factory.mktemp("shared"))


@pytest.fixture
def settings(tmp_path: Path, sqlite_url: str, queue_environ: dict[str, str]) -> config.Settings:
    """Both queues; which database the ledger is in makes no difference to them."""
    return make_settings(tmp_path, emptied(sqlite_url), **queue_environ)


@pytest.fixture
def bell(settings: config.Settings) -> Iterator[Bell]:
    hung = Bell(settings, QUEUE)
    yield hung
    hung.close()


@pytest.fixture
def consumer(settings: config.Settings) -> Iterator[Queue]:
    """The queue as a worker opens it."""
    queue = open_queue(settings, QUEUE)
    scan.register(queue, [])
    yield queue
    queue.storage.close()
    if isinstance(queue.storage, RedisStorage):
        queue.storage.pool.disconnect()


@pytest.fixture
def ada(people: People) -> Person:
    return people.ada


def raw(queue: Queue) -> list[bytes]:
    return [bytes(message) for message in queue.storage.enqueued_items()]


# --- messages ---


def test_a_bell_that_rings_is_heard_in_the_order_of_ringing(bell: Bell, consumer: Queue) -> None:
    jobs = [uuid.uuid4() for _ in range(3)]
    assert all(bell.ring(job_id) for job_id in jobs)
    assert bell.length() == 3
    heard = [consumer.dequeue() for _ in jobs]
    assert [uuid.UUID(task.args[0]) for task in heard] == jobs
    assert all(task.name == "scan" and task.kwargs == {} for task in heard)
    assert bell.length() == 0


def test_a_message_is_the_id_of_a_job_and_nothing_else(bell: Bell, consumer: Queue) -> None:
    job_id = uuid.uuid4()
    bell.ring(job_id)
    assert raw(consumer) == [str(job_id).encode()]


def test_each_kind_has_a_queue_of_its_own(settings: config.Settings) -> None:
    bells = [Bell(settings, name) for name in QUEUES]
    try:
        bells[0].ring(uuid.uuid4())
        assert [b.length() for b in bells] == [1, 0]
    finally:
        for one in bells:
            one.close()


def test_a_message_that_was_taken_is_gone(bell: Bell, consumer: Queue) -> None:
    bell.ring(uuid.uuid4())
    assert consumer.dequeue() is not None
    assert raw(consumer) == []


class Evil:
    """Writes a file when it is unpickled."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return (Path.write_text, (Path(self.path), "executed"))


def test_garbage_in_the_queue_executes_nothing_and_is_refused(consumer: Queue, tmp_path: Path) -> None:
    proof = tmp_path / "executed"
    job_id = str(uuid.uuid4())
    garbage = [
        b"",
        b"\x80\x04",
        b"\xff" * 32,
        job_id.encode() + b"; rm -rf /",
        json.dumps({"id": job_id}).encode(),
        pickle.dumps(Evil(str(proof))),
        pickle.dumps(Message(id=job_id, name="os.system", args=("true",), kwargs={})),
        "１２３４".encode(),
    ]
    for message in garbage:
        consumer.storage.enqueue(message)
        with pytest.raises(ValueError):
            consumer.dequeue()
    assert not proof.exists()
    assert raw(consumer) == [], "what is refused does not come again"


def test_the_proof_of_execution_would_prove_it(tmp_path: Path) -> None:
    pickle.loads(pickle.dumps(Evil(str(tmp_path / "executed"))))
    assert (tmp_path / "executed").exists()


@given(st.uuids())
def test_an_id_survives_the_serializer(job_id: uuid.UUID) -> None:
    serializer = IdSerializer()
    message = serializer.deserialize(serializer.serialize(Message(id="x", name="y", args=(job_id,), kwargs={"z": 1})))
    assert (message.id, message.name, message.args, message.kwargs) == (str(job_id), queues.TASK, (str(job_id),), {})


@given(st.binary(max_size=100))
def test_the_serializer_refuses_with_value_error_or_answers_an_id(data: bytes) -> None:
    try:
        message = IdSerializer().deserialize(data)
    except ValueError:
        return
    assert uuid.UUID(message.args[0]).bytes


def test_a_message_makes_a_worker_process_what_waits(runtime: Runtime, ada: Person) -> None:
    bench = scan.Workbench.open(runtime.settings, QUEUE, FakeReader())
    queue = open_queue(runtime.settings, QUEUE)
    scan.register(queue, [bench])
    job_id = submitted(runtime, ada).id
    task = queue.dequeue()
    assert isinstance(task, Task)
    queue.execute(task)
    with runtime.database.snapshot() as session:
        assert session.get_one(Job, job_id).status is JobStatus.COMPLETED
    bench.close()
    queue.storage.close()
    if isinstance(queue.storage, RedisStorage):
        queue.storage.pool.disconnect()


def test_a_message_that_comes_while_the_database_is_away_is_a_warning_and_no_fault(tmp_path: Path) -> None:
    bench = scan.Workbench.open(make_settings(tmp_path, "postgresql://akount@127.0.0.1:1/akount"), QUEUE, FakeReader())
    with capture_logs() as lines:
        bench.process(QUEUE)
    assert [(line["event"], line["code"]) for line in lines] == [("job left to the sweep", "database_unavailable")]
    bench.close()


def test_only_what_is_being_read_is_interrupted(runtime: Runtime, ada: Person) -> None:
    """Taking and booking a job take milliseconds; cut in two they would cost an attempt."""
    bench = scan.Workbench.open(runtime.settings, QUEUE, FakeReader())
    bench.interrupt()
    assert not bench.owing
    job_id = submitted(runtime, ada).id
    with runtime.database.transaction() as session:
        held = ledger.claim(session, job_id, worker=ledger.worker_name(), lease_seconds=30)
    assert held is not None
    with pytest.raises(KeyboardInterrupt), bench.pulse.keeping(held):
        bench.interrupt()
    assert bench.owing
    assert not bench.shut_down(), "it was not given back"


# --- a queue that is away ---


@pytest.fixture
def own_redis(tmp_path: Path) -> Iterator[Server]:
    with redis_server(tmp_path, password="s:cret@/") as server:
        yield server


@pytest.fixture
def mortal(tmp_path: Path, sqlite_url: str, own_redis: Server) -> Iterator[Runtime]:
    """A runtime whose Redis can be killed."""
    opened = open_runtime(make_settings(tmp_path, emptied(sqlite_url), REDIS_URL=own_redis.url))
    hang_bells(opened)
    yield opened
    opened.close()


def test_a_bell_whose_redis_is_gone_fails_quickly_rests_and_recovers(mortal: Runtime, own_redis: Server) -> None:
    bell = mortal.bells[QUEUE]
    assert bell.ring(uuid.uuid4())
    own_redis.kill()
    with capture_logs() as lines:
        started = time.monotonic()
        assert bell.ring(uuid.uuid4()) is False
        assert bell.length() is None
        assert time.monotonic() - started < 15
        started = time.monotonic()
        assert not any(bell.ring(uuid.uuid4()) for _ in range(1000))
        assert time.monotonic() - started < 60, "while it rests nobody waits: a thousand time-outs are 500 s"
        own_redis.start()
        deadline = time.monotonic() + 60
        while not bell.ring(uuid.uuid4()):
            assert time.monotonic() < deadline
            time.sleep(0.05)
    assert bell.length() == 2, "what was acknowledged before the kill is still there"
    assert [line["event"] for line in lines] == ["queue away", "queue back"], "each outage is said once"


def test_a_frozen_redis_does_not_hold_anybody_up(mortal: Runtime, own_redis: Server) -> None:
    bell = mortal.bells[QUEUE]
    assert bell.ring(uuid.uuid4())
    own_redis.freeze()
    try:
        started = time.monotonic()
        assert bell.ring(uuid.uuid4()) is False
        assert time.monotonic() - started < 15
    finally:
        own_redis.thaw()


def test_a_redis_that_refuses_is_a_queue_that_is_away(mortal: Runtime, own_redis: Server) -> None:
    """Out of memory, a read-only replica, a key of another type: all of it is an answer, and none of it may reach an upload."""
    import redis

    bell = mortal.bells[QUEUE]
    with redis.Redis.from_url(own_redis.url) as client:
        client.config_set("maxmemory", "1")
        assert bell.ring(uuid.uuid4()) is False
        client.config_set("maxmemory", "0")
        client.set("huey.redis." + QUEUE, "of another type")
    assert bell.length() is None
    assert mortal.bells[QUEUES[1]].ring(uuid.uuid4())


def test_a_wrong_password_is_a_queue_that_is_away(tmp_path: Path, sqlite_url: str, own_redis: Server) -> None:
    wrong = own_redis.url.replace(":s%3Acret%40%2F@", ":wrong@")
    assert wrong != own_redis.url
    bell = Bell(make_settings(tmp_path, sqlite_url, REDIS_URL=wrong), QUEUE)
    assert bell.ring(uuid.uuid4()) is False
    assert bell.length() is None
    bell.close()


def test_an_sqlite_queue_that_cannot_be_written_is_away(tmp_path: Path, sqlite_url: str) -> None:
    settings = make_settings(tmp_path, sqlite_url)
    bell = Bell(settings, QUEUE)
    with sqlite3.connect(settings.directory / "queue.db") as database:
        database.execute("DROP TABLE task")
    database.close()
    assert bell.ring(uuid.uuid4()) is False
    assert bell.length() is None
    bell.close()


def test_with_redis_away_the_sweep_goes_on(mortal: Runtime, own_redis: Server) -> None:
    ada = settle_in(mortal.database).ada
    lost, waiting = submitted(mortal, ada).id, submitted(mortal, ada).id
    with mortal.database.transaction() as session:
        assert ledger.claim(session, lost, worker="another:1:1", lease_seconds=-1)
    own_redis.kill()
    assert upkeep.sweep(mortal) == 0
    with mortal.database.snapshot() as session:
        assert session.get_one(Job, lost).status is JobStatus.WAITING, "given back all the same"
    rung_lately(mortal, waiting, ago=6)
    own_redis.start()
    own_redis_flushed(own_redis)
    assert upkeep.sweep(mortal) == 2


def own_redis_flushed(server: Server) -> None:
    import redis

    with redis.Redis.from_url(server.url) as client:
        client.flushdb()


# --- the sweep ---


def rung_lately(runtime: Runtime, *jobs: uuid.UUID, ago: float) -> None:
    with runtime.database.transaction() as session:
        rung = now() - dt.timedelta(seconds=ago)
        session.execute(update(Job).where(Job.id.in_(jobs)).values(run_at=rung, rung_at=rung))


def messages(runtime: Runtime) -> set[str]:
    queue = open_queue(runtime.settings, QUEUE)
    found = {message.decode() for message in raw(queue)}
    queue.storage.close()
    if isinstance(queue.storage, RedisStorage):
        queue.storage.pool.disconnect()
    return found


def flush(runtime: Runtime) -> None:
    queue = open_queue(runtime.settings, QUEUE)
    queue.flush()
    queue.storage.close()
    if isinstance(queue.storage, RedisStorage):
        queue.storage.pool.disconnect()


def test_the_sweep_fills_an_emptied_queue(runtime: Runtime, ada: Person) -> None:
    jobs = [submitted(runtime, ada).id for _ in range(3)]
    assert len(messages(runtime)) == 3
    flush(runtime)
    assert upkeep.sweep(runtime) == 0, "they were rung for a moment ago"
    rung_lately(runtime, *jobs, ago=6)
    assert upkeep.sweep(runtime) == 3
    assert messages(runtime) == {str(job_id) for job_id in jobs}


def test_the_sweep_does_not_make_a_full_queue_longer(runtime: Runtime, ada: Person) -> None:
    jobs = [submitted(runtime, ada).id for _ in range(3)]
    for _ in range(3):
        rung_lately(runtime, *jobs, ago=60)
        assert upkeep.sweep(runtime) == 0
    assert runtime.bells[QUEUE].length() == 3


def test_the_sweep_rings_no_more_often_than_there_are_jobs_without_a_message(runtime: Runtime, ada: Person) -> None:
    jobs = [submitted(runtime, ada).id for _ in range(4)]
    flush(runtime)
    for stray in (uuid.uuid4(), uuid.uuid4(), uuid.uuid4()):
        runtime.bells[QUEUE].ring(stray)
    rung_lately(runtime, *jobs, ago=60)
    assert upkeep.sweep(runtime) == 1
    assert runtime.bells[QUEUE].length() == 4


def test_the_sweep_rings_for_what_a_dead_worker_held(runtime: Runtime, ada: Person) -> None:
    job_id = submitted(runtime, ada).id
    flush(runtime)
    with runtime.database.transaction() as session:
        assert ledger.claim(session, job_id, worker="another:1:1", lease_seconds=-1)
    assert upkeep.sweep(runtime) == 1
    assert messages(runtime) == {str(job_id)}


def test_the_sweep_rings_for_a_delayed_job_when_it_is_due(runtime: Runtime, ada: Person) -> None:
    job_id = submitted(runtime, ada).id
    flush(runtime)
    with runtime.database.transaction() as session:
        claim = ledger.claim(session, job_id, worker="another:1:1", lease_seconds=30)
        assert claim is not None
        session.execute(update(Job).values(status=JobStatus.DELAYED, worker=None, run_at=now() + dt.timedelta(hours=1)))
    assert upkeep.sweep(runtime) == 0
    with runtime.database.transaction() as session:
        session.execute(update(Job).values(run_at=now()))
    assert upkeep.sweep(runtime) == 1


def test_the_sweep_rings_for_nothing_that_has_ended(runtime: Runtime, ada: Person) -> None:
    job_id = submitted(runtime, ada).id
    flush(runtime)
    with runtime.database.transaction() as session:
        claim = ledger.claim(session, job_id, worker="another:1:1", lease_seconds=30)
        assert claim is not None
        ledger.settle(session, claim, Unreadable())
    assert upkeep.sweep(runtime) == 0


def test_a_sweep_without_its_database_is_skipped(tmp_path: Path) -> None:
    runtime = open_runtime(make_settings(tmp_path, "postgresql://akount@127.0.0.1:1/akount"))
    hang_bells(runtime)
    with capture_logs() as lines:
        upkeep.try_sweep(runtime)
    assert [(line["event"], line["code"]) for line in lines] == [("sweep skipped", "database_unavailable")]
    runtime.close()


# --- pruning ---


def test_pruning_breaks_off_when_it_is_to_stop(runtime: Runtime, ada: Person) -> None:
    submitted(runtime, ada)
    with runtime.database.snapshot() as session:
        (key,) = session.scalars(select(Document.storage_key))
    orphan = (runtime.settings.directory / "files" / key).with_name(str(uuid.uuid4()))
    orphan.write_bytes(b"x")
    os.utime(orphan, (time.time() - 25 * 3600,) * 2)
    assert upkeep.prune(runtime, lambda: True)["orphans"] == 0
    assert orphan.exists()
    assert upkeep.prune(runtime)["orphans"] == 1


def test_pruning_removes_files_that_no_document_names_once_they_are_a_day_old(runtime: Runtime, ada: Person) -> None:
    submitted(runtime, ada)
    with runtime.database.snapshot() as session:
        (key,) = session.scalars(select(Document.storage_key))
    root = runtime.settings.directory / "files"
    young, old = (root / key).with_name(str(uuid.uuid4())), (root / key).with_name(str(uuid.uuid4()))
    unfinished = root / ".incoming" / "died"
    for file in (young, old, unfinished):
        file.write_bytes(b"x")
    for file in (root / key, old, unfinished):
        os.utime(file, (time.time() - 25 * 3600,) * 2)
    assert upkeep.prune(runtime) == {"archived": 0, "orphans": 1, "unfinished": 1, "workers": 0}
    assert (root / key).exists()
    assert young.exists()
    assert not old.exists()
    assert not unfinished.exists()
    assert upkeep.prune(runtime) == {"archived": 0, "orphans": 0, "unfinished": 0, "workers": 0}
