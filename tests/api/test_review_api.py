"""/api/business/…: correct, approve, reject, take up again, take out; who may, and what is kept (S8, A5)."""

import csv
import datetime as dt
import io
import threading
import uuid
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from api_help import DATABASES, Worker
from flask.testing import FlaskClient
from sqlalchemy import select
from werkzeug.test import TestResponse

import config
from akount import records, review
from akount.accounts import PERMISSIONS, Permission
from akount.errors import Conflict
from akount.identity import keys
from akount.kinds import KINDS, Kind
from akount.lifecycle import Runtime
from akount.models import AuditEntry, Decision, Record, RecordStatus, Role
from akount.readings import Evidence, Line, Reading, Value
from akount.review import Which
from fresh import settings_for
from make import BILL, reading, submitted
from people import People, Person, key_with_role, settle_in

INVOICE = KINDS["invoice"]
MOVES = {"approve": "approved", "reject": "rejected", "reopen": "needs_review"}


@pytest.fixture(scope="module", params=DATABASES)
def settings(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> config.Settings:
    return settings_for(request, tmp_path_factory)


@pytest.fixture(scope="module")
def people(runtime: Runtime) -> People:
    return settle_in(runtime.database)


Book = Any


@pytest.fixture(scope="module")
def book(runtime: Runtime, people: People, worker: Worker) -> Book:
    """Makes a record of Ada's out of a reading; answers its path."""

    def booked(says: Reading | None = None, kind: Kind = BILL, owner: Person = people.ada) -> str:
        worker.reader.says = says or reading()
        job = submitted(runtime, owner, kind=kind)
        worker.process(job.id)
        with runtime.database.snapshot() as session:
            found = session.scalars(select(Record.id).where(Record.job_id == job.id)).one()
        return f"/api/business/{kind.plural}/{found}"

    return booked


def correct(client: FlaskClient, who: dict[str, str], path: str, values: dict[str, Any], etag: str | None = "") -> TestResponse:
    """With the ETag of the record as it is, unless another one is given."""
    etag = client.get(path, headers=who).headers.get("ETag", '"none"') if etag == "" else etag
    return client.patch(path, headers=who | ({"If-Match": etag} if etag else {}), json=values)


def decide(client: FlaskClient, who: dict[str, str], path: str, move: str, **more: Any) -> TestResponse:
    return client.post(f"{path}/{move}", headers=who, json=more)


def trail(runtime: Runtime, path: str) -> list[tuple[str, str, str]]:
    """Action, role and reason of what the audit log knows of a record, in order."""
    target = f"record:{path.rpartition('/')[2]}"
    with runtime.database.snapshot() as session:
        found = session.scalars(select(AuditEntry).where(AuditEntry.target == target).order_by(AuditEntry.created_at))
        return [(entry.action, entry.role, entry.reason) for entry in found]


# --- corrections ----------------------------------------------------------------------------------


def test_a_correction_stands_beside_what_the_machine_found(
    client: FlaskClient, people: People, runtime: Runtime, book: Book
) -> None:
    path = book(reading(seller_name="Cedar & Qui11"))
    answer = correct(client, people.ada.headers, path, {"vendor": "Cedar & Quill", "dueDate": "2030-01-31"})
    assert answer.status_code == 200, answer.json
    said = answer.json
    assert (said["vendor"], said["dueDate"], said["version"]) == ("Cedar & Quill", "2030-01-31", 2)
    assert said["paymentTerms"]["dueDate"] == "2030-01-31"
    assert said["evidence"]["vendor"]["text"] == "as printed"
    assert {name: one["machine"] for name, one in said["corrections"].items()} == {"vendor": "Cedar & Qui11", "dueDate": None}
    assert said["corrections"]["vendor"]["by"] == people.ada.actor.name
    assert client.get(path, headers=people.ada.headers).json == said
    assert trail(runtime, path) == [("record.correct", "OWNER", "vendor, dueDate")]
    again = correct(client, people.ada.headers, path, {"vendor": "Cedar & Quill Ltd"}).json
    assert again["corrections"]["vendor"]["machine"] == "Cedar & Qui11", "not what a person wrote in between"


def test_lines_are_corrected_as_a_whole_and_keep_their_evidence(client: FlaskClient, people: People, book: Book) -> None:
    place = Evidence(1, (0.1, 0.2, 0.3, 0.4), "2 Things", "fake")
    lines = (Line("Thnigs", Decimal(2), Decimal("50.00"), Decimal("100.00"), evidence=place),)
    path = book(replace(reading(), lines=lines))
    sent = [
        {"description": "Things", "quantity": "2", "unitPrice": "45.00", "amount": 9000},
        {"description": "Postage", "amount": 1000, "taxRate": "19.0"},
    ]
    said = correct(client, people.ada.headers, path, {"lineItems": sent}).json
    assert [(line["description"], line["amount"]) for line in said["lineItems"]] == [("Things", 9000), ("Postage", 1000)]
    assert said["lineItems"][0]["evidence"] == {"page": 1, "box": [0.1, 0.2, 0.3, 0.4], "text": "2 Things", "engine": "fake"}
    assert said["lineItems"][1]["evidence"] is None
    assert [line["description"] for line in said["corrections"]["lineItems"]["machine"]] == ["Thnigs"]
    assert {c["code"]: c["passed"] for c in said["checks"]}["lines_add_up"] is True


def test_the_checks_are_made_again(client: FlaskClient, people: People, book: Book) -> None:
    path = book(reading(total=Decimal("191.00")))
    before = {c["code"]: c["passed"] for c in client.get(path, headers=people.ada.headers).json["checks"]}
    after = {c["code"]: c["passed"] for c in correct(client, people.ada.headers, path, {"totalAmount": 11900}).json["checks"]}
    assert (before["totals_add_up"], after["totals_add_up"]) == (False, True)


def test_what_the_record_has_no_column_for_still_counts(client: FlaskClient, people: People, book: Book) -> None:
    """A rounding that the machine read makes the sum right; it is not lost when somebody corrects something else."""
    whole = reading(total=Decimal("119.02"))
    whole = replace(whole, fields=whole.fields | {"rounding": Value(Decimal("0.02"), 95)})
    said = correct(client, people.ada.headers, book(whole), {"billNumber": "B-18"}).json
    assert {c["code"]: c["passed"] for c in said["checks"]}["totals_add_up"] is True


def test_another_currency_takes_the_amounts_along(client: FlaskClient, people: People, book: Book) -> None:
    path = book(reading(net=Decimal(1000), tax=None, total=Decimal(1000)))
    said = correct(client, people.ada.headers, path, {"currency": "JPY"}).json
    assert (said["currency"], said["totalAmount"], said["lineItems"][0]["amount"]) == ("JPY", 1000, 50)
    back = correct(client, people.ada.headers, path, {"currency": "KWD", "totalAmount": 7}).json
    assert (back["subtotal"], back["totalAmount"]) == (1000000, 7)


def test_what_changes_nothing_leaves_no_trace(client: FlaskClient, people: People, runtime: Runtime, book: Book) -> None:
    path = book()
    said = correct(client, people.ada.headers, path, {"vendor": "Cedar & Quill"}).json
    assert (said["version"], said["corrections"], trail(runtime, path)) == (1, {}, [])


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({}, "_schema"),
        ({"status": "approved"}, "status"),
        ({"totalAmount": "119.00"}, "totalAmount"),
        ({"totalAmount": 119.5}, "totalAmount"),
        ({"totalAmount": 2**63}, "totalAmount"),
        ({"currency": "EURO"}, "currency"),
        ({"currency": "eur"}, "currency"),
        ({"date": "31.12.2025"}, "date"),
        ({"date": "0001-01-01"}, "date"),
        ({"vendor": "x" * 301}, "vendor"),
        ({"vendor": 7}, "vendor"),
        ({"lineItems": [{"amount": 1}]}, "lineItems"),
        ({"lineItems": [{"description": " "}]}, "lineItems"),
        ({"lineItems": [{"description": "x", "quantity": "NaN"}]}, "lineItems"),
        ({"lineItems": [{"description": "x", "quantity": "1e40"}]}, "lineItems"),
        ({"clientName": "another kind's"}, "clientName"),
    ],
)
def test_what_cannot_be_a_value_is_named(
    client: FlaskClient, people: People, book: Book, values: dict[str, Any], field: str
) -> None:
    answer = correct(client, people.ada.headers, book(), values)
    assert (answer.status_code, list(answer.json["errors"])) == (422, [field]), answer.json


