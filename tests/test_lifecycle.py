"""What is open is closed in reverse, each step once, in time and whatever the others do (H4, H5)."""

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

import config
from akount.lifecycle import Runtime, open_runtime, patience
from fresh import make_settings


@pytest.fixture
def settings(tmp_path: Path) -> config.Settings:
    return make_settings(tmp_path, f"sqlite:///{tmp_path / 'test.db'}")


@pytest.fixture
def runtime(settings: config.Settings) -> Iterator[Runtime]:
    """With two parts beside what every process has: one, opened first, and two."""
    opened = open_runtime(settings)
    opened.on_close("one", lambda: None)
    opened.on_close("two", lambda: None)
    yield opened
    opened.close()


CLOSED = ["two", "one", "opener", "limiter", "storage", "database"]


def never() -> None:
    threading.Event().wait(20)


def fails() -> None:
    raise KeyError("on purpose")


def shut(runtime: Runtime, seconds: float = 20) -> tuple[bool, list[tuple[str, str]]]:
    """Whether it was clean, and what was said of each step."""
    with capture_logs() as lines:
        clean = runtime.shut_down(seconds)
    return clean, [(line["event"], line["part"]) for line in lines]


def test_what_was_opened_last_is_closed_first_and_each_step_says_how_long_it_took(runtime: Runtime) -> None:
    with capture_logs() as lines:
        assert runtime.shut_down(20)
    assert [line["part"] for line in lines] == CLOSED
    assert all(line["event"] == "closed" and line["log_level"] == "info" and line["ms"] >= 0 for line in lines)


def test_nothing_is_closed_twice(runtime: Runtime) -> None:
    assert shut(runtime)[0]
    assert shut(runtime) == (True, [])
    runtime.close()


def test_one_part_may_go_before_the_others(runtime: Runtime) -> None:
    with capture_logs() as lines:
        assert runtime.shut_down(20, only="one")
        assert runtime.shut_down(20)
    assert [line["part"] for line in lines] == ["one", "two", "opener", "limiter", "storage", "database"]


def test_a_step_that_fails_is_told_and_the_others_follow(runtime: Runtime) -> None:
    runtime.on_close("three", fails)
    clean, said = shut(runtime)
    assert not clean
    assert said[0] == ("closing failed", "three")
    assert [part for event, part in said if event == "closed"] == ["three", *CLOSED]


def test_steps_that_hang_are_named_and_leave_time_for_the_others(runtime: Runtime) -> None:
    runtime.on_close("slow", lambda: time.sleep(0.1))
    runtime.on_close("three", never)
    runtime.on_close("four", never)
    started = time.monotonic()
    clean, said = shut(runtime, seconds=4)
    assert time.monotonic() - started < 10, "each of the two would hang for twenty"
    assert not clean
    assert said == [("closing hangs, left behind", "four"), ("closing hangs, left behind", "three")] + [
        ("closed", part) for part in ["slow", *CLOSED]
    ]


@pytest.mark.parametrize("close", [fails, lambda: None], ids=["fails", "closes"])
def test_a_command_closes_quietly(runtime: Runtime, close: Callable[[], None]) -> None:
    order: list[str] = []
    runtime.on_close("three", lambda: order.append("three"))
    runtime.on_close("four", close)
    with capture_logs() as lines:
        runtime.close()
    assert order == ["three"]
    assert [line["event"] for line in lines] == (["closing failed"] if close is fails else [])


def test_of_thirty_seconds_what_runs_is_waited_for_twenty_five(tmp_path: Path) -> None:
    assert patience(make_settings(tmp_path, "")) == 25
    assert patience(make_settings(tmp_path, "", STOP_SECONDS="60")) == 55
