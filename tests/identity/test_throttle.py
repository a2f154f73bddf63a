"""Ten tries a minute for an account, ten failures a minute for an address, exactly (E3)."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import config
from akount.errors import LimitExceeded
from akount.identity.throttle import TRIES, Throttle
from akount.limits import Windows
from fresh import redis_database


@pytest.fixture(params=["own", "redis"])
def windows(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Windows]:
    """In this process, and in an empty Redis that many share."""
    environ = {}
    if request.param == "redis":
        environ["REDIS_URL"] = redis_database(request.getfixturevalue("redis_shared"))
    counted = Windows(config.load(environ, env_file=tmp_path / "no.env"))
    yield counted
    counted.close()


@pytest.fixture
def throttle(windows: Windows) -> Throttle:
    return Throttle(windows)


def admitted(throttle: Throttle, account: str, address: str) -> bool:
    try:
        throttle.admit(account, address)
    except LimitExceeded:
        return False
    return True


def test_an_account_has_ten_tries_from_wherever_they_come(throttle: Throttle) -> None:
    assert [admitted(throttle, "ada", f"192.0.2.{n}") for n in range(TRIES + 2)] == [True] * TRIES + [False] * 2
    assert admitted(throttle, "mallory", "192.0.2.1")


def test_of_many_tries_at_once_ten_are_admitted(throttle: Throttle) -> None:
    with ThreadPoolExecutor(16) as pool:
        assert sum(pool.map(lambda n: admitted(throttle, "ada", f"192.0.2.{n}"), range(200))) == TRIES


def test_an_address_has_ten_failures_whatever_accounts_they_are_about(throttle: Throttle) -> None:
    for n in range(TRIES):
        assert admitted(throttle, f"account {n}", "192.0.2.1")
        throttle.failed("192.0.2.1")
    assert not admitted(throttle, "another", "192.0.2.1")
    assert admitted(throttle, "another", "192.0.2.2")


def test_an_office_may_come_in_at_nine(throttle: Throttle) -> None:
    for n in range(TRIES * 3):
        assert admitted(throttle, f"account {n}", "192.0.2.1")
        throttle.succeeded(f"account {n}")


def test_who_succeeds_has_all_their_tries_again(throttle: Throttle) -> None:
    for _ in range(TRIES * 3):
        assert admitted(throttle, "ada", "192.0.2.1")
        throttle.succeeded("ada")


def test_signing_in_to_ones_own_account_does_not_wipe_out_failures_at_others(throttle: Throttle) -> None:
    for _ in range(TRIES):
        throttle.failed("192.0.2.1")
        throttle.succeeded("own")
    assert not admitted(throttle, "ada", "192.0.2.1")


def test_a_refusal_says_when_to_come_again_and_passes(windows: Windows) -> None:
    throttle = Throttle(windows, seconds=1)
    for _ in range(TRIES):
        throttle.admit("ada", "192.0.2.1")
    with pytest.raises(LimitExceeded) as refused:
        throttle.admit("ada", "192.0.2.1")
    assert (refused.value.code, refused.value.retry_after) == ("sign_in_limit", 1)
    time.sleep(1.05)
    throttle.admit("ada", "192.0.2.1")
