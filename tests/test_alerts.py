"""What is wrong is said once when it begins, again after hours, and once when it is over; by a webhook and by e-mail."""

import datetime as dt
import hashlib
import hmac
import json
import socketserver
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from email import message_from_bytes, policy
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from sqlalchemy import select, update

import config
from akount import alerts, backlog, failures, fingerprints, ledger, notices, workers
from akount.db import now
from akount.errors import SettingsError, Unreadable
from akount.hosted import gate
from akount.kinds import QUEUES
from akount.lifecycle import Runtime, open_runtime
from akount.models import Alert, HostedBreaker, Job, Schedule, WorkerProcess
from akount.tasks import upkeep
from akount.tasks.queues import hang_bells
from akount.tasks.upkeep import Watchman
from fresh import make_settings
from make import submitted
from people import People, Person, settle_in
from servers import free_port
from shared import emptied, shared_url

QUEUE = QUEUES[0]
SECRET = "a secret of sixteen"
HOUR = dt.timedelta(hours=1)


class Receiver(ThreadingHTTPServer):
    """Somebody's webhook: keeps what it is sent, and answers what it is told to."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Receiving)
        self.got: list[tuple[dict[str, str], bytes]] = []
        self.answers = 204

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/hook?team=7"

    @property
    def events(self) -> list[tuple[str, str]]:
        return [(said["event"], said["rule"]) for said in (json.loads(body) for _, body in self.got)]


class _Receiving(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.got.append(({"path": self.path, **dict(self.headers)}, body))
        self.send_response(self.server.answers)
        self.send_header("Location", f"{self.server.url}&elsewhere")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Nothing."""


