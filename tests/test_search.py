"""One document among many: by id, checksum, file, vendor or number, in one's own tenant only, and from an index."""

import hashlib
import uuid
from dataclasses import dataclass
from typing import Any

import pytest
from sqlalchemy import event, select, text

from akount import ledger, search
from akount.counterparties import name_key
from akount.lifecycle import Runtime
from akount.models import Counterparty, Document, Record, RecordStatus
from akount.search import Found
from make import BILL
from people import People, Person
from shared import emptied, shared_url


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def shared(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    return shared_url(request, tmp_path_factory)


@pytest.fixture
def database_url(shared: str) -> str:
    return emptied(shared)


@dataclass(frozen=True)
class Filed:
    """A document with its job and record."""

    document: uuid.UUID
    job: uuid.UUID
    record: uuid.UUID
    sha256: str


def filed(runtime: Runtime, person: Person, filename: str, party: str = "Cedar & Quill", number: str = "A-17") -> Filed:
    tenant, entity = {"tenant_id": person.actor.tenant}, {"entity_id": person.entity_id}
    name, sha256 = uuid.uuid4().hex, hashlib.sha256(uuid.uuid4().bytes).hexdigest()
    document = Document(**tenant, **entity, kind=BILL.name, filename=filename, media_type="application/pdf", size=1)
    document.sha256, document.storage_key = sha256, name
    with runtime.database.transaction() as session:
        session.add(document)
        session.flush()
        job = ledger.enter(session, document, queue=BILL.queue, max_attempts=3, request_id="")
        key = name_key(party)
        known = select(Counterparty).where(Counterparty.entity_id == person.entity_id, Counterparty.name_key == key)
        side = session.scalar(known) or Counterparty(**tenant, **entity, role="vendor", name=party, name_key=key)
        session.add(side)
        session.flush()
        empty: dict[str, Any] = {"tax_breakdown": [], "field_confidence": {}, "evidence": {}, "checks": [], "warnings": []}
        record = Record(**tenant, **entity, **empty, document_id=document.id, job_id=job.id, kind=BILL.name, number=number)
        record.status, record.confidence, record.engine, record.model_version = RecordStatus.DRAFT, 90, "fake", "1"
        record.counterparty_id, record.counterparty_name = side.id, party
        session.add(record)
        session.flush()
        return Filed(document.id, job.id, record.id, sha256)


def found(runtime: Runtime, person: Person, words: str) -> Found:
    with runtime.database.snapshot() as session:
        return search.find(session, person.actor.tenant_id, words)


def documents(runtime: Runtime, person: Person, words: str) -> list[uuid.UUID]:
    return [hit.document_id for hit in found(runtime, person, words).hits]


@pytest.fixture
def mine(runtime: Runtime, people: People) -> Filed:
    """Ada's document among two others of hers and one of Mallory's that is alike in everything."""
    filed(runtime, people.ada, "other.pdf", "Larkfield Studio", "B-1")
    filed(runtime, people.ada, "100%_of it.pdf", "100% Recycled", "C_1")
    filed(runtime, people.mallory, "Rechnung März.PDF", "Crème & Söhne GmbH", "re-2025/001")
    return filed(runtime, people.ada, "Rechnung März.PDF", "Crème & Söhne GmbH", "re-2025/001")


@pytest.mark.parametrize("way", ["job", "document", "record", "sha256"])
def test_an_id_or_checksum_is_exact(runtime: Runtime, people: People, mine: Filed, way: str) -> None:
    answer = found(runtime, people.ada, f"  {getattr(mine, way)} ".upper())
    assert answer.exact
    (hit,) = answer.hits
    assert (hit.job_id, hit.document_id, hit.record_id) == (mine.job, mine.document, mine.record)
    assert hit.by == ("checksum" if way == "sha256" else "id")
    assert documents(runtime, people.mallory, str(getattr(mine, way))) == []
    assert documents(runtime, people.otto, str(getattr(mine, way))) == [mine.document]


@pytest.mark.parametrize(
    ("words", "by"),
    [
        ("Rechnung M", "file"),
        ("rechnung märz.pdf", "file"),
        ("creme", "vendor"),
        ("CRÈME & S", "vendor"),
        ("Crème & Söhne GmbH", "vendor"),
        ("re-2025", "number"),
        ("re-2025/001", "number"),
    ],
)
def test_a_name_or_number_is_found_by_its_beginning(runtime: Runtime, people: People, mine: Filed, words: str, by: str) -> None:
    (hit,) = found(runtime, people.ada, words).hits
    assert (hit.document_id, hit.by) == (mine.document, by)
    assert len(documents(runtime, people.otto, words)) == 2


def test_a_number_in_capitals_is_found_by_small_letters(runtime: Runtime, people: People) -> None:
    one = filed(runtime, people.ada, "x.pdf", number="INV-7")
    assert documents(runtime, people.ada, "inv-7") == [one.document]


@pytest.mark.parametrize("words", ["%%", "_ther", "o%", "re_2025", "\\", "z" * 5000, "re\x00zz", "", " a ", "'; --", "ung M"])
def test_what_is_no_beginning_finds_nothing_and_breaks_nothing(runtime: Runtime, people: People, mine: Filed, words: str) -> None:
    assert documents(runtime, people.ada, words) == []
    assert documents(runtime, people.otto, words) == []


def test_signs_that_mean_more_to_the_database_mean_themselves(runtime: Runtime, people: People, mine: Filed) -> None:
    assert {hit.by for hit in found(runtime, people.ada, "100%").hits} == {"file"}
    assert {hit.by for hit in found(runtime, people.ada, "c_").hits} == {"number"}


def test_of_very_many_there_are_the_first_and_it_is_said(runtime: Runtime, people: People, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "MOST", 2)
    for number in range(3):
        filed(runtime, people.ada, f"many {number}.pdf", number=f"M-{number}")
    answer = found(runtime, people.ada, "many")
    assert (len(answer.hits), answer.more) == (2, True)
    assert not found(runtime, people.ada, "many 1").more


@pytest.mark.parametrize("words", ["re", "creme", "3f1c6f0e-5f7b-4a9d-8a51-0d2f6f1f4f6e", "0" * 64])
def test_a_search_is_four_questions_at_most(runtime: Runtime, people: People, mine: Filed, words: str) -> None:
    asked: list[str] = []
    event.listen(runtime.database.engine, "before_cursor_execute", lambda _c, _k, said, *_: asked.append(said))
    found(runtime, people.otto, words)
    assert len(asked) <= 4


@pytest.mark.parametrize("words", ["rechnung", "creme", "re-2025", "0" * 64])
def test_no_search_reads_a_table_from_end_to_end(runtime: Runtime, people: People, mine: Filed, words: str) -> None:
    """Where rows are few a scan is cheaper, so scans are made dear: what still scans has no index that answers it."""
    if runtime.database.sqlite:
        pytest.skip("explained by Postgres")
    asked: list[tuple[str, Any]] = []

    def hear(_connection: Any, _cursor: Any, said: str, given: Any, *_: Any) -> None:
        asked.append((said.rpartition("; ")[2], given))  # without what Postgres is told with the question

    event.listen(runtime.database.engine, "before_cursor_execute", hear)
    for person in (people.ada, people.otto):
        found(runtime, person, words)
    event.remove(runtime.database.engine, "before_cursor_execute", hear)
    with runtime.database.transaction() as session:
        session.execute(text("SET LOCAL enable_seqscan = off"))
        connection = session.connection()
        searches = [(said, given) for said, given in asked if said.startswith("SELECT") and "FROM" in said]
        plans = [connection.exec_driver_sql(f"EXPLAIN {said}", given).scalars().all() for said, given in searches]
    assert plans
    for plan in plans:
        scanned = [line for line in plan if "Seq Scan" in line and "tenants" not in line]
        assert scanned == []
        assert not [line for line in plan if "Filter:" in line and ("filename_key" in line or "name_key" in line)], plan
