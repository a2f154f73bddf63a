"""The same Idempotency-Key has the same answer for a day, whoever asks how often at once (E8)."""

import datetime as dt
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import func, select, update

from akount import idempotency, scans
from akount.accounts import Call
from akount.db import now
from akount.errors import AkountError, BadRequest, Conflict
from akount.kinds import KINDS
from akount.lifecycle import Runtime
from akount.models import Document, IdempotencyKey, Job
from akount.scans import Submission
from akount.tasks import upkeep
from make import BILL, pdf
from people import People, Person
from shared import emptied, shared_url


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def shared(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    return shared_url(request, tmp_path_factory)


@pytest.fixture
def database_url(shared: str) -> str:
    return emptied(shared)


@pytest.fixture
def ada(people: People) -> Person:
    return people.ada


def submit(runtime: Runtime, call: Call, data: bytes, key: str | None = "one", **said: Any) -> Submission:
    incoming = runtime.storage.receive(runtime.settings.max_upload_bytes)
    incoming.write(data)
    try:
        said = {"kind": BILL, "filename": "a.pdf", "entity_id": None, "idempotency_key": key} | said
        return scans.submit(runtime, call, said.pop("kind"), incoming, **said)
    finally:
        incoming.close()


def count(runtime: Runtime, table: type) -> int:
    with runtime.database.snapshot() as session:
        return session.scalar(select(func.count()).select_from(table)) or 0


def files(runtime: Runtime) -> int:
    return sum(path.is_file() for path in (runtime.settings.directory / "files").rglob("*"))


def test_the_same_key_with_the_same_file_has_the_same_answer(runtime: Runtime, ada: Person) -> None:
    data = pdf()
    first, again = submit(runtime, ada.call, data), submit(runtime, ada.call, data)
    assert (first.duplicate, first.replayed) == (False, False)
    assert (again.duplicate, again.replayed) == (False, True), "the answer of the first time, not that it was sent before"
    assert again.job.id == first.job.id
    assert (count(runtime, Job), files(runtime)) == (1, 1)


def test_the_same_key_with_another_file_is_refused_and_leaves_nothing(runtime: Runtime, ada: Person) -> None:
    submit(runtime, ada.call, pdf())
    with pytest.raises(Conflict) as refused:
        submit(runtime, ada.call, pdf())
    assert refused.value.code == "idempotency_key_reused"
    assert (count(runtime, Job), count(runtime, Document), files(runtime)) == (1, 1, 1)


def test_the_same_key_for_another_kind_is_another_deed_and_refused(runtime: Runtime, ada: Person) -> None:
    data = pdf()
    submit(runtime, ada.call, data)
    with pytest.raises(Conflict):
        submit(runtime, ada.call, data, kind=KINDS["invoice"])


def test_a_key_that_comes_with_a_file_that_was_sent_before_says_so_each_time(runtime: Runtime, ada: Person) -> None:
    data = pdf()
    first = submit(runtime, ada.call, data, key=None)
    answers = [submit(runtime, ada.call, data) for _ in range(2)]
    assert [(a.job.id, a.duplicate, a.replayed) for a in answers] == [(first.job.id, True, False), (first.job.id, True, True)]
    with pytest.raises(Conflict):
        submit(runtime, ada.call, pdf())


def test_keys_of_tenants_have_nothing_to_do_with_each_other(runtime: Runtime, people: People) -> None:
    submit(runtime, people.ada.call, pdf())
    assert not submit(runtime, people.mallory.call, pdf()).replayed
    assert count(runtime, Job) == 2


def test_after_a_day_a_key_is_new_again(runtime: Runtime, ada: Person) -> None:
    submit(runtime, ada.call, pdf())
    with runtime.database.transaction() as session:
        session.execute(update(IdempotencyKey).values(created_at=now() - dt.timedelta(hours=24, seconds=1)))
    assert not submit(runtime, ada.call, pdf()).replayed
    assert count(runtime, IdempotencyKey) == 1


def test_pruning_forgets_keys_that_have_run_out(runtime: Runtime, ada: Person) -> None:
    submit(runtime, ada.call, pdf(), key="old")
    with runtime.database.transaction() as session:
        session.execute(update(IdempotencyKey).values(created_at=now() - dt.timedelta(hours=25)))
    submit(runtime, ada.call, pdf(), key="new")
    upkeep.prune(runtime)
    with runtime.database.snapshot() as session:
        assert session.scalars(select(IdempotencyKey.key)).all() == ["new"]


@pytest.mark.parametrize("key", ["", " ", "two words", "Schlüssel", "x" * 256, "line\nbreak"])
def test_what_is_no_key_is_refused(runtime: Runtime, ada: Person, key: str) -> None:
    with pytest.raises(BadRequest) as refused:
        submit(runtime, ada.call, pdf(), key=key)
    assert refused.value.code == "bad_idempotency_key"


@pytest.mark.parametrize("same", [True, False], ids=["the same file", "eight files"])
def test_a_race_with_one_key_takes_one_document(runtime: Runtime, ada: Person, same: bool) -> None:
    data, ready = pdf(), threading.Barrier(8)

    def race(_: int) -> Submission | AkountError:
        mine = data if same else pdf()
        ready.wait()
        try:
            return submit(runtime, ada.call, mine)
        except Conflict as refused:
            return refused

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(race, range(8)))
    taken = [a for a in answers if isinstance(a, Submission)]
    assert len(taken) == (8 if same else 1)
    assert {(a.job.id, a.duplicate) for a in taken} == {(taken[0].job.id, False)}
    assert sum(not a.replayed for a in taken) == 1
    assert {a.code for a in answers if isinstance(a, AkountError)} == (set() if same else {"idempotency_key_reused"})
    assert (count(runtime, Job), count(runtime, Document), count(runtime, IdempotencyKey), files(runtime)) == (1, 1, 1, 1)
    assert runtime.bells[BILL.queue].length() == 1


def test_a_fingerprint_names_everything_that_was_sent(ada: Person) -> None:
    made = idempotency.keyed(ada.actor.tenant, "k", "bill", ada.entity_id, "sum")
    assert made.fingerprint == f"bill:{ada.entity_id}:sum"
