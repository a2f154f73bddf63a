"""/api/business/…: listing and opening records, page by page, and their shape as the contract has it."""

import datetime as dt
import uuid
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pytest
from api_help import DATABASES, Worker
from flask.testing import FlaskClient
from itsdangerous import URLSafeSerializer
from sqlalchemy import update
from werkzeug.test import TestResponse

import config
from akount.kinds import KINDS, Kind
from akount.lifecycle import Runtime
from akount.models import Record, RecordStatus
from akount.readings import Line, Reading, TaxBand
from fresh import settings_for
from make import BILL, reading, submitted
from people import People, Person, settle_in

INVOICE = KINDS["invoice"]
each_kind = pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS.keys())
TODAY = dt.datetime.now(dt.UTC).date()


@pytest.fixture(scope="module", params=DATABASES)
def settings(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> config.Settings:
    return settings_for(request, tmp_path_factory)


def booked(worker: Worker, runtime: Runtime, person: Person, says: Reading | None = None, kind: Kind = BILL) -> str:
    """The id of a record that came of a document with this reading."""
    worker.reader.says = says or reading()
    job = submitted(runtime, person, kind=kind)
    worker.process(job.id)
    with runtime.database.snapshot() as session:
        return str(session.query(Record).where(Record.job_id == job.id).one().id)


def listed(client: FlaskClient, person: Person, kind: Kind = BILL, **query: Any) -> TestResponse:
    return client.get(f"/api/business/{kind.plural}", headers=person.headers, query_string=query)


def ids(answer: TestResponse) -> list[str]:
    assert answer.status_code == 200, answer.json
    return [item["id"] for item in answer.json["items"]]


def opened_record(client: FlaskClient, person: Person, record_id: str, kind: Kind = BILL, **headers: str) -> TestResponse:
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    return client.get(f"/api/business/{kind.plural}/{record_id}", headers=person.headers | sent)


# --- one record -----------------------------------------------------------------------------------


def everything() -> Reading:
    """A reading that knows all there is to know."""
    return Reading(
        engine="fake",
        engine_version="1.2",
        pages=1,
        fields=reading(
            seller_vat_id="DE136695976",
            buyer_vat_id="FR40303265045",
            iban="DE02120300000000202051",
            due_date=TODAY + dt.timedelta(days=11),
            amount_due=Decimal("119.00"),
            payment_terms="14 days net",
        ).fields,
        lines=(
            Line("Half a thing", Decimal("0.5"), Decimal("100.125"), Decimal("50.06"), Decimal("19.0"), Decimal("9.51")),
            Line("The rest", amount=Decimal("49.94")),
        ),
        tax_bands=(TaxBand("VAT", Decimal("19.0"), Decimal("100.00"), Decimal("19.00")),),
        warnings=("The second page is faint.",),
    )


@each_kind
def test_a_record_has_exactly_the_shape_of_the_contract(
    client: FlaskClient, people: People, runtime: Runtime, worker: Worker, kind: Kind
) -> None:
    record_id = booked(worker, runtime, people.ada, everything(), kind)
    answer = opened_record(client, people.ada, record_id, kind)
    assert answer.status_code == 200
    said = answer.json
    party = {"bill": ("vendor", "vendorTaxId", "billNumber"), "invoice": ("clientName", "clientTaxId", "invoiceNumber")}[kind.name]
    name, tax_id, number = party
    assert uuid.UUID(said.pop("documentId"))
    assert uuid.UUID(said.pop("jobId"))
    assert uuid.UUID(said.pop("counterpartyId"))
    assert {c["code"]: c["passed"] for c in said["checks"]}["totals_add_up"] is True
    assert all(c.keys() == {"code", "passed", "detail"} and c["detail"] for c in said.pop("checks"))
    assert all(said.pop(stamp).endswith("Z") for stamp in ("createdAt", "updatedAt"))
    evidence = said.pop("evidence")
    assert evidence["totalAmount"] == {"page": 1, "box": [0.1, 0.1, 0.2, 0.2], "text": "as printed", "engine": "fake"}
    known = {"date", "dueDate", "currency", "subtotal", "taxAmount", "totalAmount", "amountDue", "iban", *party}
    assert evidence.keys() == known
    assert said.pop("fieldConfidence") == dict.fromkeys(known, 95)
    assert said == {
        "id": record_id,
        "kind": kind.name,
        "status": "needs_review",
        "entityId": str(people.ada.entity_id),
        name: {"bill": "Cedar & Quill", "invoice": "Larkfield Studio Ltd"}[kind.name],
        tax_id: {"bill": "DE136695976", "invoice": "FR40303265045"}[kind.name],
        number: "A-17",
        "iban": "DE02120300000000202051",
        "date": (TODAY - dt.timedelta(days=3)).isoformat(),
        "dueDate": (TODAY + dt.timedelta(days=11)).isoformat(),
        "currency": "EUR",
        "subtotal": 10000,
        "taxAmount": 1900,
        "totalAmount": 11900,
        "amountDue": 11900,
        "creditNote": False,
        "lineItems": [
            {
                "description": "Half a thing",
                "quantity": "0.5",
                "unitPrice": "100.125",
                "amount": 5006,
                "taxAmount": 951,
                "taxRate": "19.0",
                "evidence": None,
            },
            {
                "description": "The rest",
                "quantity": None,
                "unitPrice": None,
                "amount": 4994,
                "taxAmount": None,
                "taxRate": None,
                "evidence": None,
            },
        ],
        "taxBreakdown": [{"name": "VAT", "rate": "19.0", "amount": 1900}],
        "paymentTerms": {
            "terms": "14 days net",
            "dueDate": (TODAY + dt.timedelta(days=11)).isoformat(),
            "discountTerms": None,
        },
        "confidence": 95,
        "engine": "fake",
        "modelVersion": "1.2",
        "warnings": ["The second page is faint."],
        "corrections": {},
        "learned": {},
        "duplicateOf": None,
        "reviewedBy": None,
        "reviewedAt": None,
        "reviewReason": None,
        "version": 1,
    }


def test_the_list_shows_records_as_they_are_when_opened(
    client: FlaskClient, people: People, runtime: Runtime, worker: Worker
) -> None:
    record_id = booked(worker, runtime, people.ada, everything())
    answer = listed(client, people.ada)
    assert answer.json.keys() == {"items", "nextCursor"}
    assert answer.json["items"] == [opened_record(client, people.ada, record_id).json]
    assert answer.json["nextCursor"] is None


@pytest.mark.parametrize(
    ("currency", "total", "minor"),
    [
        ("JPY", "1234567", 1234567),
        ("KWD", "1.234", 1234),
        ("EUR", "-119.00", -11900),
        ("EUR", "92233720368547758.07", 2**63 - 1),
        ("EUR", "0.005", 1),
    ],
)
def test_amounts_are_whole_numbers_of_the_currencys_smallest_unit(
    client: FlaskClient, people: People, runtime: Runtime, worker: Worker, currency: str, total: str, minor: int
) -> None:
    amount = Decimal(total)
    says = reading(currency=currency, net=amount, tax=None, total=amount)
    said = opened_record(client, people.ada, booked(worker, runtime, people.ada, says)).json
    assert (said["currency"], said["totalAmount"], said["subtotal"]) == (currency, minor, minor)
    assert type(said["totalAmount"]) is int
    assert said["taxAmount"] is None


def test_what_was_not_found_is_null(client: FlaskClient, people: People, runtime: Runtime, worker: Worker) -> None:
    says = Reading("fake", "1", 1, fields={"total": reading().fields["total"]})
    said = opened_record(client, people.ada, booked(worker, runtime, people.ada, says)).json
    missing = (
        "vendor",
        "vendorTaxId",
        "billNumber",
        "iban",
        "date",
        "dueDate",
        "currency",
        "subtotal",
        "amountDue",
        "paymentTerms",
    )
    assert {name: said[name] for name in missing} == dict.fromkeys(missing)
    assert (said["status"], said["lineItems"], said["totalAmount"]) == ("manual_entry", [], 11900)


def test_a_record_has_an_etag(client: FlaskClient, people: People, runtime: Runtime, worker: Worker) -> None:
    record_id = booked(worker, runtime, people.ada)
    etag = opened_record(client, people.ada, record_id).headers["ETag"]
    same = opened_record(client, people.ada, record_id, If_None_Match=etag)
    assert (same.status_code, same.data, same.headers["ETag"]) == (304, b"", etag)
    assert opened_record(client, people.ada, record_id, If_None_Match='"another"').status_code == 200


@each_kind
def test_another_tenants_record_does_not_exist_just_as_an_unknown_one(
    client: FlaskClient, people: People, runtime: Runtime, worker: Worker, kind: Kind
) -> None:
    record_id = booked(worker, runtime, people.ada, kind=kind)
    answers = [opened_record(client, people.mallory, i, kind) for i in (record_id, str(uuid.uuid4()))]
    assert [answer.status_code for answer in answers] == [404, 404]
    assert len({answer.json["detail"] for answer in answers}) == 1
    assert listed(client, people.mallory, kind).json == {"items": [], "nextCursor": None}
    assert ids(listed(client, people.ada, kind)) == [record_id]


def test_a_record_is_found_under_its_own_kind_only(client: FlaskClient, people: People, runtime: Runtime, worker: Worker) -> None:
    record_id = booked(worker, runtime, people.ada)
    assert opened_record(client, people.ada, record_id, INVOICE).status_code == 404
    assert ids(listed(client, people.ada, INVOICE)) == []


def test_an_id_that_is_none_is_no_page(client: FlaskClient, people: People) -> None:
    for wrong in ("17", "not-an-id", f"{uuid.uuid4()}x", "..%2f..%2fetc"):
        assert opened_record(client, people.ada, wrong).status_code == 404


def test_an_operator_must_choose_a_tenant(client: FlaskClient, people: People) -> None:
    answer = listed(client, people.otto)
    assert (answer.status_code, answer.json["code"]) == (400, "tenant_required")


# --- filters --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Books:
    """Somebody's records, by name or in order; the tests that share them only read."""

    owner: Person
    records: Any


@pytest.fixture(scope="module")
def shelf(runtime: Runtime, worker: Worker) -> Books:
    owner = settle_in(runtime.database).ada
    day = dt.date(2025, 3, 1)
    says = {
        "march": reading(seller_name="Nordlicht Café", invoice_number="N-1", issue_date=day),
        "april": reading(seller_name="50% Off_Shop", invoice_number="INV/2025/04", issue_date=day.replace(month=4)),
        "undated": reading(seller_name="Nameless", invoice_number=None, issue_date=None),
        "poor": reading(seller_name=None, invoice_number="n-1-poor", currency=None, issue_date=day.replace(month=5)),
    }
    return Books(owner, {name: booked(worker, runtime, owner, each) for name, each in says.items()})


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({}, {"march", "april", "undated", "poor"}),
        ({"status": "manual_entry"}, {"poor"}),
        ({"status": "needs_review"}, {"march", "april", "undated"}),
        ({"status": "approved"}, set()),
        ({"status": ""}, {"march", "april", "undated", "poor"}),
        ({"q": "nordlicht"}, {"march"}),
        ({"q": "N-1"}, {"march", "poor"}),
        ({"q": "2025/04"}, {"april"}),
        ({"q": "%"}, {"april"}),
        ({"q": "_"}, {"april"}),
        ({"q": "café"}, {"march"}),
        ({"q": "' OR 1=1 --"}, set()),
        ({"q": "nothing like it"}, set()),
        ({"from": "2025-03-01", "to": "2025-03-01"}, {"march"}),
        ({"from": "2025-03-02"}, {"april", "poor"}),
        ({"to": "2025-04-01"}, {"march", "april"}),
        ({"from": "2025-06-01", "to": "2025-01-01"}, set()),
        ({"q": "n-1", "to": "2025-04-30"}, {"march"}),
        ({"unknown": "ignored"}, {"march", "april", "undated", "poor"}),
    ],
)
def test_records_are_filtered(client: FlaskClient, shelf: Books, query: dict[str, str], expected: set[str]) -> None:
    found = ids(listed(client, shelf.owner, **query))
    assert {name for name, record_id in shelf.records.items() if record_id in found} == expected
    assert len(found) == len(expected)


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"status": "lost"}, "status"),
        ({"from": "01.03.2025"}, "from"),
        ({"to": "2025-02-30"}, "to"),
        ({"limit": "0"}, "limit"),
        ({"limit": "201"}, "limit"),
        ({"limit": "many"}, "limit"),
        ({"q": "x" * 201}, "q"),
        ({"q": "nul\x00byte"}, "q"),
        ({"cursor": "forged"}, "cursor"),
        ({"cursor": "x" * 501}, "cursor"),
    ],
)
def test_a_filter_that_makes_no_sense_is_named(client: FlaskClient, people: People, query: dict[str, str], field: str) -> None:
    answer = listed(client, people.ada, **query)
    assert (answer.status_code, answer.json["code"]) == (422, "invalid")
    assert answer.json["errors"].keys() == {field}


