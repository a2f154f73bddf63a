"""Just so many documents a tenant may send in any minute, in memory and in Redis; who sends more is told when to go on (R10)."""

import io
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import limits.storage.memory
import limits.storage.redis
import pytest
import redis
from flask.testing import FlaskClient
from sqlalchemy import func, select
from structlog.testing import capture_logs
from werkzeug.test import TestResponse

import akount.limits
import config
from akount import scans
from akount.backlog import Priority
from akount.errors import LimitExceeded, NotFound, UnsupportedType
from akount.lifecycle import Runtime, open_runtime
from akount.limits import Limiter
from akount.models import AuditEntry, Document, Job
from fresh import make_settings
from make import BILL, pdf, submitted
from people import People, Person
from servers import Server, redis_server

LIMIT = 5
ADA, MALLORY = uuid.uuid4(), uuid.uuid4()


class Clock(SimpleNamespace):
    """Time that passes when it is told to."""

    at = 1_800_000_000.0

    def time(self) -> float:
        return self.at


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The clock of the limiter and of the library's windows."""
    made = Clock()
    for module in (akount.limits, limits.storage.memory, limits.storage.redis):
        monkeypatch.setattr(module, "time", made)
    return made


@pytest.fixture
def limiter(tmp_path: Path, queue_environ: dict[str, str]) -> Iterator[Limiter]:
    """One that counts in memory, and one that counts in Redis."""
    made = Limiter(make_settings(tmp_path, "sqlite://", JOBS_PER_MINUTE=str(LIMIT), **queue_environ))
    yield made
    made.close()


def admitted(limiter: Limiter, tenant: uuid.UUID, tries: int) -> int:
    """How many of so many tries are let in."""
    return sum(refusal(limiter, tenant) is None for _ in range(tries))


def refusal(limiter: Limiter, tenant: uuid.UUID) -> LimitExceeded | None:
    try:
        limiter.admit(tenant)
    except LimitExceeded as error:
        return error
    return None


def test_just_so_many_are_let_in(limiter: Limiter, clock: Clock) -> None:
    assert admitted(limiter, ADA, 3 * LIMIT) == LIMIT


def test_a_tenant_does_not_feel_what_another_sends(limiter: Limiter, clock: Clock) -> None:
    assert admitted(limiter, ADA, 3 * LIMIT) == LIMIT
    assert admitted(limiter, MALLORY, 3 * LIMIT) == LIMIT


def test_the_window_slides_with_each_document(limiter: Limiter, clock: Clock) -> None:
    """A window that starts over every minute would let in twice the limit around its edge."""
    assert admitted(limiter, ADA, 2) == 2
    clock.at += 50
    assert admitted(limiter, ADA, 2 * LIMIT) == LIMIT - 2
    clock.at += 10.1
    assert admitted(limiter, ADA, 2 * LIMIT) == 2, "the first two are a minute old"
    clock.at += 49.8
    assert admitted(limiter, ADA, LIMIT) == 0
    clock.at += 0.2
    assert admitted(limiter, ADA, 2 * LIMIT) == LIMIT - 2


def test_a_refusal_costs_nothing(limiter: Limiter, clock: Clock) -> None:
    admitted(limiter, ADA, LIMIT)
    for _ in range(59):
        clock.at += 1
        assert admitted(limiter, ADA, 3) == 0
    clock.at += 1.1
    assert admitted(limiter, ADA, 2 * LIMIT) == LIMIT


def test_in_no_minute_there_are_more_whenever_they_come(limiter: Limiter, clock: Clock) -> None:
    entered = []
    for step in range(400):
        clock.at += (step * 37 % 11) / 2
        if refusal(limiter, ADA) is None:
            entered.append(clock.at)
    assert len(entered) > 10 * LIMIT
    assert min(later - earlier for earlier, later in zip(entered, entered[LIMIT:], strict=False)) >= 60


def test_a_refusal_says_the_numbers_and_when_to_go_on(limiter: Limiter, clock: Clock) -> None:
    admitted(limiter, ADA, 1)
    clock.at += 20
    admitted(limiter, ADA, LIMIT)
    clock.at += 2.5
    said = refusal(limiter, ADA)
    assert said is not None
    assert (said.status, said.code, said.retry_after) == (429, "job_limit", 38), "37.5 s, and not a moment too early"
    assert said.detail == "5 documents may be sent in any 60 seconds, and 5 were; send the next in 38 s."
    assert said.headers == {"RateLimit-Limit": "5", "RateLimit-Remaining": "0", "RateLimit-Reset": "38"}
    clock.at += 37
    said = refusal(limiter, ADA)
    assert said is not None
    assert said.retry_after == 1
    clock.at += 1
    assert admitted(limiter, ADA, LIMIT) == 1


def test_a_full_second_is_the_least_to_wait(limiter: Limiter, clock: Clock) -> None:
    admitted(limiter, ADA, LIMIT)
    clock.at += 59.999
    said = refusal(limiter, ADA)
    assert said is not None
    assert said.retry_after == 1


