"""A password is long, not everybody's and not the address; it is kept by argon2id, and no answer tells whether there is one."""

import statistics
import threading
import time

import pytest

from akount.errors import Invalid, Unavailable
from akount.identity import passwords

GOOD = "correct horse battery"


@pytest.mark.parametrize("password", [GOOD, "x1y2z3w4v5", "пароль из слов", "a" * 196 + "bcd!", "          abc", "12345 67890 abc"])
def test_what_is_long_and_not_common_is_good_whatever_it_is_made_of(password: str) -> None:
    passwords.require_good(password, "ada@example.com")


@pytest.mark.parametrize(
    "password",
    [
        *("", "123456789", "x" * 201, "password123", "PassWord123", "qwertyuiop", "aaaaaaaaaaaa", "abababababab"),
        *("ada.lovelace@example.com", "Ada.Lovelace", "ｐａｓｓｗｏｒｄ１２３"),
    ],
)
def test_what_anybody_would_try_is_refused(password: str) -> None:
    with pytest.raises(Invalid) as refused:
        passwords.require_good(password, "ada.lovelace@example.com")
    assert refused.value.code == "weak_password"


def test_the_list_of_the_commonest_holds_none_that_its_length_refuses() -> None:
    assert len(passwords._common()) > 300
    assert {p for p in passwords._common() if len(p) < passwords.MIN_LENGTH or p != p.casefold()} == set()


def test_a_password_is_kept_by_argon2id_with_19_mib_and_two_passes() -> None:
    kept = passwords.digest(GOOD)
    assert kept.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert GOOD not in kept
    assert kept != passwords.digest(GOOD), "each has its own salt"
    assert not passwords.outdated(kept)


def test_the_right_password_matches_and_no_other() -> None:
    kept = passwords.digest(GOOD)
    assert passwords.matches(kept, GOOD)
    for wrong in ("", GOOD + " ", GOOD.upper(), "x" * 200, "\0", "\ud800"):
        assert not passwords.matches(kept, wrong)


def test_the_same_characters_from_another_keyboard_match() -> None:
    assert passwords.matches(passwords.digest("caf\u00e9 caf\u00e9 caf\u00e9"), "cafe\u0301 cafe\u0301 cafe\u0301")


def test_where_there_is_none_or_it_is_damaged_nothing_matches() -> None:
    for kept in (None, "", "damaged", passwords.NOBODY):
        assert not passwords.matches(kept, GOOD)


def test_nobody_signs_in_by_what_stands_in_for_no_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passwords, "NOBODY", passwords.digest(GOOD))
    assert not passwords.matches(None, GOOD)


def test_what_stands_in_for_no_password_is_hashed_in_todays_way() -> None:
    assert not passwords.outdated(passwords.NOBODY)


def test_an_old_hash_is_noticed() -> None:
    assert passwords.outdated(passwords.PasswordHasher(time_cost=1, memory_cost=8192, parallelism=1).hash(GOOD))


def test_an_unknown_account_takes_as_long_as_a_wrong_password() -> None:
    kept = passwords.digest(GOOD)

    def spent(hashed: str | None) -> float:
        started = time.thread_time()
        passwords.matches(hashed, "wrong password")
        return time.thread_time() - started

    pairs = [(spent(kept), spent(None)) for _ in range(15)]
    known, unknown = (statistics.median(times) for times in zip(*pairs, strict=True))
    assert 0.5 < unknown / known < 2


def test_a_crowd_is_sent_away_instead_of_taking_all_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passwords, "PATIENCE", 0.05)
    held = [passwords._places.acquire(timeout=1) for _ in range(passwords.PLACES)]
    try:
        with pytest.raises(Unavailable):
            passwords.matches(None, GOOD)
    finally:
        for _ in held:
            passwords._places.release()
    assert not passwords.matches(None, GOOD)
    assert threading.active_count() < 50
