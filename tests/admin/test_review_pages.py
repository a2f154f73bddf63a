"""The pages of review: what a form says becomes a correction, what cannot be taken is said where it stands, nothing is lost."""

import re
import uuid
from decimal import Decimal
from typing import Any

import pytest
from api_help import Worker
from console_help import Visitor, visitor
from flask import Flask
from sqlalchemy import select

from akount.lifecycle import Runtime
from akount.models import Record, Role
from akount.readings import Reading
from make import reading, submitted
from people import People, settle_in


@pytest.fixture
def people(runtime: Runtime) -> People:
    return settle_in(runtime.database, unique=True)


@pytest.fixture
def accountant(app: Flask, runtime: Runtime, people: People) -> Visitor:
    return visitor(app, runtime.database, people.ada.actor.tenant, Role.ACCOUNTANT)


def booked(runtime: Runtime, worker: Worker, people: People, says: Reading | None = None) -> tuple[str, uuid.UUID]:
    """The path of a document's page, and the id of its record."""
    worker.reader.says = says or reading()
    job = submitted(runtime, people.ada)
    worker.process(job.id)
    with runtime.database.snapshot() as session:
        return f"/admin/documents/{job.document_id}", session.scalars(select(Record.id).where(Record.job_id == job.id)).one()


def kept(runtime: Runtime, record_id: uuid.UUID) -> Record:
    with runtime.database.snapshot() as session:
        record = session.get_one(Record, record_id)
        assert record.lines is not None
        return record


def form(page: str) -> dict[str, str]:
    """What the form of the page says as it is."""
    said = re.search(r'<form method="post" action="[^"]*/correct">(.*?)</form>', page, re.DOTALL)
    assert said
    fields = {}
    for tag in re.findall(r"<input ([^>]*)>", said[1]):
        name, value = re.search(r'name="([^"]*)"', tag), re.search(r'value="([^"]*)"', tag)
        if name and name[1] not in ("csrf", "back"):
            fields[name[1]] = value[1].replace("&amp;", "&") if value else ""
    return fields


def save(who: Visitor, path: str, verb: str = "correct", **changed: str) -> Any:
    return who.post(f"{path}/{verb}", **form(who.get(path).text) | changed)


def test_a_form_that_was_not_touched_changes_nothing(runtime: Runtime, worker: Worker, people: People, accountant: Visitor) -> None:
    path, record_id = booked(runtime, worker, people)
    assert accountant.flash(save(accountant, path)) == "good: Nothing was changed."
    assert kept(runtime, record_id).version == 1


def test_values_and_lines_are_put_right(runtime: Runtime, worker: Worker, people: People, accountant: Visitor) -> None:
    path, record_id = booked(runtime, worker, people, reading(seller_name="Cedar & Qui11", total=Decimal("191.00")))
    more = {
        "line-0-description": "",
        "line-1-amount": "1.030,50".replace(".", ""),
        "line-3-description": "Postage",
        "line-3-amount": "7",
    }
    answer = save(accountant, path, counterparty_name="Cedar & Quill", total_amount="119", due_date="2030-01-31", **more)
    assert accountant.flash(answer) == "good: The corrections are saved."
    record = kept(runtime, record_id)
    assert (record.counterparty_name, record.total_amount, str(record.due_date)) == ("Cedar & Quill", 11900, "2030-01-31")
    assert [(line.description, line.amount) for line in record.lines] == [("Thing 1", 103050), ("Thing 2", 2000), ("Postage", 700)]
    page = accountant.get(path).text
    assert "the machine had found: Cedar &amp; Qui11" in page
    assert "the machine had found: 191.00" in page


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"total_amount": "abc"}, "“abc” is no number."),
        ({"total_amount": "1.005"}, "“1.005” has more digits than EUR has."),
        ({"total_amount": "9" * 30}, "is no amount."),
        ({"currency": "XX"}, "Must be a currency of ISO 4217"),
        ({"date": "31.12.2025"}, "Not a valid date."),
        ({"line-0-quantity": "many"}, "“many” is no number."),
    ],
)
def test_what_cannot_be_taken_is_said_and_the_rest_of_the_form_is_kept(
    runtime: Runtime, worker: Worker, people: People, accountant: Visitor, changed: dict[str, str], said: str
) -> None:
    path, record_id = booked(runtime, worker, people)
    answer = save(accountant, path, number="typed with care", **changed)
    assert answer.status_code == 422
    assert said in answer.text
    assert 'value="typed with care"' in answer.text
    assert kept(runtime, record_id).version == 1