def test_many_at_once_are_counted_one_by_one(limiter: Limiter) -> None:
    for _ in range(10):
        tenant = uuid.uuid4()
        with ThreadPoolExecutor(16) as crowd:
            assert sum(crowd.map(lambda _, tenant=tenant: refusal(limiter, tenant) is None, range(64))) == LIMIT


# --- in Redis ---


@pytest.fixture
def own_redis(tmp_path: Path) -> Iterator[Server]:
    with redis_server(tmp_path, password="s:cret@/") as server:
        yield server


@pytest.fixture
def shared(tmp_path: Path, own_redis: Server) -> config.Settings:
    return make_settings(tmp_path, "sqlite://", JOBS_PER_MINUTE=str(LIMIT), REDIS_URL=own_redis.url)


def test_all_processes_count_together(shared: config.Settings) -> None:
    limiters = [Limiter(shared) for _ in range(4)]
    with ThreadPoolExecutor(16) as crowd:
        assert sum(crowd.map(lambda n: refusal(limiters[n % 4], ADA) is None, range(100))) == LIMIT
    for each in limiters:
        each.close()


def test_a_key_goes_by_itself(shared: config.Settings, own_redis: Server) -> None:
    limiter, brief = Limiter(shared), Limiter(shared, seconds=1)
    admitted(limiter, ADA, 2 * LIMIT)
    admitted(brief, MALLORY, 2 * LIMIT)
    with redis.Redis.from_url(own_redis.url) as admin:
        (key,) = admin.keys(f"*{ADA}*")
        assert 0 < admin.ttl(key) <= 60
        deadline = time.monotonic() + 10
        while admin.keys(f"*{MALLORY}*"):
            assert time.monotonic() < deadline
            time.sleep(0.1)
    limiter.close()
    brief.close()


def test_what_has_left_the_window_takes_no_room(tmp_path: Path, own_redis: Server, clock: Clock) -> None:
    limiter = Limiter(make_settings(tmp_path, "sqlite://", JOBS_PER_MINUTE="1000", REDIS_URL=own_redis.url))
    for _ in range(200):
        clock.at += 1
        limiter.admit(ADA)
    with redis.Redis.from_url(own_redis.url) as admin:
        (key,) = admin.keys(f"*{ADA}*")
        assert admin.llen(key) == 61, "one a second, and that of a minute ago counts still"
    assert limiter.level(ADA).taken == 61
    limiter.close()


def await_return(limiter: Limiter, server: Server) -> None:
    """Until Redis counts again."""
    deadline = time.monotonic() + 60
    with redis.Redis.from_url(server.url) as admin:
        while True:
            tenant = uuid.uuid4()
            limiter.admit(tenant)
            if admin.keys(f"*{tenant}*"):
                return
            assert time.monotonic() < deadline
            time.sleep(0.05)


def test_with_redis_away_each_process_counts_for_itself_and_at_once(shared: config.Settings, own_redis: Server) -> None:
    one, other = Limiter(shared), Limiter(shared)
    assert admitted(one, ADA, 2 * LIMIT) == LIMIT
    own_redis.kill()
    started = time.monotonic()
    assert admitted(one, MALLORY, 1000) == LIMIT
    assert admitted(other, MALLORY, 1000) == LIMIT
    assert time.monotonic() - started < 60, "not everybody pays the time-out: that would be 1,000 s"
    own_redis.start()
    for each in (one, other):
        await_return(each, own_redis)
        assert admitted(each, ADA, 1) == 0, "Redis has kept the count of before, and is asked again"
        each.close()


def out_of_memory(admin: redis.Redis) -> None:
    admin.config_set("maxmemory", "1")


def of_another_type(admin: redis.Redis) -> None:
    (key,) = admin.keys(f"*{MALLORY}*")
    admin.set(key.decode().replace(str(MALLORY), str(ADA)), "of another type")


def emptied(admin: redis.Redis) -> None:
    admin.flushall()
    admin.script_flush()


@pytest.mark.parametrize("trouble", [out_of_memory, of_another_type, emptied])
def test_a_redis_that_refuses_stops_no_upload_and_opens_no_gate(
    trouble: Callable[[redis.Redis], None], shared: config.Settings, own_redis: Server
) -> None:
    limiter = Limiter(shared)
    assert admitted(limiter, MALLORY, 1) == 1
    with redis.Redis.from_url(own_redis.url) as admin:
        trouble(admin)
    assert admitted(limiter, ADA, 3 * LIMIT) == LIMIT
    limiter.close()


def test_a_runtime_closes_the_connections_of_its_limiter(shared: config.Settings, own_redis: Server) -> None:
    runtime = open_runtime(shared)
    with redis.Redis.from_url(own_redis.url) as admin:
        assert len(admin.client_list()) == 1, "nothing is connected before the first upload"
        runtime.limiter.admit(ADA)
        assert len(admin.client_list()) == 2
        with capture_logs() as lines:
            runtime.shut_down(10)
        assert [line["part"] for line in lines] == ["opener", "limiter", "storage", "database"]
        deadline = time.monotonic() + 5
        while len(admin.client_list()) > 1:
            assert time.monotonic() < deadline
            time.sleep(0.02)