@pytest.mark.parametrize("status", RecordStatus)
def test_every_status_can_be_asked_for(client: FlaskClient, people: People, status: RecordStatus) -> None:
    assert ids(listed(client, people.ada, status=status.value)) == []


# --- page by page ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def pile(runtime: Runtime, worker: Worker) -> Books:
    """Nine records, newest first; of some the instant is the very same, as it is for what one transaction writes."""
    owner = settle_in(runtime.database).ada
    made = sorted((booked(worker, runtime, owner) for _ in range(9)), key=uuid.UUID)
    at = dt.datetime(2025, 5, 1, 12, 0, 0, 123456, dt.UTC)
    age = [0, 1, 1, 1, 1, 1, 2, 2, 3]
    with runtime.database.transaction() as session:
        for record_id, hours in zip(made, age, strict=True):
            when = at - dt.timedelta(hours=hours)
            session.execute(update(Record).where(Record.id == uuid.UUID(record_id)).values(created_at=when))
    return Books(owner, [i for _, _, i in sorted((hours, -uuid.UUID(i).int, i) for i, hours in zip(made, age, strict=True))])


@pytest.mark.parametrize("limit", [1, 2, 3, 4, 8, 9, 10])
def test_the_pages_hold_every_record_once_and_in_order(client: FlaskClient, pile: Books, limit: int) -> None:
    pages, cursor = [], ""
    while cursor is not None:
        answer = listed(client, pile.owner, limit=limit, cursor=cursor)
        pages.append(ids(answer))
        cursor = answer.json["nextCursor"]
        assert len(pages) <= 9
    assert [record_id for page in pages for record_id in page] == pile.records
    assert [len(page) for page in pages[:-1]] == [limit] * (len(pages) - 1)


