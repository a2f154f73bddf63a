"""What a correction teaches the same tenant's next reading of the same counterparty, and nobody else's."""

import datetime as dt
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from api_help import Worker
from sqlalchemy import select

from akount import review
from akount.lessons import order_of
from akount.lifecycle import Runtime
from akount.models import Lesson, Record
from akount.readings import Evidence, Reading, Value
from akount.review import Which
from fresh import opened, settings_for
from make import BILL, reading, submitted
from people import People, Person, settle_in

TAX = "DE136695976"


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def runtime(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runtime]:
    with opened(settings_for(request, tmp_path_factory)) as runtime:
        yield runtime


@pytest.fixture
def people(runtime: Runtime) -> People:
    return settle_in(runtime.database, unique=True)


_NUMBERS = iter(range(1, 10_000))


def booked(runtime: Runtime, worker: Worker, who: Person, says: Reading) -> Record:
    worker.reader.says = says
    job = submitted(runtime, who)
    worker.process(job.id)
    with runtime.database.snapshot() as session:
        return session.scalars(select(Record).where(Record.job_id == job.id)).one()


def read(**values: object) -> Reading:
    """Of another amount each time, so that none is a duplicate."""
    number = next(_NUMBERS)
    return reading(**{"invoice_number": f"N-{number}", "net": None, "tax": None, "total": Decimal(number)} | values)


def taught(runtime: Runtime, who: Person, record: Record, **changes: Any) -> Record:
    """Somebody corrects it and approves it."""
    which = Which(BILL, record.id)
    review.correct(runtime, who.call, which, changes)
    return review.approve(runtime, who.call, which)


def test_the_same_misread_name_comes_out_right_and_says_why(runtime: Runtime, worker: Worker, people: People) -> None:
    first = booked(runtime, worker, people.ada, read(seller_name="C3dar Qu1ll"))
    first = taught(runtime, people.ada, first, counterparty_name="Cedar & Quill")
    second = booked(runtime, worker, people.ada, read(seller_name="C3DAR QU1LL"))
    assert (second.counterparty_name, second.counterparty_id) == ("Cedar & Quill", first.counterparty_id)
    assert second.learned == {"vendor": {"machine": "C3DAR QU1LL", "recordId": str(first.id)}}
    assert second.evidence["vendor"]["engine"] == "correction"
    assert second.evidence["vendor"]["text"] == "as printed", "the place stays"


def test_a_tax_id_says_who_it_is(runtime: Runtime, worker: Worker, people: People) -> None:
    first = booked(runtime, worker, people.ada, read(seller_name="Store 12", seller_vat_id=TAX))
    first = taught(runtime, people.ada, first, counterparty_name="Cedar & Quill")
    second = booked(runtime, worker, people.ada, read(seller_name="Store 47", seller_vat_id="DE 136695976"))
    third = booked(runtime, worker, people.ada, read(seller_name=None, seller_vat_id=TAX))
    assert [r.counterparty_name for r in (second, third)] == ["Cedar & Quill"] * 2
    assert {r.counterparty_id for r in (first, second, third)} == {first.counterparty_id}


def test_nothing_is_learned_before_somebody_approves(runtime: Runtime, worker: Worker, people: People) -> None:
    first = booked(runtime, worker, people.ada, read(seller_name="C3dar Qu1ll"))
    review.correct(runtime, people.ada.call, Which(BILL, first.id), {"counterparty_name": "Cedar & Quill"})
    assert booked(runtime, worker, people.ada, read(seller_name="C3dar Qu1ll")).counterparty_name == "C3dar Qu1ll"
    review.reject(runtime, people.ada.call, Which(BILL, first.id))
    assert booked(runtime, worker, people.ada, read(seller_name="C3dar Qu1ll")).learned == {}


def test_another_tenant_learns_nothing(runtime: Runtime, worker: Worker, people: People) -> None:
    first = booked(runtime, worker, people.ada, read(seller_name="C3dar Qu1ll", seller_vat_id=TAX))
    taught(runtime, people.ada, first, counterparty_name="Cedar & Quill", currency="USD")
    theirs = booked(runtime, worker, people.mallory, read(seller_name="C3dar Qu1ll", seller_vat_id=TAX))
    assert (theirs.counterparty_name, theirs.currency, theirs.learned) == ("C3dar Qu1ll", "EUR", {})