class MailServer(socketserver.ThreadingTCPServer):
    """A mail server that takes every letter."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Mailing)
        self.letters: list[tuple[list[str], EmailMessage]] = []


class _Mailing(socketserver.StreamRequestHandler):
    server: MailServer

    def handle(self) -> None:
        self._say("220 here")
        to: list[str] = []
        while line := self.rfile.readline().decode().strip():
            word = line.upper()
            if word.startswith("RCPT TO:"):
                to.append(line[8:].strip(" <>"))
            if word == "DATA":
                self._say("354 go on")
                self.server.letters.append((to, self._letter()))
            if word == "QUIT":
                return self._say("221 bye")
            self._say("250 well")
        return None

    def _letter(self) -> EmailMessage:
        lines = []
        while (line := self.rfile.readline()) != b".\r\n":
            lines.append(line)
        return message_from_bytes(b"".join(lines), _class=EmailMessage, policy=policy.default)  # type: ignore[return-value]

    def _say(self, what: str) -> None:
        self.wfile.write(f"{what}\r\n".encode())


def _served(server: Any) -> Iterator[Any]:
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    yield from _served(Receiver())


@pytest.fixture
def mail_server() -> Iterator[MailServer]:
    yield from _served(MailServer())


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def shared(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    return shared_url(request, tmp_path_factory)


@pytest.fixture
def database_url(shared: str) -> str:
    return emptied(shared)


@pytest.fixture
def settings(tmp_path: Any, database_url: str, receiver: Receiver) -> config.Settings:
    said = {"ALERT_WEBHOOK_URL": receiver.url, "ALERT_WEBHOOK_SECRET": SECRET, "ALERT_DEAD_LETTERS_PER_HOUR": "2"}
    return make_settings(tmp_path, database_url, **said)


@pytest.fixture
def passes(monkeypatch: pytest.MonkeyPatch) -> Callable[[dt.timedelta], None]:
    """For alerts it is so much later than it was."""

    def pass_(time: dt.timedelta) -> None:
        later = alerts.now() + time
        monkeypatch.setattr(alerts, "now", lambda: later)

    return pass_


def waiting(runtime: Runtime, person: Person, minutes: float) -> uuid.UUID:
    job = submitted(runtime, person)
    with runtime.database.transaction() as session:
        since = now() - dt.timedelta(minutes=minutes)
        session.execute(update(Job).where(Job.id == job.id).values(run_at=since, created_at=since))
    return job.id


def alive(runtime: Runtime) -> None:
    with runtime.database.transaction() as session:
        workers.tell(session, "host/1:2:3", QUEUE, None)


def failed(runtime: Runtime, person: Person) -> None:
    job = submitted(runtime, person)
    with runtime.database.transaction() as session:
        held = ledger.claim(session, job.id, worker=ledger.worker_name(), lease_seconds=30)
        assert held is not None
        ledger.settle(session, held, Unreadable("It is damaged.", code="damaged"))


def troubles(runtime: Runtime) -> set[tuple[str, str]]:
    alerts.watch(runtime)
    with runtime.database.snapshot() as session:
        return {(alert.rule, alert.about) for alert in alerts.current(session)}


def test_nothing_is_wrong_when_nothing_is(runtime: Runtime, people: People, receiver: Receiver) -> None:
    alive(runtime)
    waiting(runtime, people.ada, 1)
    failed(runtime, people.ada)
    assert troubles(runtime) == set()
    assert receiver.got == []


def test_a_document_that_waits_too_long(runtime: Runtime, people: People) -> None:
    alive(runtime)
    waiting(runtime, people.ada, 6)
    assert troubles(runtime) == {("oldest_wait", QUEUE)}


def test_work_without_a_worker(runtime: Runtime, people: People) -> None:
    waiting(runtime, people.ada, 1)
    assert troubles(runtime) == {("no_worker", QUEUE)}
    alive(runtime)
    assert troubles(runtime) == set()


@pytest.mark.parametrize("whose", ["queue", "tenant", "everything"])
def test_what_somebody_has_paused_is_no_trouble(runtime: Runtime, people: People, whose: str) -> None:
    waiting(runtime, people.ada, 60)
    queue, tenant = (QUEUE if whose == "queue" else None), (people.ada.actor.tenant if whose == "tenant" else None)
    with runtime.database.transaction() as session:
        backlog.pause(session, queue=queue, tenant_id=tenant, reason="a surge", by="otto")
    assert troubles(runtime) == set()


def test_many_dead_letters_in_an_hour_unless_their_cause_is_muted(runtime: Runtime, people: People) -> None:
    failed(runtime, people.ada)
    assert troubles(runtime) == set()
    failed(runtime, people.mallory)
    assert troubles(runtime) == {("dead_letters", QUEUE)}
    cause = fingerprints.cause(QUEUE, Unreadable("It is damaged.", code="damaged")).fingerprint
    with runtime.database.transaction() as session:
        failures.mute(session, people.otto.call, cause, now() + HOUR)
    assert troubles(runtime) == set()


def test_a_part_that_is_away(tmp_path: Any, database_url: str) -> None:
    settings = make_settings(tmp_path, database_url, REDIS_URL=f"redis://127.0.0.1:{free_port()}/0")
    runtime = open_runtime(settings)
    try:
        assert troubles(runtime) == {("dependency_down", "redis")}
    finally:
        runtime.close()


def test_a_hosted_engine_that_is_left_alone_until_it_answers_or_nobody_asks(runtime: Runtime) -> None:
    def heard(*, failed: bool) -> None:
        with runtime.database.transaction() as session:
            gate.report(session, "mistral", failed=failed)

    with runtime.database.transaction() as session:
        session.add(HostedBreaker(engine="mistral"))
    for _ in range(gate.FAILURES - 1):
        heard(failed=True)
    assert troubles(runtime) == set()
    heard(failed=True)
    assert troubles(runtime) == {("hosted_engine_down", "mistral")}
    heard(failed=False)
    assert troubles(runtime) == set()
    for _ in range(gate.FAILURES):
        heard(failed=True)
    with runtime.database.transaction() as session:
        session.get_one(HostedBreaker, "mistral").open_until = now() - gate.LATELY
    assert troubles(runtime) == set()


def test_it_is_told_once_reminded_of_and_told_to_be_over(
    runtime: Runtime, people: People, receiver: Receiver, passes: Callable[[dt.timedelta], None]
) -> None:
    runtime.settings = replace(runtime.settings, alert_oldest_wait_seconds=10**6)  # hours pass here
    waiting(runtime, people.ada, 1)
    alerts.watch(runtime)
    assert receiver.events == []  # it may be over in a moment
    passes(alerts.HOLD)
    for _ in range(3):
        alerts.watch(runtime)
    assert receiver.events == [("begin", "no_worker")]
    passes(5 * HOUR)
    alerts.watch(runtime)
    passes(HOUR)
    alerts.watch(runtime)
    alerts.watch(runtime)
    assert receiver.events[1:] == [("reminder", "no_worker")]
    alive(runtime)
    for _ in range(2):
        alerts.watch(runtime)
    assert receiver.events[2:] == [("end", "no_worker")]
    with runtime.database.transaction() as session:
        session.execute(update(WorkerProcess).values(stopped_at=now()))
    alerts.watch(runtime)
    passes(alerts.HOLD)
    alerts.watch(runtime)
    assert receiver.events[3:] == [("begin", "no_worker")]
    assert len({json.loads(body)["id"] for _, body in receiver.got}) == 4


def test_what_is_over_at_once_is_not_told(
    runtime: Runtime, people: People, receiver: Receiver, passes: Callable[[dt.timedelta], None]
) -> None:
    waiting(runtime, people.ada, 1)
    alerts.watch(runtime)
    alive(runtime)
    passes(alerts.HOLD)
    alerts.watch(runtime)
    assert receiver.events == []
    with runtime.database.snapshot() as session:
        assert [alert.ended_at is not None for alert in alerts.recent(session)] == [True]


def test_a_restart_repeats_nothing(
    runtime: Runtime, people: People, receiver: Receiver, passes: Callable[[dt.timedelta], None]
) -> None:
    waiting(runtime, people.ada, 1)
    alerts.watch(runtime)
    passes(alerts.HOLD)
    alerts.watch(runtime)
    again = open_runtime(runtime.settings)
    hang_bells(again)
    alerts.watch(again)
    again.close()
    assert receiver.events == [("begin", "no_worker")]


@pytest.mark.parametrize("answer", [500, 302, 307])
def test_what_does_not_arrive_is_tried_again_later_and_a_redirect_is_not_followed(
    runtime: Runtime, people: People, receiver: Receiver, passes: Callable[[dt.timedelta], None], answer: int
) -> None:
    receiver.answers = answer
    waiting(runtime, people.ada, 1)
    alerts.watch(runtime)
    passes(alerts.HOLD)
    assert alerts.watch(runtime)["not_told"] == 1
    alerts.watch(runtime)
    assert len(receiver.got) == 1  # not at once
    receiver.answers = 200
    passes(dt.timedelta(minutes=1))
    alerts.watch(runtime)
    alerts.watch(runtime)
    assert receiver.events == [("begin", "no_worker")] * 2
    assert {headers["path"] for headers, _ in receiver.got} == {"/hook?team=7"}
    assert len({json.loads(body)["id"] for _, body in receiver.got}) == 1


def notice() -> notices.Notice:
    return notices.Notice("id-1", "[Akount test] critical: no_worker", "Documents wait.\n", {"event": "begin", "rule": "no_worker"})


def test_the_webhook_can_tell_ours_from_others(settings: config.Settings, receiver: Receiver) -> None:
    notices.post(settings, notice())
    ((headers, body),) = receiver.got
    at, made = (part.partition("=")[2] for part in headers[notices.SIGNATURE].split(","))
    assert made == hmac.new(SECRET.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()
    assert abs(int(at) - now().timestamp()) < 60
    assert json.loads(body) == {"id": "id-1", "event": "begin", "rule": "no_worker"}
    assert headers["Content-Type"] == "application/json"


def test_a_webhook_that_never_answers_holds_nobody_up(settings: config.Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notices, "PATIENCE", 0.2)
    with socketserver.TCPServer(("127.0.0.1", 0), socketserver.BaseRequestHandler) as silent:
        deaf = replace(settings, alert_webhook_url=f"http://127.0.0.1:{silent.server_address[1]}/")
        assert not notices.send(deaf, "webhook", notice())


def test_a_letter_reaches_everybody_and_one_way_that_fails_does_not_repeat_the_other(
    runtime: Runtime,
    people: People,
    receiver: Receiver,
    mail_server: MailServer,
    passes: Callable[[dt.timedelta], None],
) -> None:
    mailed = {"alert_email_to": ("otto@example.com", "ops@example.com"), "alert_email_from": "akount@example.com"}
    runtime.settings = replace(runtime.settings, **mailed, smtp_host="127.0.0.1", smtp_port=free_port(), smtp_tls="off")
    waiting(runtime, people.ada, 1)
    alerts.watch(runtime)
    passes(alerts.HOLD)
    assert alerts.watch(runtime)["not_told"] == 1
    runtime.settings = replace(runtime.settings, smtp_port=mail_server.server_address[1])
    passes(dt.timedelta(minutes=1))
    alerts.watch(runtime)
    ((to, letter),) = mail_server.letters
    assert to == ["otto@example.com", "ops@example.com"]
    assert letter["Subject"] == f"[Akount test] critical: no_worker {QUEUE}"
    assert "docs/operations.md#no_worker" in letter.get_content()
    assert receiver.events == [("begin", "no_worker")]


def test_without_anybody_to_tell_it_is_kept_all_the_same(
    runtime: Runtime, people: People, passes: Callable[[dt.timedelta], None]
) -> None:
    runtime.settings = replace(runtime.settings, alert_webhook_url="")
    waiting(runtime, people.ada, 1)
    alerts.watch(runtime)
    passes(alerts.HOLD)
    assert alerts.watch(runtime) == {"troubles": 1, "told": 0, "not_told": 0}
    with runtime.database.snapshot() as session:
        assert [alert.told for alert in session.scalars(select(Alert))] == [{}]


def test_a_web_process_looks_when_no_sweeper_has_come_and_only_then(runtime: Runtime, people: People) -> None:
    waiting(runtime, people.ada, 1)
    watchman = Watchman(runtime)
    assert watchman.look()  # nobody has ever come
    assert not watchman.look()
    with runtime.database.snapshot() as session:
        assert [alert.rule for alert in alerts.current(session)] == ["no_worker"]
    with runtime.database.transaction() as session:
        session.execute(update(Schedule).values(due_at=now() - dt.timedelta(minutes=2)))
    assert watchman.look()


def test_the_watchman_wakes_once_and_ends(runtime: Runtime, people: People, monkeypatch: pytest.MonkeyPatch) -> None:
    def watchmen() -> int:
        return [thread.name for thread in threading.enumerate()].count("watchman")

    monkeypatch.setattr(upkeep, "LOOK_SECONDS", 0.01)
    waiting(runtime, people.ada, 1)
    watchman, others = Watchman(runtime), watchmen()
    for _ in range(3):
        watchman.wake()
    ends = time.monotonic() + 60
    while not troubles_kept(runtime) and time.monotonic() < ends:
        time.sleep(0.02)
    assert watchmen() == others + 1
    watchman.close()
    watchman.wake()
    assert watchmen() == others
    assert troubles_kept(runtime) == ["no_worker"]


def troubles_kept(runtime: Runtime) -> list[str]:
    with runtime.database.snapshot() as session:
        return [alert.rule for alert in alerts.current(session)]


@pytest.mark.parametrize(
    ("said", "named"),
    [
        ({"ALERT_EMAIL_TO": "otto@example.com"}, ["SMTP_HOST", "ALERT_EMAIL_FROM"]),
        ({"ALERT_EMAIL_TO": "otto"}, ["ALERT_EMAIL_TO"]),
        ({"ALERT_WEBHOOK_URL": "ftp://example.com"}, ["ALERT_WEBHOOK_URL"]),
        ({"ALERT_WEBHOOK_SECRET": "short"}, ["ALERT_WEBHOOK_SECRET"]),
    ],
)
def test_settings_that_could_not_work_are_refused(tmp_path: Any, said: dict[str, str], named: list[str]) -> None:
    with pytest.raises(SettingsError) as refused:
        make_settings(tmp_path, "sqlite://", **said)
    for name in named:
        assert f"{name}:" in str(refused.value)


def test_every_rule_has_its_page_in_the_handbook() -> None:
    pages = (config.ROOT / alerts.HANDBOOK).read_text()
    for rule in alerts.Rule:
        assert f'<a id="{rule}"></a>' in pages


def test_the_story_of_a_tenant_is_nobodys_alert(runtime: Runtime) -> None:
    """No alert says whose document it is: it leaves the house."""
    people = settle_in(runtime.database, unique=True)
    waiting(runtime, people.ada, 60)
    alerts.watch(runtime)
    with runtime.database.snapshot() as session:
        for alert in alerts.current(session):
            assert str(people.ada.actor.tenant) not in alert.message