def test_what_comes_while_somebody_turns_the_pages_moves_nothing(
    client: FlaskClient, people: People, runtime: Runtime, worker: Worker
) -> None:
    for _ in range(3):
        booked(worker, runtime, people.ada)
    before = ids(listed(client, people.ada))
    first = listed(client, people.ada, limit=2)
    newest = booked(worker, runtime, people.ada)
    rest = listed(client, people.ada, limit=50, cursor=first.json["nextCursor"])
    assert ids(first) + ids(rest) == before
    assert ids(listed(client, people.ada)) == [newest, *before]


def test_a_cursor_goes_with_the_filters(client: FlaskClient, pile: Books) -> None:
    first = listed(client, pile.owner, limit=4, status="needs_review")
    rest = listed(client, pile.owner, limit=50, status="needs_review", cursor=first.json["nextCursor"])
    assert ids(first) + ids(rest) == pile.records


def test_a_cursor_shows_nobody_elses_records(client: FlaskClient, people: People, pile: Books) -> None:
    cursor = listed(client, pile.owner, limit=1).json["nextCursor"]
    assert listed(client, people.mallory, cursor=cursor).json == {"items": [], "nextCursor": None}


def test_a_cursor_that_was_changed_or_made_up_is_refused(client: FlaskClient, runtime: Runtime, pile: Books) -> None:
    good = listed(client, pile.owner, limit=1).json["nextCursor"]
    ours, others = URLSafeSerializer(runtime.secret, salt="cursor"), URLSafeSerializer(runtime.secret, salt="job-stream")
    forged = [good[:-2], good + "A", good.rpartition(".")[0], others.dumps(ours.loads(good)), "AAAA.BBBB", "\x00", "é"]
    answers = [listed(client, pile.owner, cursor=cursor) for cursor in forged]
    assert [answer.status_code for answer in answers] == [422] * len(forged)
    assert all(answer.json["errors"] == {"cursor": ["Not valid."]} for answer in answers)