# --- in front of an upload ---


@pytest.fixture
def settings(tmp_path: Path, database_url: str) -> config.Settings:
    return make_settings(tmp_path, database_url, JOBS_PER_MINUTE="3")


def fill(runtime: Runtime, person: Person) -> list[bytes]:
    """Uses up the person's minute."""
    sent = [pdf() for _ in range(3)]
    for data in sent:
        submitted(runtime, person, data)
    return sent


def kept(runtime: Runtime) -> tuple[int, ...]:
    """Files, and rows of each kind."""
    files = [path for path in (runtime.settings.directory / "files").rglob("*") if path.is_file()]
    noted = select(func.count()).select_from(AuditEntry).where(AuditEntry.action == "document.submit")
    with runtime.database.snapshot() as session:
        rows = [session.scalar(select(func.count()).select_from(table)) or 0 for table in (Document, Job)]
        return len(files), *rows, session.scalar(noted) or 0


def test_one_more_is_refused_and_leaves_nothing(runtime: Runtime, people: People) -> None:
    fill(runtime, people.ada)
    assert kept(runtime) == (3, 3, 3, 3)
    with pytest.raises(LimitExceeded):
        submitted(runtime, people.ada)
    assert kept(runtime) == (3, 3, 3, 3)
    submitted(runtime, people.mallory)
    assert kept(runtime) == (4, 4, 4, 4)


def test_a_document_that_is_there_costs_nothing(runtime: Runtime, people: People) -> None:
    first = pdf()
    jobs = {submitted(runtime, people.ada, first).id for _ in range(10)}
    assert len(jobs) == 1
    fill_up = [submitted(runtime, people.ada) for _ in range(2)]
    assert len(fill_up) == 2
    assert submitted(runtime, people.ada, first).id in jobs, "and is found when the minute is full"


def test_the_answer_to_a_key_that_came_before_costs_nothing(client: FlaskClient, people: People) -> None:
    data, headers = pdf(), people.ada.headers | {"Idempotency-Key": "a-key-of-the-tests"}

    def send() -> int:
        form = {"file": (io.BytesIO(data), "a.pdf")}
        return client.post("/api/business/bills/scan", headers=headers, data=form).status_code

    assert [send() for _ in range(6)] == [202] * 6


def test_what_could_not_be_taken_anyway_costs_nothing(runtime: Runtime, people: People) -> None:
    for _ in range(4):
        with pytest.raises(UnsupportedType):
            submitted(runtime, people.ada, b"a text")
    stranger = Person(people.ada.key, people.ada.actor, people.mallory.entity_id)
    for _ in range(4):
        with pytest.raises(NotFound):
            submitted(runtime, stranger)
    fill(runtime, people.ada)


def test_an_import_counts_as_much_as_a_person(runtime: Runtime, people: People) -> None:
    fill(runtime, people.ada)
    incoming = runtime.storage.receive(1_000_000)
    incoming.write(pdf())
    with pytest.raises(LimitExceeded):
        scans.submit(runtime, people.ada.call, BILL, incoming, filename="a.pdf", entity_id=None, priority=Priority.BULK)
    incoming.close()


def test_the_refusal_over_http_is_the_one_that_is_promised(client: FlaskClient, people: People) -> None:
    def send() -> TestResponse:
        form = {"file": (io.BytesIO(pdf()), "a.pdf")}
        return client.post("/api/business/bills/scan", headers=people.ada.headers, data=form)

    assert [send().status_code for _ in range(3)] == [202] * 3
    answer = send()
    assert (answer.status_code, answer.content_type) == (429, "application/problem+json")
    assert (answer.json["code"], answer.json["title"], answer.json["status"]) == ("job_limit", "Too many requests", 429)
    wait = int(answer.headers["Retry-After"])
    assert 1 <= wait <= 60
    assert answer.json["detail"] == f"3 documents may be sent in any 60 seconds, and 3 were; send the next in {wait} s."
    said = {name: value for name, value in answer.headers.items() if name.startswith("RateLimit-")}
    assert said == {"RateLimit-Limit": "3", "RateLimit-Remaining": "0", "RateLimit-Reset": str(wait)}


def test_the_level_of_a_limit_is_told_and_can_be_released(limiter: Limiter, clock: Clock) -> None:
    assert (limiter.level(ADA).taken, limiter.level(ADA).seconds) == (0, 0)
    for _ in range(LIMIT):
        limiter.admit(ADA)
    limiter.admit(MALLORY)
    clock.at += 10
    level = limiter.level(ADA)
    assert (level.taken, level.limit, level.seconds) == (LIMIT, LIMIT, pytest.approx(50, abs=0.1))
    limiter.release(ADA)
    assert limiter.level(ADA).taken == 0
    assert limiter.level(MALLORY).taken == 1
    limiter.admit(ADA)
