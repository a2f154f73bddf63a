"""Only a good session token of the one instance is believed, and the endpoint of its keys may do what it likes (A2)."""

import base64
import json
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import jwt
import pytest
from structlog.testing import capture_logs

from akount.errors import Unauthenticated, Unavailable
from akount.identity import clerk as ours
from akount.identity.clerk import Claims, KeySet, Verifier
from clerk import ISSUER, PARTY, Endpoint, claims, jwk, private_key, public_pem, token
from config import ClerkInstance


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    with Endpoint("first") as opened:
        yield opened


def verifier_of(endpoint: Endpoint, waiters: int = 4) -> Verifier:
    return Verifier(ClerkInstance(endpoint.url, ISSUER, (PARTY, "https://other.example.com")), waiters=waiters)


@pytest.fixture
def verifier(endpoint: Endpoint) -> Verifier:
    return verifier_of(endpoint)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pauses that are over at once; the patience stays what it is."""
    monkeypatch.setattr(ours, "REST", 0.0)
    monkeypatch.setattr(ours, "UNKNOWN_REST", 0.0)


def refused(verifier: Verifier, sent: str) -> tuple[str, str]:
    with pytest.raises(Unauthenticated) as error:
        verifier.claims(sent)
    return error.value.code, error.value.detail


def until(condition: Callable[[], bool], seconds: float = 60) -> None:
    ends = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < ends, "not in time"
        time.sleep(0.01)


# --- what a good one says ---


def test_a_good_token_says_who_it_is(verifier: Verifier) -> None:
    said = verifier.claims(token("user_ada", iat=(at := int(time.time()) - 3)))
    assert (said.user, said.organisation, said.role, said.issued_at.timestamp()) == ("user_ada", None, None, at)


@pytest.mark.parametrize(
    "more",
    [
        {"o": {"id": "org_1", "rol": "admin", "slg": "ada"}},
        {"o": {"id": "org_1", "rol": "org:admin"}},
        {"v": None, "org_id": "org_1", "org_role": "org:admin", "org_slug": "ada"},
        {"v": None, "org_id": "org_1", "org_role": "admin"},
    ],
)
def test_both_versions_say_the_organisation_and_the_role(verifier: Verifier, more: dict[str, object]) -> None:
    said = verifier.claims(token(**more))  # type: ignore[arg-type]
    assert (said.organisation, said.role) == ("org_1", "admin")


def test_every_party_that_was_named_is_believed(verifier: Verifier) -> None:
    assert verifier.claims(token(azp="https://other.example.com")).user == "user_ada"


def test_clocks_may_differ_by_five_seconds(verifier: Verifier) -> None:
    at = int(time.time())
    for more in ({"exp": at - 3}, {"nbf": at + 3}, {"iat": at + 3}):
        assert isinstance(verifier.claims(token(**more)), Claims)  # type: ignore[arg-type]


# --- every other one ---


def part(said: object) -> str:
    return base64.urlsafe_b64encode(said if isinstance(said, bytes) else json.dumps(said).encode()).rstrip(b"=").decode()


def signed_with_the_public_key() -> str:
    """What a verifier would take that lets the token choose: HS256 with the public key, which everybody knows, as secret."""
    import hashlib
    import hmac

    signed = f"{part({'alg': 'HS256', 'typ': 'JWT', 'kid': 'first'})}.{part(claims())}"
    return f"{signed}.{part(hmac.new(public_pem('first'), signed.encode(), hashlib.sha256).digest())}"


def unsigned(alg: str, kid: object = "first", **header: object) -> str:
    return f"{part({'alg': alg, 'typ': 'JWT', 'kid': kid, **header})}.{part(claims())}."


def tampered(position: int) -> str:
    parts = token().split(".")
    parts[position] = parts[position][:-4] + ("AAAA" if parts[position][-4:] != "AAAA" else "BBBB")
    return ".".join(parts)


def with_claims_of_another(victim: str) -> str:
    header, _claims, signature = token("user_mallory").split(".")
    return f"{header}.{part(claims(victim))}.{signature}"


def as_jwe() -> str:
    return ".".join([part({"alg": "RSA-OAEP", "enc": "A256GCM", "kid": "first"}), *(part(b"x" * 30) for _ in range(4))])


def in_seconds(number: int) -> int:
    """Counted from when the token is made: from the collection it may be ten minutes to the test."""
    return int(time.time()) + number


BAD: dict[str, Callable[[], str]] = {
    "unsigned": lambda: unsigned("none"),
    "unsigned, in other letters": lambda: unsigned("nOnE"),
    "RS256 without a signature": lambda: unsigned("RS256"),
    "HS256 with the public key": signed_with_the_public_key,
    "RS512": lambda: jwt.encode(claims(), private_key("first"), "RS512", headers={"kid": "first"}),
    "PS256": lambda: jwt.encode(claims(), private_key("first"), "PS256", headers={"kid": "first"}),
    "another's key under a known name": lambda: jwt.encode(claims(), private_key("evil"), "RS256", headers={"kid": "first"}),
    "its own key brought along": lambda: token(key="evil", headers={"jwk": jwk("evil"), "kid": "first"}),
    "an address of keys brought along": lambda: token(key="evil", headers={"jku": "https://evil.example/jwks", "kid": "first"}),
    "a header that must be understood": lambda: token(headers={"crit": ["b64"], "b64": False}),
    "another type": lambda: token(headers={"typ": "at+jwt"}),
    "tampered header": lambda: tampered(0),
    "tampered claims": lambda: tampered(1),
    "tampered signature": lambda: tampered(2),
    "claims of another": lambda: with_claims_of_another("user_ada"),
    "wrong azp": lambda: token(azp="https://evil.example"),
    "azp of the same beginning": lambda: token(azp=PARTY + ".evil.example"),
    "azp *": lambda: token(azp="*"),
    "azp a list": lambda: token(azp=[PARTY]),
    "no azp": lambda: token(azp=None),
    "wrong iss": lambda: token(iss="https://clerk.evil.example"),
    "iss of the same beginning": lambda: token(iss=ISSUER + "/"),
    "no iss": lambda: token(iss=None),
    "expired": lambda: token(exp=in_seconds(-60)),
    "no exp": lambda: token(exp=None),
    "exp no number": lambda: token(exp="tomorrow"),
    "not yet": lambda: token(nbf=in_seconds(600)),
    "no nbf": lambda: token(nbf=None),
    "made in the future": lambda: token(iat=in_seconds(600)),
    "made at no time": lambda: token(iat=10**30, nbf=1, exp=10**12),
    "no iat": lambda: token(iat=None),
    "no sub": lambda: token(sub=None),
    "empty sub": lambda: token(sub=""),
    "sub a number": lambda: token(sub=17),
    "long sub": lambda: token("user_" + "x" * 60),
    "sub with SQL": lambda: token("user_1' OR 1=1 --"),
    "organisation a list": lambda: token(o={"id": ["org_1"], "rol": "admin"}),
    "a session that is not complete": lambda: token(sts="pending"),
    "no kid": lambda: jwt.encode(claims(), private_key("first"), "RS256"),
    "empty": lambda: "",
    "one word": lambda: "token",
    "two parts": lambda: "a.b",
    "dots": lambda: "..",
    "a JWE": as_jwe,
    "not ASCII": lambda: "ä.ö.ü",
    "NUL": lambda: "\0.\0.\0",
    "huge": lambda: "x" * 1_000_000,
    "huge but good": lambda: token(more="x" * 10_000),
    "a header nested 3,000 deep": lambda: f"{part(b'[' * 3000)}.{part(claims())}.x",
    "a header that is a list": lambda: f"{part(['RS256'])}.{part(claims())}.x",
    "a header with a number of 5,000 digits": lambda: f"{part(b'1' * 5000)}.{part(claims())}.x",
    "kid null": lambda: unsigned("RS256", None),
    "kid a number": lambda: unsigned("RS256", 1),
    "kid a list": lambda: unsigned("RS256", ["first"]),
    "kid an object": lambda: unsigned("RS256", {"$ne": ""}),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_token_is_refused_in_the_same_words_as_any_other(verifier: Verifier, name: str) -> None:
    assert verifier.claims(token()).user == "user_ada"
    assert refused(verifier, BAD[name]()) == (Unauthenticated.code, Unauthenticated().detail)


@pytest.mark.parametrize("kid", ["../../etc/passwd", "first' OR '1'='1", "https://evil.example/key", "\0", "", "x" * 4000, "FIRST"])
def test_a_name_of_a_key_is_looked_up_and_nothing_else(endpoint: Endpoint, verifier: Verifier, kid: str) -> None:
    assert refused(verifier, token(key="evil", headers={"kid": kid})) == (Unauthenticated.code, Unauthenticated().detail)
    assert verifier.claims(token()).user == "user_ada"


@pytest.mark.filterwarnings("ignore:The RSA key is 1024 bits")
def test_a_weak_key_and_a_key_for_something_else_are_no_keys(endpoint: Endpoint, verifier: Verifier) -> None:
    endpoint.keys += [
        jwk("weak", bits=1024),
        jwk("enc", use="enc"),
        {"kty": "EC", "kid": "curve"},
        {"kty": "oct", "k": "eA", "kid": "o"},
    ]
    verifier.claims(token())
    weak = jwt.encode(claims(), private_key("weak", 1024), "RS256", headers={"kid": "weak"})
    for sent in (weak, token(key="enc")):
        refused(verifier, sent)


# --- the endpoint ---


def test_keys_are_fetched_once_and_kept(endpoint: Endpoint, verifier: Verifier) -> None:
    for _ in range(20):
        verifier.claims(token())
    assert endpoint.fetches == 1


def test_a_new_key_is_accepted_after_one_fetch_and_a_withdrawn_one_no_more(endpoint: Endpoint, verifier: Verifier) -> None:
    verifier.claims(token())
    endpoint.keys = [jwk("second")]
    assert verifier.claims(token(key="second")).user == "user_ada"
    assert endpoint.fetches == 2
    refused(verifier, token(key="first"))


def test_forged_names_do_not_drive_us_to_the_endpoint(endpoint: Endpoint, verifier: Verifier) -> None:
    verifier.claims(token())
    for n in range(50):
        refused(verifier, token(key="evil", headers={"kid": f"forged-{n}"}))
    assert endpoint.fetches == 2


def test_old_keys_serve_while_the_endpoint_is_down(endpoint: Endpoint, verifier: Verifier, monkeypatch: pytest.MonkeyPatch) -> None:
    verifier.claims(token())
    endpoint.close()
    monkeypatch.setattr(ours, "FRESH", 0.0)
    verifier._keys._fresh_until = 0.0
    with capture_logs() as logs:
        for _ in range(20):
            assert verifier.claims(token()).user == "user_ada"
        refused(verifier, token(key="second"))
        until(lambda: verifier._keys._fetch is None)
        for _ in range(20):
            assert verifier.claims(token()).user == "user_ada"
    assert [line["event"] for line in logs] == ["clerk's keys not fetched"], "said once"


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize(
    ("status", "body"),
    [
        (500, b"{}"),
        (302, b""),
        (200, b"<html>"),
        (200, b"[]"),
        (200, b"null"),
        (200, b'{"keys": []}'),
        (200, b'{"keys": [1]}'),
        (200, b'{"keys": [{"kty": "RSA", "kid": "first"}]}'),
        (200, b" " * 300_000),
    ],
)
def test_what_is_no_key_set_changes_nothing(endpoint: Endpoint, verifier: Verifier, status: int, body: bytes) -> None:
    verifier.claims(token())
    endpoint.status, endpoint.body = status, body
    refused(verifier, token(key="second"))
    assert endpoint.fetches == 2
    assert verifier.claims(token()).user == "user_ada"


def test_without_any_key_sign_in_is_not_available(endpoint: Endpoint, verifier: Verifier) -> None:
    endpoint.status = 503
    for _ in range(20):
        with pytest.raises(Unavailable) as error:
            verifier.claims(token())
        assert error.value.code == "identity_unavailable"
        assert error.value.retry_after
    assert endpoint.fetches == 1, "left alone for a while"


@pytest.mark.usefixtures("impatient")
def test_an_endpoint_that_comes_back_is_found(endpoint: Endpoint, verifier: Verifier) -> None:
    endpoint.status = 503
    with capture_logs() as logs:
        for _ in range(3):
            with pytest.raises(Unavailable):
                verifier.claims(token())
        endpoint.status = 200
        assert verifier.claims(token()).user == "user_ada"
    assert [line["event"] for line in logs] == ["clerk's keys not fetched", "clerk's keys fetched again"]


def test_many_first_tokens_at_once_are_one_fetch(endpoint: Endpoint) -> None:
    verifier = verifier_of(endpoint, waiters=8)
    endpoint.answer.clear()
    with ThreadPoolExecutor(8) as pool:
        asked = [pool.submit(verifier.claims, token()) for _ in range(8)]
        until(lambda: endpoint.fetches == 1)
        endpoint.answer.set()
        assert {one.result().user for one in asked} == {"user_ada"}
    assert endpoint.fetches == 1


def timed(verifier: Verifier, sent: str) -> tuple[float, str]:
    started = time.monotonic()
    try:
        outcome = verifier.claims(sent).user
    except (Unauthenticated, Unavailable) as error:
        outcome = error.code
    return time.monotonic() - started, outcome


def test_nobody_waits_long_for_an_endpoint_that_hangs_and_not_in_line(endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    """Twelve at once: those who find a place wait together, the others not at all; in a line they would take 48 seconds."""
    monkeypatch.setattr(ours, "PATIENCE", 4.0)
    verifier = verifier_of(endpoint, waiters=4)
    endpoint.answer.clear()
    with ThreadPoolExecutor(12) as pool:
        started = time.monotonic()
        asked = [pool.submit(timed, verifier, token()) for _ in range(12)]
        done = [one.result() for one in asked]
    assert {outcome for _, outcome in done} == {"identity_unavailable"}
    assert time.monotonic() - started < ours.PATIENCE * 3
    assert sum(seconds > ours.PATIENCE * 0.9 for seconds, _ in done) == 4
    assert timed(verifier, token())[0] < ours.PATIENCE * 0.9, "who comes later does not wait for what is late"
    assert endpoint.fetches == 1


def test_known_keys_are_answered_at_once_while_the_endpoint_hangs(
    endpoint: Endpoint, verifier: Verifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ours, "PATIENCE", 30.0)
    verifier.claims(token())
    endpoint.answer.clear()
    verifier._keys._fresh_until = 0.0
    seconds, outcome = timed(verifier, token())
    assert (outcome, seconds < ours.PATIENCE / 2) == ("user_ada", True)
    until(lambda: endpoint.fetches == 2)
    for _ in range(5):
        assert timed(verifier, token())[0] < ours.PATIENCE / 2
    assert endpoint.fetches == 2, "one at a time"


def test_an_answer_that_drips_is_given_up(endpoint: Endpoint, verifier: Verifier, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ours, "PATIENCE", 0.5)
    endpoint.drip = 0.05
    assert timed(verifier, token())[1] == "identity_unavailable"
    until(lambda: verifier._keys._fetch is None, seconds=60)
    assert verifier._keys._keys == {}


def test_a_fetch_that_is_lost_does_not_keep_others_from_trying(endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ours, "LOST", 0.0)
    keys = KeySet(endpoint.url, waiters=1)
    keys._fetch = ours._Fetch()
    keys._fetch.ends = time.monotonic() - 1
    assert keys.find("first") is not None


def test_the_thread_that_fetches_holds_nothing_up_at_the_end(endpoint: Endpoint, verifier: Verifier) -> None:
    endpoint.answer.clear()
    asked = threading.Thread(target=timed, args=(verifier, token()))
    asked.start()
    until(lambda: endpoint.fetches == 1)
    assert all(thread.daemon for thread in threading.enumerate() if thread.name == "clerk-keys")
    asked.join()


def test_a_service_without_clerk_has_no_verifier() -> None:
    from config import Settings

    assert ours.open_verifier(Settings()) is None