def test_what_is_wrong_with_a_line_is_said_in_words(client: FlaskClient, people: People, book: Book) -> None:
    lines = [{"description": "x"}, {"description": "y", "amount": "1.5", "colour": "red"}, 7]
    said = correct(client, people.ada.headers, book(), {"lineItems": lines}).json["errors"]["lineItems"]
    assert said == ["[1].amount: Not a valid integer.", "[1].colour: Unknown field.", "[2]: Invalid input type."]


def test_who_read_another_version_is_told(client: FlaskClient, people: People, book: Book) -> None:
    path, ada = book(), people.ada.headers
    first = client.get(path, headers=ada).headers["ETag"]
    assert correct(client, ada, path, {"billNumber": "1"}, first).status_code == 200
    late = correct(client, ada, path, {"billNumber": "2"}, first)
    assert (late.status_code, late.json["code"]) == (412, "precondition_failed")
    assert client.get(path, headers=ada).json["billNumber"] == "1"
    nothing = correct(client, ada, path, {"billNumber": "2"}, None)
    assert (nothing.status_code, nothing.json["code"]) == (428, "precondition_required")
    for other in ('"made-up"', f'"{uuid.uuid4()}-2"', "nonsense"):
        assert correct(client, ada, path, {"billNumber": "2"}, other).status_code == 412
    weak = client.get(path, headers=ada).headers["ETag"]
    assert correct(client, ada, path, {"billNumber": "2"}, f"W/{weak}").status_code == 200, "as a compressing proxy makes it"
    assert correct(client, ada, path, {"billNumber": "3"}, "*").status_code == 200
    stale = client.post(f"{path}/approve", headers=ada | {"If-Match": first}, json={})
    assert stale.status_code == 412


