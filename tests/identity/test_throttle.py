"""Ten tries a minute for an account, ten failures a minute for an address, exactly (E3)."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from akount.errors import LimitExceeded
from akount.identity.throttle import TRIES, MemoryWindow, Throttle


def admitted(throttle: Throttle, account: str, address: str) -> bool:
    try:
        throttle.admit(account, address)
    except LimitExceeded:
        return False
    return True


def test_an_account_has_ten_tries_from_wherever_they_come() -> None:
    throttle = Throttle()
    assert [admitted(throttle, "ada", f"192.0.2.{n}") for n in range(TRIES + 2)] == [True] * TRIES + [False] * 2
    assert admitted(throttle, "mallory", "192.0.2.1")


def test_of_many_tries_at_once_ten_are_admitted() -> None:
    throttle = Throttle()
    with ThreadPoolExecutor(16) as pool:
        assert sum(pool.map(lambda n: admitted(throttle, "ada", f"192.0.2.{n}"), range(200))) == TRIES


def test_an_address_has_ten_failures_whatever_accounts_they_are_about() -> None:
    throttle = Throttle()
    for n in range(TRIES):
        assert admitted(throttle, f"account {n}", "192.0.2.1")
        throttle.failed("192.0.2.1")
    assert not admitted(throttle, "another", "192.0.2.1")
    assert admitted(throttle, "another", "192.0.2.2")


def test_an_office_may_come_in_at_nine() -> None:
    throttle = Throttle()
    for n in range(TRIES * 3):
        assert admitted(throttle, f"account {n}", "192.0.2.1")
        throttle.succeeded(f"account {n}")


def test_who_succeeds_has_all_their_tries_again() -> None:
    throttle = Throttle()
    for _ in range(TRIES * 3):
        assert admitted(throttle, "ada", "192.0.2.1")
        throttle.succeeded("ada")


def test_signing_in_to_ones_own_account_does_not_wipe_out_failures_at_others() -> None:
    throttle = Throttle()
    for _ in range(TRIES):
        throttle.failed("192.0.2.1")
        throttle.succeeded("own")
    assert not admitted(throttle, "ada", "192.0.2.1")


def test_a_refusal_says_when_to_come_again_and_passes() -> None:
    throttle = Throttle(MemoryWindow(2, 1))
    throttle.admit("ada", "192.0.2.1")
    throttle.admit("ada", "192.0.2.1")
    with pytest.raises(LimitExceeded) as refused:
        throttle.admit("ada", "192.0.2.1")
    assert (refused.value.code, refused.value.retry_after) == ("sign_in_limit", 1)
    window = MemoryWindow(1, 1)
    assert window.hit("x")
    assert not window.hit("x")
    assert 0 < window.wait("x") <= 1
    time.sleep(window.wait("x") + 0.05)
    assert window.hit("x")
