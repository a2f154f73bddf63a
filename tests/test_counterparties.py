"""Who a document is from: by tax id, by IBAN, by name; one of a new name however many bring it; no look-alike taken for another."""

import threading
import uuid
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import func, select

from akount import counterparties, pipeline, review
from akount.counterparties import Party, look, name_key, resolve
from akount.lifecycle import Runtime, open_runtime
from akount.models import Counterparty, CounterpartyAccount, Job, JobStatus, Record, RecordStatus
from akount.readings import Reading
from akount.review import Which
from akount.tasks.queues import hang_bells
from fakes import FakeReader
from fresh import make_settings, opened, postgres_copy, settings_for
from make import BILL, reading, submitted
from people import People, settle_in
from servers import Server

IBAN, OTHER_IBAN = "DE02120300000000202051", "FR1420041010050500013M02606"
TAX, OTHER_TAX = "DE136695976", "FR40303265045"


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def runtime(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runtime]:
    with opened(settings_for(request, tmp_path_factory)) as runtime:
        yield runtime


@pytest.fixture
def people(runtime: Runtime) -> People:
    return settle_in(runtime.database, unique=True)


@pytest.fixture
def party(people: People) -> Party:
    return Party(people.ada.actor.tenant, people.ada.entity_id, "vendor", "Cedar & Quill GmbH", None, None)


def met(runtime: Runtime, said: Party, **more: Any) -> tuple[uuid.UUID | None, str]:
    """Who it is, and what speaks against it."""
    with runtime.database.transaction() as session:
        match = resolve(session, replace(said, **more))
    doubt = "" if match.finding is None or match.finding.passed else match.finding.detail
    return match.id, doubt


@pytest.mark.parametrize("name", ["CEDAR & QUILL", "Cédar & Quill Ltd.", "cedar   quill", "Cedar-&-Quill GmbH"])
def test_a_name_is_known_in_any_spelling(runtime: Runtime, party: Party, name: str) -> None:
    assert met(runtime, party) == met(runtime, party, name=name)


def test_the_tax_id_says_more_than_the_name(runtime: Runtime, party: Party) -> None:
    first = met(runtime, party, tax_id="DE 136 695 976")
    assert met(runtime, party, name="Something else", tax_id="de136695976") == first
    assert met(runtime, party, tax_id=OTHER_TAX)[0] != first[0], "the same name, another company"


def test_a_tax_id_that_comes_later_is_noted(runtime: Runtime, party: Party) -> None:
    first = met(runtime, party)
    assert met(runtime, party, tax_id=TAX) == first
    assert met(runtime, party, name="A third name", tax_id=TAX) == first


def test_the_iban_says_more_than_the_name(runtime: Runtime, party: Party) -> None:
    first = met(runtime, party, iban=IBAN)
    assert met(runtime, party, name="C & Q Books", iban="DE02 1203 0000 0000 2020 51") == first


def test_the_same_name_with_another_bank_account_is_pointed_out_and_not_merged(runtime: Runtime, party: Party) -> None:
    known, _ = met(runtime, party, iban=IBAN)
    stranger, doubt = met(runtime, party, iban=OTHER_IBAN)
    assert stranger != known
    assert doubt == "Cedar & Quill GmbH is known with another bank account than … 2606: possible fraud."
    assert met(runtime, party, iban=OTHER_IBAN) == (stranger, doubt), "until a person approves it"
    assert met(runtime, party, iban=IBAN) == (known, "")


def test_a_known_tax_id_with_another_bank_account_is_pointed_out(runtime: Runtime, party: Party) -> None:
    known, _ = met(runtime, party, tax_id=TAX, iban=IBAN)
    again, doubt = met(runtime, party, tax_id=TAX, iban=OTHER_IBAN)
    assert again == known
    assert "possible fraud" in doubt
    with runtime.database.transaction() as session:
        counterparties.confirm(session, known, name=None, iban=OTHER_IBAN)  # type: ignore[arg-type]
    assert met(runtime, party, tax_id=TAX, iban=OTHER_IBAN) == (known, "")


@pytest.mark.parametrize("name", ["Cedar & Qui11 GmbH", "Cedar & Ouill GmbH", "Cedar and Quill GmbH", "Ceclar & Quill"])
def test_a_name_that_looks_alike_with_another_bank_account_is_pointed_out(runtime: Runtime, party: Party, name: str) -> None:
    known, _ = met(runtime, party, iban=IBAN)
    stranger, doubt = met(runtime, party, name=name, iban=OTHER_IBAN)
    assert stranger != known
    assert doubt == "The name looks like that of Cedar & Quill GmbH, which has another bank account: possible fraud."
    assert met(runtime, party, name="Paper Mill", iban="GB33BUKB20201555555555")[1] == ""


def test_a_bank_account_of_somebody_with_another_tax_id_is_pointed_out(runtime: Runtime, party: Party) -> None:
    known, _ = met(runtime, party, tax_id=TAX, iban=IBAN)
    other, doubt = met(runtime, party, name="Paper Mill", tax_id=OTHER_TAX, iban=IBAN)
    assert other != known
    assert doubt == "The bank account is that of Cedar & Quill GmbH, which has another tax id: possible fraud."


def test_a_document_that_names_nobody_has_no_counterparty(runtime: Runtime, party: Party) -> None:
    assert met(runtime, party, name=None, tax_id=TAX) == (None, "")


