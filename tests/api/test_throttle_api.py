"""How often somebody may ask: each user, each address that nobody is known at, each address whose sign-ins fail (E3)."""

import io
import itertools
import time
import uuid
from collections import Counter

import limits.storage.memory
import limits.storage.redis
import pytest
from api_help import Unread
from flask.testing import FlaskClient
from test_edge_api import DATA
from werkzeug.test import TestResponse

import akount.limits
import akount.throttle
import config
from akount.identity import keys
from akount.lifecycle import Runtime
from akount.models import Role
from fresh import redis_database, settings_for
from make import pdf, submitted
from people import People, key_with_role, settle_in

LIMIT, FAILURES = 6, 3
BILLS = "/api/business/bills"
WRONG = {"Authorization": "Bearer ak_wrong"}
OURS = {"Origin": "http://localhost:3000"}


@pytest.fixture(scope="module", params=["memory", "redis"])
def settings(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> config.Settings:
    environ = {"RATE_LIMIT_PER_MINUTE": str(LIMIT), "FAILED_SIGN_INS_PER_MINUTE": str(FAILURES), "JOBS_PER_MINUTE": "1"}
    if request.param == "redis":
        environ["REDIS_URL"] = redis_database(request.getfixturevalue("redis_shared"))
    return settings_for(request, tmp_path_factory, **environ)


@pytest.fixture(scope="module")
def people(runtime: Runtime) -> People:
    return settle_in(runtime.database)


class Clock:
    """Time that passes when it is told to."""

    starts = itertools.count(int(time.time()) + 1000, 1000)

    def __init__(self) -> None:
        self.at = float(next(self.starts))  # each test begins when what the others did is forgotten

    def time(self) -> float:
        return self.at

    def monotonic(self) -> float:
        return time.monotonic()


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    for module in (akount.limits, akount.throttle, limits.storage.memory, limits.storage.redis):
        monkeypatch.setattr(module, "time", made)
    return made


class Visitor:
    """Somebody at an address of their own."""

    def __init__(self, client: FlaskClient, headers: dict[str, str] | None = None, address: str = "192.0.2.1") -> None:
        self._client, self._headers, self._address = client, headers or {}, address

    def ask(self, path: str = BILLS, method: str = "GET", **more: str) -> TestResponse:
        place = {"REMOTE_ADDR": self._address}
        return self._client.open(
            path, method=method, headers=self._headers | more, environ_overrides=place, base_url="https://a.example"
        )

    def counts(self, tries: int, path: str = BILLS, method: str = "GET", **more: str) -> dict[int, int]:
        return dict(Counter(self.ask(path, method, **more).status_code for _ in range(tries)))


@pytest.fixture
def ada(client: FlaskClient, people: People) -> Visitor:
    return Visitor(client, people.ada.headers)


@pytest.fixture
def stranger(client: FlaskClient, people: People) -> Visitor:
    return Visitor(client)


def numbers(answer: TestResponse) -> tuple[str | None, ...]:
    return tuple(answer.headers.get(f"RateLimit-{name}") for name in ("Limit", "Remaining", "Reset"))


# --- users ------------------------------------------------------------------------------------------


def test_a_user_may_ask_so_often_and_no_more(ada: Visitor) -> None:
    assert ada.counts(2 * LIMIT) == {200: LIMIT, 429: LIMIT}


def test_the_refusal_has_the_shape_the_numbers_and_the_headers_of_every_answer(ada: Visitor, clock: Clock) -> None:
    ada.counts(1)
    clock.at += 20
    ada.counts(LIMIT)
    answer = ada.ask(**OURS)
    assert (answer.status_code, answer.content_type) == (429, "application/problem+json")
    said = answer.json
    assert (said["code"], said["type"], said["status"]) == ("limit_exceeded", "urn:akount:problem:limit_exceeded", 429)
    assert f"{LIMIT} requests" in said["detail"]
    assert "in 40 s" in said["detail"]
    assert said["requestId"] == answer.headers["X-Request-ID"]
    assert answer.headers["Retry-After"] == "40"
    assert numbers(answer) == (str(LIMIT), "0", "40")
    assert {name: answer.headers[name] for name in DATA} == DATA
    assert answer.headers["Access-Control-Allow-Origin"] == OURS["Origin"]
    assert "RateLimit-Reset" in answer.headers["Access-Control-Expose-Headers"]


def test_who_waits_as_long_as_was_said_may_go_on(ada: Visitor, clock: Clock) -> None:
    ada.counts(3)
    clock.at += 30
    ada.counts(LIMIT - 3)
    refused = ada.ask()
    clock.at += int(refused.headers["Retry-After"]) + 0.1
    assert ada.counts(LIMIT) == {200: 3, 429: LIMIT - 3}


def test_every_answer_says_how_much_is_left(ada: Visitor, clock: Clock) -> None:
    assert numbers(ada.ask()) == (str(LIMIT), str(LIMIT - 1), "60")
    clock.at += 15
    assert numbers(ada.ask(f"/api/ai/jobs/{uuid.uuid4()}")) == (str(LIMIT), str(LIMIT - 2), "45")
    assert "Retry-After" not in ada.ask().headers


def test_another_user_at_the_same_address_is_untouched(ada: Visitor, client: FlaskClient, people: People) -> None:
    ada.counts(2 * LIMIT)
    assert Visitor(client, people.mallory.headers).counts(LIMIT) == {200: LIMIT}


def test_a_user_has_one_limit_at_all_addresses_and_with_all_keys(client: FlaskClient, people: People, runtime: Runtime) -> None:
    with runtime.database.transaction() as session:
        token = keys.add(session, people.ada.actor.tenant, Role.VIEWER, "another", people.ada.actor.user_id)[1]
    Visitor(client, people.ada.headers, "192.0.2.1").counts(LIMIT - 2)
    assert Visitor(client, {"Authorization": f"Bearer {token}"}, "192.0.2.2").counts(LIMIT) == {200: 2, 429: LIMIT - 2}


def test_a_key_without_a_user_counts_for_itself(client: FlaskClient, people: People, runtime: Runtime) -> None:
    one, other = (key_with_role(runtime.database, people.ada.actor.tenant, Role.VIEWER) for _ in range(2))
    assert Visitor(client, {"Authorization": f"Bearer {one}"}).counts(LIMIT + 1) == {200: LIMIT, 429: 1}
    assert Visitor(client, {"Authorization": f"Bearer {other}"}).counts(1) == {200: 1}


def test_what_a_role_may_not_do_counts_too(client: FlaskClient, people: People, runtime: Runtime) -> None:
    viewer = Visitor(client, {"Authorization": f"Bearer {key_with_role(runtime.database, people.ada.actor.tenant, Role.VIEWER)}"})
    assert viewer.counts(LIMIT + 2, "/api/business/bills/scan", "POST") == {403: LIMIT, 429: 2}


def test_a_stream_is_one_request(ada: Visitor, runtime: Runtime, people: People) -> None:
    job = submitted(runtime, people.ada)
    stream = ada.ask(f"/api/ai/jobs/{job.id}/stream")
    assert numbers(stream)[:2] == (str(LIMIT), str(LIMIT - 1))
    stream.close()
    assert numbers(ada.ask())[1] == str(LIMIT - 2)


def test_the_body_of_a_refused_request_is_not_read(client: FlaskClient, ada: Visitor, people: People) -> None:
    ada.counts(LIMIT)
    body = Unread(b"{}")
    answer = client.patch(
        "/api/system/consent",
        headers=people.ada.headers,
        content_type="application/json",
        environ_overrides={"CONTENT_LENGTH": "1000", "wsgi.input": body},
    )
    assert (answer.status_code, body.was_read) == (429, False)


# --- addresses --------------------------------------------------------------------------------------


def test_who_has_not_signed_in_counts_by_address(stranger: Visitor, client: FlaskClient, people: People) -> None:
    assert stranger.counts(LIMIT + 2) == {401: LIMIT, 429: 2}
    assert Visitor(client, address="192.0.2.2").counts(1) == {401: 1}
    assert Visitor(client, people.ada.headers).counts(1) == {200: 1}, "who signs in there is not meant"


def test_looking_for_pages_that_are_none_counts(stranger: Visitor) -> None:
    assert stranger.counts(LIMIT + 2, "/api/.env") == {404: LIMIT, 429: 2}


def test_a_wrong_key_does_not_make_a_page_for_everybody_free(client: FlaskClient, people: People) -> None:
    guesser = Visitor(client, WRONG)
    assert guesser.counts(LIMIT + 2, "/nothing") == {404: LIMIT, 429: 2}
    assert Visitor(client).counts(1, "/nothing") == {429: 1}, "it is the same address"


def test_a_customer_has_one_network_of_ipv6(client: FlaskClient, people: People) -> None:
    answers = [Visitor(client, address=f"2001:db8:0:1::{n:x}").ask().status_code for n in range(1, LIMIT + 3)]
    assert answers == [401] * LIMIT + [429] * 2
    assert Visitor(client, address="2001:db8:0:2::1").counts(1) == {401: 1}


def test_a_client_cannot_choose_its_address(client: FlaskClient, people: People) -> None:
    visitor = Visitor(client)
    said = [
        visitor.ask(**{"X-Forwarded-For": f"203.0.113.{n}", "Forwarded": f"for=203.0.113.{n}"}).status_code
        for n in range(LIMIT + 2)
    ]
    assert said == [401] * LIMIT + [429] * 2


@pytest.mark.parametrize("path", ["/health", "/health/live", "/health/ready"])
def test_health_is_never_refused(stranger: Visitor, path: str) -> None:
    stranger.counts(LIMIT + 1)
    assert stranger.counts(3 * LIMIT, path) == {200: 3 * LIMIT}
    assert numbers(stranger.ask(path)) == (None, None, None)


def test_a_preflight_is_never_refused(stranger: Visitor) -> None:
    stranger.counts(LIMIT + 1)
    assert stranger.counts(3 * LIMIT, BILLS, "OPTIONS", **OURS, **{"Access-Control-Request-Method": "GET"}) == {204: 3 * LIMIT}


# --- sign-ins that fail -----------------------------------------------------------------------------


@pytest.mark.parametrize("sent", ["Bearer ak_wrong", "Bearer eyJhbGciOiJub25lIn0.e30.", "Basic YTpi", "Bearer"])
def test_an_address_may_fail_so_often_and_is_not_looked_at_again(client: FlaskClient, people: People, sent: str) -> None:
    guesser = Visitor(client, {"Authorization": sent})
    assert guesser.counts(FAILURES + 2) == {401: FAILURES, 429: 2}
    assert Visitor(client, people.ada.headers).counts(1) == {429: 1}, "not even a good key is looked at"
    assert Visitor(client, people.ada.headers, "192.0.2.2").counts(1) == {200: 1}, "but elsewhere it is"
    assert Visitor(client).counts(1) == {401: 1}, "who brings nothing does not guess"


def test_a_ticket_can_be_guessed_as_little(client: FlaskClient, people: People) -> None:
    assert Visitor(client).counts(FAILURES + 2, f"/api/ai/jobs/{uuid.uuid4()}/stream?ticket=guess") == {401: FAILURES, 429: 2}


def test_a_failure_says_how_many_are_left_and_a_refusal_when_to_come_back(
    client: FlaskClient, people: People, clock: Clock
) -> None:
    guesser = Visitor(client, WRONG)
    assert numbers(guesser.ask()) == (str(FAILURES), str(FAILURES - 1), "60")
    clock.at += 10
    guesser.counts(FAILURES - 1)
    refused = guesser.ask()
    assert (refused.json["code"], refused.headers["Retry-After"], numbers(refused)) == (
        "limit_exceeded",
        "50",
        (str(FAILURES), "0", "50"),
    )
    assert "sign-ins failed" in refused.json["detail"]
    clock.at += 50.1
    assert guesser.counts(2) == {401: 1, 429: 1}


def test_who_signs_in_fails_not(ada: Visitor, client: FlaskClient, people: People) -> None:
    for _ in range(FAILURES):
        assert ada.ask().status_code == 200
    assert Visitor(client, WRONG).counts(FAILURES + 1) == {401: FAILURES, 429: 1}


# --- beside the other limit -------------------------------------------------------------------------


def test_the_limit_of_documents_keeps_its_own_numbers(client: FlaskClient, people: People, ada: Visitor) -> None:
    answers = [
        client.post("/api/business/bills/scan", headers=people.ada.headers, data={"file": (io.BytesIO(pdf()), "a.pdf")})
        for _ in "12"
    ]
    assert [(answer.status_code, numbers(answer)[:2]) for answer in answers] == [
        (202, (str(LIMIT), str(LIMIT - 1))),
        (429, ("1", "0")),
    ]
    assert answers[1].json["code"] == "job_limit"
    assert numbers(ada.ask())[1] == str(LIMIT - 3), "it was a request all the same"
