"""Webhooks: a tenant's system is told of records, signed, again and again, and never inside somebody's network."""

import base64
import datetime as dt
import hashlib
import hmac
import http.server
import ipaddress
import json
import socket
import threading
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from api_help import DATABASES, Worker
from flask.testing import FlaskClient
from sqlalchemy import select, update

import config
from akount import addresses, webhooks
from akount.db import now
from akount.errors import Invalid, Unavailable
from akount.lifecycle import Runtime
from akount.models import AuditEntry, Delivery, Record, Webhook
from akount.sealing import Seal
from akount.tasks import courier
from fresh import settings_for
from make import reading, submitted
from people import People, Person, settle_in


class Receiver:
    """The tenant's own system: notes what it is told, and answers what it is to answer."""

    def __init__(self) -> None:
        self.told: list[tuple[dict[str, str], bytes]] = []
        self.answer = 204
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                outer.told.append(({name.lower(): value for name, value in self.headers.items()}, body))
                self.send_response(outer.answer)
                if 300 <= outer.answer < 400:
                    self.send_header("Location", f"http://127.0.0.1:{outer.port}/elsewhere")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self._server.server_port
        self.url = f"http://127.0.0.1:{self.port}/hook?of=ada"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture(scope="module", params=DATABASES)
def settings(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> config.Settings:
    return settings_for(request, tmp_path_factory, WEBHOOK_PRIVATE_ADDRESSES="true")


@pytest.fixture
def people(runtime: Runtime) -> People:
    return settle_in(runtime.database, unique=True)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    yield receiver
    receiver.close()


def hook(client: FlaskClient, who: Person, url: str, **more: Any) -> dict[str, Any]:
    answer = client.post("/api/system/webhooks", headers=who.headers, json={"url": url, **more})
    assert answer.status_code == 201, answer.json
    made: dict[str, Any] = answer.json
    return made


def booked(runtime: Runtime, who: Person) -> uuid.UUID:
    worker = Worker(runtime, reading())
    job = submitted(runtime, who)
    worker.process(job.id)
    worker.stop()
    with runtime.database.snapshot() as session:
        return session.scalars(select(Record.id).where(Record.job_id == job.id)).one()


def carry_all(runtime: Runtime) -> None:
    while courier.round_of(runtime):
        pass


def hurry(runtime: Runtime, made: dict[str, Any]) -> None:
    """The pause before the next attempt is over."""
    with runtime.database.transaction() as session:
        session.execute(update(Delivery).where(Delivery.webhook_id == uuid.UUID(made["id"])).values(due_at=now()))


def deliveries(client: FlaskClient, who: Person, made: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = client.get(f"/api/system/webhooks/{made['id']}/deliveries", headers=who.headers).json["items"]
    return found


def test_a_record_is_told_of_when_it_is_made_and_approved_and_who_listens_can_check_who_says_so(
    client: FlaskClient, people: People, runtime: Runtime, receiver: Receiver
) -> None:
    made = hook(client, people.ada, receiver.url)
    record = booked(runtime, people.ada)
    client.post(f"/api/business/bills/{record}/approve", headers=people.ada.headers)
    carry_all(runtime)
    said = [json.loads(body) for _, body in receiver.told]
    assert [one["type"] for one in said] == ["record.created", "record.approved"]
    assert said[1]["data"] == {
        "recordId": str(record),
        "kind": "bill",
        "status": "approved",
        "documentId": said[0]["data"]["documentId"],
        "entityId": str(people.ada.entity_id),
    }
    headers, body = receiver.told[0]
    assert abs(int(headers["webhook-timestamp"]) - dt.datetime.now(dt.UTC).timestamp()) < 60
    key = base64.b64decode(made["secret"].removeprefix("whsec_"))
    content = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    expected = base64.b64encode(hmac.new(key, content, hashlib.sha256).digest()).decode()
    assert headers["webhook-signature"] == f"v1,{expected}"
    assert [(one["status"], one["attempts"], one["lastStatus"]) for one in deliveries(client, people.ada, made)] == [
        ("delivered", 1, 204),
        ("delivered", 1, 204),
    ]


def test_only_what_was_asked_for_is_told_and_only_to_the_tenants_own(
    client: FlaskClient, people: People, runtime: Runtime, receiver: Receiver
) -> None:
    hook(client, people.ada, receiver.url, events=["record.rejected"])
    hook(client, people.mallory, receiver.url)
    record = booked(runtime, people.ada)
    client.post(f"/api/business/bills/{record}/reject", headers=people.ada.headers)
    carry_all(runtime)
    assert [json.loads(body)["type"] for _, body in receiver.told] == ["record.rejected"]


@pytest.mark.parametrize("answer", [500, 404, 302])
def test_what_does_not_arrive_is_told_again_at_growing_pauses_until_it_has_failed(
    client: FlaskClient, people: People, runtime: Runtime, receiver: Receiver, answer: int
) -> None:
    made = hook(client, people.ada, receiver.url, events=["record.created"])
    receiver.answer = answer
    booked(runtime, people.ada)
    pauses = []
    for _ in range(len(webhooks.PAUSES) + 1):
        hurry(runtime, made)
        at = now()
        carry_all(runtime)
        with runtime.database.snapshot() as session:
            one = session.scalars(select(Delivery).where(Delivery.webhook_id == uuid.UUID(made["id"]))).one()
        pauses.append(round((one.due_at - at).total_seconds()))
    assert len(receiver.told) == len(webhooks.PAUSES) + 1
    assert {headers["webhook-id"] for headers, _ in receiver.told} == {str(one.id)}, "who hears it twice can tell"
    assert pauses[:4] == pytest.approx([10, 60, 300, 1800], abs=5)
    (said,) = deliveries(client, people.ada, made)
    assert (said["status"], said["lastStatus"], said["lastError"]) == ("failed", answer, f"It answered {answer}.")
    receiver.answer = 200
    again = client.post(f"/api/system/webhooks/{made['id']}/deliveries/{said['id']}/retry", headers=people.ada.headers)
    assert (again.status_code, again.json["status"]) == (200, "pending")
    carry_all(runtime)
    assert deliveries(client, people.ada, made)[0]["status"] == "delivered"


def test_nobody_there_is_an_attempt_too(client: FlaskClient, people: People, runtime: Runtime) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    made = hook(client, people.ada, f"http://127.0.0.1:{port}/")
    booked(runtime, people.ada)
    carry_all(runtime)
    (said,) = deliveries(client, people.ada, made)
    assert (said["status"], said["attempts"], said["lastStatus"]) == ("pending", 1, None)
    assert said["lastError"] == "It does not answer (ConnectionRefusedError)."


def test_of_two_couriers_one_carries(client: FlaskClient, people: People, runtime: Runtime, receiver: Receiver) -> None:
    hook(client, people.ada, receiver.url, events=["record.created"])
    booked(runtime, people.ada)
    with runtime.database.transaction() as session:
        parcels = webhooks.take(session, runtime.seal, 5)
    with runtime.database.transaction() as session:
        assert webhooks.take(session, runtime.seal, 5) == []
    for parcel in parcels:
        courier.carry(runtime, parcel)
    carry_all(runtime)
    assert len(receiver.told) == 1


def test_a_secret_is_shown_once_and_another_takes_its_place(client: FlaskClient, people: People, receiver: Receiver) -> None:
    made = hook(client, people.ada, receiver.url)
    listed = client.get("/api/system/webhooks", headers=people.ada.headers).json["items"]
    assert [one.keys() for one in listed] == [made.keys() - {"secret"}]
    other = client.post(f"/api/system/webhooks/{made['id']}/secret", headers=people.ada.headers).json["secret"]
    assert other.startswith("whsec_")
    assert other != made["secret"]
    assert made["secret"] != hook(client, people.ada, receiver.url)["secret"]


def signs(secret: str, told: tuple[dict[str, str], bytes]) -> bool:
    """Whether one of the signatures of a message is made with this secret, as who is told would look."""
    headers, body = told
    content = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    key = base64.b64decode(secret.removeprefix("whsec_"))
    expected = "v1," + base64.b64encode(hmac.new(key, content, hashlib.sha256).digest()).decode()
    return expected in headers["webhook-signature"].split(" ")


@pytest.mark.parametrize(("overlap", "signed"), [({}, (True, True, False)), ({"overlapHours": 0}, (False, True, False))])
def test_after_another_secret_both_sign_for_a_while(
    client: FlaskClient, people: People, runtime: Runtime, receiver: Receiver, overlap: dict[str, int], signed: tuple[bool, ...]
) -> None:
    made = hook(client, people.ada, receiver.url, events=["record.created"])
    other = client.post(f"/api/system/webhooks/{made['id']}/secret", headers=people.ada.headers, json=overlap).json
    stranger = hook(client, people.ada, receiver.url, events=["record.rejected"])
    booked(runtime, people.ada)
    carry_all(runtime)
    assert tuple(signs(one["secret"], receiver.told[0]) for one in (made, other, stranger)) == signed
    assert (other["previousSecretUntil"] is not None) is signed[0]
    with runtime.database.transaction() as session:
        session.execute(update(Webhook).where(Webhook.previous_until.is_not(None)).values(previous_until=now()))
    booked(runtime, people.ada)
    carry_all(runtime)
    assert [signs(one["secret"], receiver.told[1]) for one in (made, other)] == [False, True]


def kept(runtime: Runtime, made: dict[str, Any]) -> Webhook:
    with runtime.database.snapshot() as session:
        return session.get_one(Webhook, uuid.UUID(made["id"]))


def test_another_secret_key_breaks_nobody_and_the_old_one_may_be_forgotten(
    client: FlaskClient, people: People, runtime: Runtime, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = hook(client, people.ada, receiver.url, events=["record.created"])
    assert made["secret"] not in str(vars(kept(runtime, made)))
    old = runtime.secrets
    monkeypatch.setattr(runtime, "seal", Seal((*old, "the next one")))
    booked(runtime, people.ada)
    carry_all(runtime)
    assert signs(made["secret"], receiver.told[0])
    with runtime.database.transaction() as session:
        assert webhooks.renew_secrets(session, runtime.seal) == 0
    monkeypatch.setattr(runtime, "seal", Seal(("the next one",)))
    booked(runtime, people.ada)
    carry_all(runtime)
    assert signs(made["secret"], receiver.told[1])
    monkeypatch.setattr(runtime, "seal", Seal(("quite another",)))
    booked(runtime, people.ada)
    carry_all(runtime)
    assert len(receiver.told) == 2, "nothing leaves without a signature"
    assert "SECRET_KEY_PREVIOUS" in deliveries(client, people.ada, made)[0]["lastError"]
    with runtime.database.transaction() as session:
        assert webhooks.renew_secrets(session, runtime.seal) >= 1
        webhooks.remove(session, people.ada.call, uuid.UUID(made["id"]))


def test_a_secret_that_was_derived_goes_on_and_is_kept_from_then_on(
    client: FlaskClient, people: People, runtime: Runtime, receiver: Receiver
) -> None:
    made = hook(client, people.ada, receiver.url, events=["record.created"])
    with runtime.database.transaction() as session:  # as the version before left it
        session.execute(update(Webhook).where(Webhook.id == uuid.UUID(made["id"])).values(secret=None, generation=3))
    derived = hmac.new(runtime.secret.encode(), f"webhook:{made['id']}:3".encode(), hashlib.sha256).digest()
    booked(runtime, people.ada)
    carry_all(runtime)
    assert signs(base64.b64encode(derived).decode(), receiver.told[0])
    assert kept(runtime, made).secret is not None


def test_what_is_paused_is_told_when_it_goes_on(client: FlaskClient, people: People, runtime: Runtime, receiver: Receiver) -> None:
    made = hook(client, people.ada, receiver.url, events=["record.created"])
    booked(runtime, people.ada)

    def ask(what: str) -> Any:
        return client.post(f"/api/system/webhooks/{made['id']}/{what}", headers=people.ada.headers)

    assert ask("pause").json["pausedAt"]
    assert ask("pause").json["code"] == "wrong_status"
    booked(runtime, people.ada)
    carry_all(runtime)
    assert receiver.told == []
    assert {(one["status"], one["nextAttemptAt"]) for one in deliveries(client, people.ada, made)} == {("pending", None)}
    assert ask("resume").json["pausedAt"] is None
    assert ask("resume").json["code"] == "wrong_status"
    carry_all(runtime)
    assert len(receiver.told) == 2


def test_what_was_in_hand_as_it_was_paused_or_removed_is_not_told_again(
    client: FlaskClient, people: People, runtime: Runtime, receiver: Receiver
) -> None:
    receiver.answer = 500
    for end, left in (("pause", "pending"), ("remove", "failed")):
        made = hook(client, people.ada, receiver.url, events=["record.created"])
        booked(runtime, people.ada)
        with runtime.database.transaction() as session:
            parcels = [one for one in webhooks.take(session, runtime.seal, 50) if str(one.webhook_id) == made["id"]]
        with runtime.database.transaction() as session:
            getattr(webhooks, end)(session, people.ada.call, uuid.UUID(made["id"]))
        for parcel in parcels:
            courier.carry(runtime, parcel)
        (said,) = deliveries(client, people.ada, made)
        assert said["status"] == left
        if end == "pause":
            assert said["nextAttemptAt"] is None
            client.delete(f"/api/system/webhooks/{made['id']}", headers=people.ada.headers)


def test_managing_them_is_audited_and_bounded(client: FlaskClient, people: People, runtime: Runtime, receiver: Receiver) -> None:
    made = [hook(client, people.ada, receiver.url) for _ in range(webhooks.MOST)]
    more = client.post("/api/system/webhooks", headers=people.ada.headers, json={"url": receiver.url})
    assert (more.status_code, more.json["code"]) == (409, "too_many_webhooks")
    booked(runtime, people.ada)
    gone = f"/api/system/webhooks/{made[0]['id']}"
    assert client.delete(gone, headers=people.mallory.headers).status_code == 404
    assert client.delete(gone, headers=people.ada.headers).status_code == 204
    assert client.delete(gone, headers=people.ada.headers).status_code == 204, "twice does no harm"
    assert client.post(f"{gone}/secret", headers=people.ada.headers).json["code"] == "webhook_removed"
    assert [one["id"] for one in client.get("/api/system/webhooks", headers=people.ada.headers).json["items"]] == [
        one["id"] for one in made[1:]
    ]
    (said,) = deliveries(client, people.ada, made[0])
    assert (said["status"], said["lastError"]) == ("failed", "The webhook was removed.")
    again = client.post(f"{gone}/deliveries/{said['id']}/retry", headers=people.ada.headers)
    assert (again.status_code, again.json["code"]) == (409, "webhook_removed")
    with runtime.database.snapshot() as session:
        target = AuditEntry.target == f"webhook:{made[0]['id']}"
        assert session.scalars(select(AuditEntry.action).where(target).order_by(AuditEntry.created_at)).all() == [
            "webhook.add",
            "webhook.remove",
        ]


# --- never inside somebody's network ----------------------------------------------------------------


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/",
        "ftp://example.com/",
        "https://",
        "https://user:pass@example.com/",
        "https://example.com/#part",
        "https://example.com:22/",
        "https://127.0.0.1/",
        "https://127.1/",
        "https://2130706433/",
        "https://0x7f000001/",
        "https://10.0.0.8/",
        "https://169.254.169.254/latest/meta-data",
        "https://[::1]/",
        "https://[::ffff:10.0.0.8]/",
        "https://[fd00::1]/",
        "https://[64:ff9b::a00:8]/",
        "https://[2002:a00:8::1]/",
        "https://exa mple.com/",
        "https://exämple.com/",
        f"https://example.com/{'x' * 2000}",
        "https://[broken/",
    ],
)
def test_what_is_no_address_of_the_internet_is_refused(url: str) -> None:
    with pytest.raises(Invalid) as refused:
        addresses.require_public(url)
    assert refused.value.code == "bad_webhook_url"


@pytest.mark.parametrize("url", ["https://example.com/hook?x=1", "https://example.com:8443/", "https://93.184.216.34/"])
def test_an_address_of_the_internet_is_taken(url: str) -> None:
    addresses.require_public(url)


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("8.8.8.8", True),
        ("2606:4700::1111", True),
        ("100.64.0.1", False),
        ("224.0.0.1", False),
        ("0.0.0.0", False),
        ("::", False),
        ("::7f00:1", False),
        ("fe80::1", False),
        ("2001:db8::1", False),
        ("64:ff9b::808:808", True),
        ("2001:0:4136:e378:8000:63bf:3fff:fdd2", False),
    ],
)
def test_which_addresses_are_public(address: str, public: bool) -> None:
    assert addresses.is_public(ipaddress.ip_address(address)) is public


def test_a_name_with_one_private_address_leads_nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    def both(host: str, port: int, **_: Any) -> list[Any]:
        return [(0, 0, 0, "", ("8.8.8.8", port)), (0, 0, 0, "", ("10.0.0.8", port))]

    monkeypatch.setattr(socket, "getaddrinfo", both)
    with pytest.raises(Unavailable, match="private network"):
        addresses.post("https://rebinding.example/", b"{}", {})


def test_the_connection_goes_to_the_address_that_was_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    """The name is resolved once: what it means a moment later does not matter."""
    asked, dialled = [], []

    def changing(host: str, port: int, **_: Any) -> list[Any]:
        asked.append(host)
        return [(0, 0, 0, "", ("8.8.8.8" if len(asked) == 1 else "127.0.0.1", port))]

    def dial(address: tuple[str, int], *_: Any, **__: Any) -> Any:
        dialled.append(address)
        raise ConnectionRefusedError

    monkeypatch.setattr(socket, "getaddrinfo", changing)
    monkeypatch.setattr(socket, "create_connection", dial)
    with pytest.raises(Unavailable):
        addresses.post("https://rebinding.example/", b"{}", {})
    assert (asked, dialled) == (["rebinding.example"], [("8.8.8.8", 443)])