def test_each_entity_and_each_side_has_its_own(runtime: Runtime, party: Party, people: People) -> None:
    mine = met(runtime, party, tax_id=TAX, iban=IBAN)
    theirs = replace(party, tenant_id=people.mallory.actor.tenant, entity_id=people.mallory.entity_id)
    assert met(runtime, theirs, tax_id=TAX, iban=OTHER_IBAN)[0] != mine[0]
    assert met(runtime, theirs, tax_id=TAX, iban=OTHER_IBAN)[1] == ""
    assert met(runtime, party, role="client", tax_id=TAX)[0] != mine[0]


@given(st.text(min_size=1))
def test_any_text_can_be_a_name(name: str) -> None:
    assert name_key(name)
    assert isinstance(look(name_key(name)), str)


# --- through the pipeline ---------------------------------------------------------------------------


def booked(runtime: Runtime, people: People, says: Reading) -> Record:
    reader = FakeReader(says)
    pulse = pipeline.Pulse(runtime, reader)
    job = submitted(runtime, people.ada)
    pipeline.process(runtime, reader, pulse, job.queue)
    with runtime.database.snapshot() as session:
        return session.scalars(select(Record).where(Record.job_id == job.id)).one()


def check(record: Record, code: str) -> bool:
    return {c["code"]: c["passed"] for c in record.checks}[code]


@pytest.mark.parametrize(
    ("again", "flagged"),
    [
        ({}, True),
        ({"invoice_number": "a-17", "total": Decimal("1.00"), "net": Decimal("1.00"), "tax": None}, True),
        ({"invoice_number": "B-18"}, True),
        ({"invoice_number": None}, True),
        ({"invoice_number": "B-18", "total": Decimal("120.00")}, False),
        ({"invoice_number": "B-18", "currency": "USD"}, False),
        ({"seller_name": "Paper Mill"}, False),
    ],
)
def test_the_same_document_as_another_file_is_flagged_with_the_other_record(
    runtime: Runtime, people: People, again: dict[str, object], flagged: bool
) -> None:
    first = booked(runtime, people, reading())
    second = booked(runtime, people, reading(**again))
    assert second.duplicate_of == (first.id if flagged else None)
    assert check(second, "no_duplicate") is not flagged
    assert first.duplicate_of is None


def test_what_was_rejected_is_no_duplicate(runtime: Runtime, people: People) -> None:
    first = booked(runtime, people, reading())
    review.reject(runtime, people.ada.call, Which(BILL, first.id))
    assert booked(runtime, people, reading()).duplicate_of is None


def test_a_fraud_is_reviewed_and_approving_makes_it_trusted(runtime: Runtime, people: People) -> None:
    booked(runtime, people, reading(iban=IBAN))
    stranger = booked(runtime, people, reading(iban=OTHER_IBAN, invoice_number="B-18"))
    assert stranger.status is RecordStatus.NEEDS_REVIEW
    assert not check(stranger, "counterparty_trusted")
    review.approve(runtime, people.ada.call, Which(BILL, stranger.id))
    after = booked(runtime, people, reading(iban=OTHER_IBAN, invoice_number="B-19", total=Decimal("1.00")))
    assert after.counterparty_id == stranger.counterparty_id
    assert check(after, "counterparty_trusted")


def test_a_corrected_name_leaves_no_misread_counterparty_behind(runtime: Runtime, people: People) -> None:
    right = booked(runtime, people, reading())
    misread = booked(runtime, people, reading(seller_name="C3dar Q", invoice_number="B-18", total=Decimal("7.00")))
    assert misread.counterparty_id != right.counterparty_id
    corrected = review.correct(runtime, people.ada.call, Which(BILL, misread.id), {"counterparty_name": "Cedar & Quill"})
    assert corrected.counterparty_id == right.counterparty_id
    twice = review.correct(runtime, people.ada.call, Which(BILL, misread.id), {"number": "A-17"})
    assert twice.duplicate_of == right.id
    with runtime.database.snapshot() as session:
        assert session.scalars(select(Counterparty.name).where(Counterparty.name == "C3dar Q")).all() == []


def test_200_documents_of_one_new_vendor_at_once_make_one_vendor(postgres: Server, tmp_path: Path) -> None:
    runtime = open_runtime(make_settings(tmp_path, postgres_copy(postgres)))
    hang_bells(runtime)
    ada = settle_in(runtime.database).ada
    for _ in range(200):
        submitted(runtime, ada)
    start = threading.Barrier(8)

    def work() -> None:
        reader = FakeReader(reading(seller_vat_id=TAX, iban=IBAN, invoice_number=None))
        pulse = pipeline.Pulse(runtime, reader)
        start.wait(20)
        for _ in range(25):
            pipeline.process(runtime, reader, pulse, BILL.queue)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    with runtime.database.snapshot() as session:
        done = select(func.count()).select_from(Job).where(Job.status == JobStatus.COMPLETED)
        assert session.scalar(done) == 200
        vendor = session.scalars(select(Counterparty)).one()
        assert session.scalars(select(CounterpartyAccount.iban)).all() == [IBAN]
        assert set(session.scalars(select(Record.counterparty_id))) == {vendor.id}
        assert session.scalar(select(func.count()).where(Record.duplicate_of.is_(None))) == 1, "each other one was flagged"
    runtime.close()