# --- decisions ------------------------------------------------------------------------------------


def test_a_record_moves_as_the_picture_says(client: FlaskClient, people: People, runtime: Runtime, book: Book) -> None:
    path, ada = book(), people.ada.headers
    assert decide(client, ada, path, "reopen").json["code"] == "wrong_status"
    assert decide(client, ada, path, "reject", reason="Not ours.").json["status"] == "rejected"
    for move in ("approve", "reject"):
        assert decide(client, ada, path, move).json["code"] == "wrong_status"
    assert correct(client, ada, path, {"billNumber": "9"}).json["code"] == "wrong_status"
    assert decide(client, ada, path, "reopen").json["status"] == "needs_review"
    said = decide(client, ada, path, "approve", reason="Checked.").json
    assert (said["status"], said["reviewedBy"], said["reviewReason"]) == ("approved", people.ada.actor.name, "Checked.")
    assert said["reviewedAt"].endswith("Z")
    for move in MOVES:
        assert decide(client, ada, path, move).status_code == 409
    assert correct(client, ada, path, {"billNumber": "9"}).status_code == 409
    assert trail(runtime, path) == [
        ("record.reject", "OWNER", "Not ours."),
        ("record.reopen", "OWNER", ""),
        ("record.approve", "OWNER", "Checked."),
    ]


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS.keys())
def test_what_a_record_cannot_do_without_must_be_entered_before_it_is_approved(
    client: FlaskClient, people: People, book: Book, kind: Kind
) -> None:
    path = book(reading(seller_name=None, buyer_name=None, total=None), kind)
    assert client.get(path, headers=people.ada.headers).json["status"] == "manual_entry"
    refused = decide(client, people.ada.headers, path, "approve")
    assert (refused.status_code, refused.json["code"]) == (409, "record_incomplete")
    assert f"{kind.party_key}, totalAmount" in refused.json["detail"]
    correct(client, people.ada.headers, path, {kind.party_key: "Somebody", "totalAmount": 11900})
    assert decide(client, people.ada.headers, path, "approve").json["status"] == "approved"