def test_saving_and_approving_is_one_step_and_leads_to_the_next(
    runtime: Runtime, worker: Worker, people: People, accountant: Visitor
) -> None:
    first, record_id = booked(runtime, worker, people, reading(seller_name="Q"))
    second, other_id = booked(runtime, worker, people, reading(seller_name="R"))
    assert accountant.get("/admin/review/next").headers["Location"] == first
    answer = save(accountant, first, "approve", counterparty_name="Cedar & Quill", reason="Looked at it.")
    assert answer.headers["Location"] == second
    record = kept(runtime, record_id)
    assert (record.status, record.counterparty_name, record.review_reason) == ("approved", "Cedar & Quill", "Looked at it.")
    answer = save(accountant, second, "reject", reason="Not ours.")
    assert answer.headers["Location"] == "/admin/review"
    assert "Nothing is to be reviewed." in accountant.get("/admin/review").text
    assert accountant.flash(accountant.post(f"{second}/reopen")) == "good: The record is to be reviewed again."
    assert kept(runtime, other_id).status == "needs_review"


def test_what_is_missing_is_said_before_it_is_approved(
    runtime: Runtime, worker: Worker, people: People, accountant: Visitor
) -> None:
    path, record_id = booked(runtime, worker, people, reading(total=None))
    answer = save(accountant, path, "approve")
    assert answer.status_code == 422
    assert "somebody must enter: totalAmount" in answer.text
    assert kept(runtime, record_id).status == "manual_entry"


def test_who_has_an_old_form_is_told_and_overwrites_nothing(
    runtime: Runtime, worker: Worker, people: People, accountant: Visitor
) -> None:
    path, record_id = booked(runtime, worker, people)
    old = form(accountant.get(path).text)
    save(accountant, path, number="B-18")
    for verb in ("correct", "approve", "reject"):
        answer = accountant.post(f"{path}/{verb}", **old | {"number": "C-19"})
        assert answer.status_code in (303, 412)
        assert "changed since" in (answer.text if answer.status_code == 412 else accountant.flash(answer))
    record = kept(runtime, record_id)
    assert (record.number, record.status) == ("B-18", "needs_review")


def test_a_bookkeeper_corrects_and_is_told_who_approves(app: Flask, runtime: Runtime, worker: Worker, people: People) -> None:
    bookkeeper = visitor(app, runtime.database, people.ada.actor.tenant, Role.BOOKKEEPER)
    path, _ = booked(runtime, worker, people)
    page = bookkeeper.get(path).text
    assert "The role BOOKKEEPER lacks the permission approve." in page
    assert "/approve" not in page
    assert save(bookkeeper, path, number="B-18").status_code == 303


def test_what_strangers_wrote_stays_text(runtime: Runtime, worker: Worker, people: People, accountant: Visitor) -> None:
    evil = '"><script>alert(1)</script>'
    path, _ = booked(runtime, worker, people, reading(seller_name=evil, invoice_number=evil))
    for page in (path, "/admin/review", "/admin/documents"):
        assert "<script>alert" not in accountant.get(page).text


def test_a_duplicate_links_to_the_record_there_is(runtime: Runtime, worker: Worker, people: People, accountant: Visitor) -> None:
    first, record_id = booked(runtime, worker, people)
    second, _ = booked(runtime, worker, people)
    assert f'href="/admin/records/{record_id}"' in accountant.get(second).text
    assert accountant.get(f"/admin/records/{record_id}").headers["Location"] == first