def test_the_currency_is_learned_for_what_is_read_the_same_way(runtime: Runtime, worker: Worker, people: People) -> None:
    taught(runtime, people.ada, booked(runtime, worker, people.ada, read(currency="USD")), currency="CAD")
    again = booked(runtime, worker, people.ada, read(currency="USD", total=Decimal("12.34")))
    assert (again.currency, again.total_amount) == ("CAD", 1234)
    assert booked(runtime, worker, people.ada, read(currency="GBP")).currency == "GBP", "what it really says"
    assert booked(runtime, worker, people.ada, read(currency="USD", seller_name="Paper Mill")).currency == "USD"


def dated(date: dt.date, printed: str) -> Reading:
    whole = read()
    value = Value(date, 95, Evidence(1, (0.1, 0.1, 0.2, 0.2), printed, "fake"))
    return replace(whole, fields=whole.fields | {"issue_date": value})


def test_the_order_of_day_and_month_is_learned(runtime: Runtime, worker: Worker, people: People) -> None:
    year = dt.datetime.now(dt.UTC).year - 1
    first = booked(runtime, worker, people.ada, dated(dt.date(year, 4, 3), f"03/04/{year}"))
    taught(runtime, people.ada, first, date=dt.date(year, 3, 4))
    turned = booked(runtime, worker, people.ada, dated(dt.date(year, 6, 5), f"Date: 05/06/{year}"))
    assert turned.date == dt.date(year, 5, 6)
    assert turned.learned["date"]["machine"] == f"{year}-06-05"
    for date, printed in [
        (dt.date(year, 5, 25), f"05/25/{year}"),
        (dt.date(year, 5, 6), f"05/06/{year}"),
        (dt.date(year, 6, 5), f"5 June {year}"),
        (dt.date(year, 7, 7), f"07/07/{year}"),
    ]:
        assert booked(runtime, worker, people.ada, dated(date, printed)).date == date


def test_a_date_that_was_simply_misread_teaches_no_order(runtime: Runtime, worker: Worker, people: People) -> None:
    year = dt.datetime.now(dt.UTC).year - 1
    first = booked(runtime, worker, people.ada, dated(dt.date(year, 4, 3), f"03/04/{year}"))
    taught(runtime, people.ada, first, date=dt.date(year, 3, 7))
    assert booked(runtime, worker, people.ada, dated(dt.date(year, 6, 5), f"05/06/{year}")).date == dt.date(year, 6, 5)


def test_the_latest_correction_counts(runtime: Runtime, worker: Worker, people: People) -> None:
    for name in ("Cedar", "Cedar & Quill"):
        first = booked(runtime, worker, people.ada, read(seller_name="C3dar Qu1ll"))
        taught(runtime, people.ada, first, counterparty_name=name)
    assert booked(runtime, worker, people.ada, read(seller_name="C3dar Qu1ll")).counterparty_name == "Cedar & Quill"
    with runtime.database.snapshot() as session:
        kept = session.scalars(select(Lesson.value).where(Lesson.tenant_id == people.ada.actor.tenant, Lesson.key == "c3dar qu1ll"))
        assert kept.all() == ["Cedar & Quill"]


@pytest.mark.parametrize(
    ("printed", "date", "order"),
    [
        ("03/04/2025", dt.date(2025, 4, 3), "dmy"),
        ("03/04/2025", dt.date(2025, 3, 4), "mdy"),
        ("3. 4. 25", dt.date(2025, 4, 3), "dmy"),
        ("04/04/2025", dt.date(2025, 4, 4), None),
        ("2025-04-03", dt.date(2025, 4, 3), None),
        ("3 April 2025", dt.date(2025, 4, 3), None),
        ("03/04/2025", dt.date(2025, 9, 9), None),
        ("", dt.date(2025, 4, 3), None),
    ],
)
def test_the_order_of_a_printed_date(printed: str, date: dt.date, order: str | None) -> None:
    assert order_of(printed, date) == order