def test_of_two_who_decide_at_once_one_wins_and_the_other_is_told(people: People, runtime: Runtime, book: Book) -> None:
    which = Which(BILL, uuid.UUID(book().rpartition("/")[2]))
    start, told = threading.Barrier(2), []

    def go(move: Any) -> None:
        start.wait(60)
        try:
            told.append(move(runtime, people.ada.call, which).status)
        except Conflict as error:
            told.append(error.code)

    threads = [threading.Thread(target=go, args=[move]) for move in (review.approve, review.reject)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert "wrong_status" in told
    assert len({*told}) == 2
    winner = records.find(runtime, people.ada.actor, BILL, which.record_id)
    assert winner.status in told
    assert winner.version == 2


@pytest.mark.parametrize("role", Role)
def test_every_move_by_every_role_is_as_the_map_says_and_leaves_an_entry(
    client: FlaskClient, people: People, runtime: Runtime, book: Book, role: Role
) -> None:
    """One's own tenant, and another's: there it does not exist."""
    ours, theirs = people.ada.actor.tenant, people.mallory.actor.tenant
    who = {"Authorization": f"Bearer {key_with_role(runtime.database, ours, role)}", "X-Tenant-ID": str(ours)}
    mallory = {"Authorization": f"Bearer {key_with_role(runtime.database, theirs, role)}", "X-Tenant-ID": str(theirs)}
    path, expected = book(), []
    steps = [("correct", Permission.ACT), *((move, Permission.APPROVE) for move in ("reject", "reopen", "approve"))]
    for step, permission in steps:
        may = permission in PERMISSIONS[role]
        for headers, status in ((mallory, 404 if may else 403), (who, 200 if may else 403)):
            etag = client.get(path, headers=people.ada.headers).headers["ETag"]
            answer = (
                correct(client, headers, path, {"billNumber": f"{role} was here"}, etag)
                if step == "correct"
                else decide(client, headers, path, step)
            )
            assert answer.status_code == status, (step, answer.json)
        expected += [(f"record.{step}", role.value)] if may else []
    assert [(action, by) for action, by, _ in trail(runtime, path)] == expected
    with runtime.database.snapshot() as session:
        assert session.scalars(select(Record.status).where(Record.id == uuid.UUID(path.rpartition("/")[2]))).one() in (
            RecordStatus.APPROVED if Permission.APPROVE in PERMISSIONS[role] else RecordStatus.NEEDS_REVIEW,
        )


ACCOUNT = "DE89370400440532013000"
LOOKS_ONLY = [role for role in Role if Permission.ACCOUNTS not in PERMISSIONS[role]]


def paid_into(account: str) -> Reading:
    """The account stands in its field, in what it is read from, in a line and in what is agreed."""
    said = reading(iban=account, payment_terms=f"by transfer to {account}")
    field = replace(said.fields["iban"], evidence=Evidence(1, (0.1, 0.1, 0.2, 0.2), "DE89 3704 0044 0532 0130 00", "fake"))
    return replace(said, fields=said.fields | {"iban": field}, lines=(Line(f"Konto: 37040044-0532013000, {account}"),))


def without_spaces(answer: TestResponse) -> str:
    assert answer.status_code == 200, answer.text
    return answer.get_data(as_text=True).replace(" ", "")


@pytest.mark.parametrize("role", LOOKS_ONLY)
def test_who_only_looks_sees_the_last_four_of_an_account_wherever_it_stands(
    client: FlaskClient, runtime: Runtime, book: Book, role: Role
) -> None:
    owner = settle_in(runtime.database, unique=True).ada
    path = book(paid_into(ACCOUNT), owner=owner)
    assert correct(client, owner.headers, path, {"iban": "FR1420041010050500013M02606"}).status_code == 200
    who = {"Authorization": f"Bearer {key_with_role(runtime.database, owner.actor.tenant, role)}"}
    views = [path, "/api/business/bills", *(f"/api/business/bills/export?format={format}" for format in ("json", "csv"))]
    views += ["/api/system/decisions", "/api/system/decisions/export"] if Permission.AUDIT in PERMISSIONS[role] else []
    for view in views:
        shown = without_spaces(client.get(view, headers=who))
        assert "0532013" not in shown, view
        assert "0013M0" not in shown, view
        assert (ACCOUNT in without_spaces(client.get(view, headers=owner.headers))) is (view != "/api/system/decisions/export")
    seen = client.get(path, headers=who).json
    assert seen is not None
    assert (seen["iban"], seen["corrections"]["iban"]["machine"], seen["evidence"]["iban"]["text"]) == ("… 2606", *["… 3000"] * 2)
    assert (seen["evidence"]["iban"]["engine"], seen["paymentTerms"]["terms"]) == ("fake", "by transfer to … 3000")
    (row,) = table(client.get("/api/business/bills/export", headers=who))
    assert row["iban"] == "… 2606"


def test_who_may_act_sees_accounts_and_a_key_that_does_not_writes_none_back(
    client: FlaskClient, runtime: Runtime, people: People, book: Book
) -> None:
    assert all(Permission.ACCOUNTS in granted for granted in PERMISSIONS.values() if Permission.ACT in granted)
    path = book(paid_into(ACCOUNT))
    with runtime.database.transaction() as session:
        scopes = [Permission.VIEW, Permission.ACT]
        token = keys.add(session, people.ada.actor.tenant, Role.BOOKKEEPER, "narrow", scopes=scopes)[1]
    narrow = {"Authorization": f"Bearer {token}"}
    seen = client.get(path, headers=narrow).json
    assert seen is not None
    assert seen["iban"] == "… 3000"
    assert correct(client, narrow, path, {"iban": seen["iban"]}).status_code == 403
    assert correct(client, narrow, path, {"billNumber": "B-18"}).status_code == 200
    whole = client.get(path, headers=people.ada.headers).json
    assert whole is not None
    assert whole["iban"] == ACCOUNT


# --- export ---------------------------------------------------------------------------------------


def table(answer: TestResponse) -> list[dict[str, str]]:
    assert answer.status_code == 200, answer.text
    return list(csv.DictReader(io.StringIO(answer.get_data(as_text=True).removeprefix("\ufeff"), newline="")))


@pytest.fixture(scope="module")
def shelf(runtime: Runtime, book: Book) -> Person:
    """Somebody with a record that wants to be a formula, one without lines, and one of another kind."""
    owner = settle_in(runtime.database, unique=True).ada
    evil = reading(seller_name="=HYPERLINK(1)", invoice_number="@SUM(1)", total=Decimal("-119.00"), net=Decimal("-100.00"))
    book(
        replace(evil, lines=(Line("+1+1 thing", Decimal("-2"), Decimal("0.125"), Decimal("-0.25")), Line('a "b",\nc'))), owner=owner
    )
    book(replace(reading(currency="JPY", total=Decimal(119)), lines=()), owner=owner)
    book(owner=owner, kind=INVOICE)
    return owner


def test_csv_has_a_row_for_each_line_and_no_formula(client: FlaskClient, shelf: Person) -> None:
    answer = client.get("/api/business/bills/export?format=csv", headers=shelf.headers)
    assert answer.content_type == "text/csv; charset=utf-8"
    assert answer.headers["Content-Disposition"] == 'attachment; filename="bills.csv"'
    bare, first, second = table(answer)
    assert (first["vendor"], first["billNumber"], first["description"]) == ("'=HYPERLINK(1)", "'@SUM(1)", "'+1+1 thing")
    assert (first["totalAmount"], first["quantity"], first["unitPrice"], first["amount"]) == ("-119.00", "-2", "0.125", "-0.25")
    assert (second["line"], second["description"], second["id"]) == ("2", 'a "b",\nc', first["id"])
    assert (bare["currency"], bare["totalAmount"], bare["line"], bare["description"]) == ("JPY", "119", "", "")
    opened = client.get(f"/api/business/bills/{bare['id']}", headers=shelf.headers).json
    assert (bare["createdAt"], bare["reviewedAt"]) == (opened["createdAt"], "")


def test_json_is_the_records_as_they_are_when_opened(client: FlaskClient, shelf: Person) -> None:
    answer = client.get("/api/business/bills/export?format=json", headers=shelf.headers)
    assert answer.content_type == "application/json"
    assert answer.json == client.get("/api/business/bills", headers=shelf.headers).json["items"]
    nothing = client.get("/api/business/bills/export?format=json&status=approved", headers=shelf.headers)
    assert nothing.json == []


def test_an_export_is_read_page_by_page_and_has_every_record_once(
    client: FlaskClient, shelf: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(records, "EXPORT_PAGE", 1)
    ids = [row["id"] for row in table(client.get("/api/business/bills/export", headers=shelf.headers))]
    assert len(ids) == 3
    assert list(dict.fromkeys(ids)) == [r["id"] for r in client.get("/api/business/bills", headers=shelf.headers).json["items"]]


@pytest.mark.parametrize(("query", "rows"), [("status=needs_review", 3), ("status=approved", 0), ("q=hyperlink", 2)])
def test_an_export_is_filtered_like_the_list(client: FlaskClient, shelf: Person, query: str, rows: int) -> None:
    assert len(table(client.get(f"/api/business/bills/export?{query}", headers=shelf.headers))) == rows


def test_a_corrected_line_is_in_the_export(client: FlaskClient, runtime: Runtime, book: Book) -> None:
    owner = settle_in(runtime.database, unique=True).ada
    path = book(owner=owner)
    correct(client, owner.headers, path, {"lineItems": [{"description": "Right", "amount": 10000}]})
    decide(client, owner.headers, path, "approve")
    (row,) = table(client.get("/api/business/bills/export?status=approved", headers=owner.headers))
    assert (row["description"], row["amount"], row["reviewedBy"]) == ("Right", "100.00", owner.actor.name)


# --- consent and decisions ------------------------------------------------------------------------


def test_consent_has_a_history(client: FlaskClient, people: People) -> None:
    ada = people.ada.headers
    for given in ({"autoCreateBills": True}, {"hostedEngines": True}, {"autoCreateBills": False}):
        assert client.patch("/api/system/consent", headers=ada, json=given).status_code == 200
    said = client.get("/api/system/consent/history", headers=ada).json["items"]
    assert [one["consent"] for one in said] == [
        "auto_create=none hosted_engines=True",
        "auto_create=bill hosted_engines=True",
        "auto_create=bill hosted_engines=False",
    ]
    assert {(one["by"], one["role"]) for one in said} == {(people.ada.actor.name, "OWNER")}
    assert client.get("/api/system/consent/history", headers=people.mallory.headers).json == {"items": []}


def test_every_decision_is_in_the_log(client: FlaskClient, runtime: Runtime, book: Book) -> None:
    owner = settle_in(runtime.database, unique=True).ada
    paths = [book(owner=owner), book(reading(total=None), owner=owner)]
    first = client.get("/api/system/decisions?limit=1", headers=owner.headers).json
    rest = client.get(f"/api/system/decisions?cursor={first['nextCursor']}", headers=owner.headers).json
    found = [*rest["items"], *first["items"]]
    assert [f"/api/business/bills/{one['recordId']}" for one in found] == paths
    assert [one["routing"] for one in found] == ["queued_for_review", "manual_entry"]
    assert found[0]["extracted"]["fields"]["total"]["value"] == "119.00"
    assert found[0]["consent"] == {"autoCreate": False, "hostedEngines": False, "newUser": True}
    only = client.get("/api/system/decisions?routing=manual_entry", headers=owner.headers).json["items"]
    assert [one["id"] for one in only] == [found[1]["id"]]
    today = dt.datetime.now(dt.UTC).date()
    assert client.get(f"/api/system/decisions?to={today - dt.timedelta(days=2)}", headers=owner.headers).json["items"] == []
    rows = table(client.get("/api/system/decisions/export", headers=owner.headers))
    assert [row["routing"] for row in rows] == ["manual_entry", "queued_for_review"]
    with runtime.database.snapshot() as session:
        kept = session.get_one(Decision, uuid.UUID(found[0]["id"]))
    assert rows[1]["inputHash"] == kept.input_hash == found[0]["inputHash"]
