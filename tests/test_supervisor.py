"""The supervisor: starts again what dies, at a growing pause, and stops in stages; with real processes."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from akount import supervisor
from akount.supervisor import Child, Supervisor

HEEDS = """
import pathlib, signal, sys, time
log, name, seconds, code = pathlib.Path(sys.argv[1]), sys.argv[2], float(sys.argv[3]), int(sys.argv[4])
def write(what):
    with log.open("a") as file:
        file.write(f"{what} {name}\\n")
def stop(*_):
    write("told")
    time.sleep(seconds)
    write("ends")
    sys.exit(code)
signal.signal(signal.SIGTERM, stop)
write("runs")
time.sleep(60)
"""
RUNS = """
import os, sys
from akount.supervisor import Child, Supervisor
log, script = sys.argv[1:]
def child(name, stage, seconds, code):
    return Child(name, [sys.executable, "-c", script, log, name, seconds, code], stage)
children = [child("first", 0, "0.5", "0"), child("second", 1, "0.5", "0"), child("third", 1, "0.5", "0")]
with Supervisor(children, os.environ, 20) as all_three:
    all_three.watch()
sys.exit(0 if all_three.clean else 1)
"""


def lines(log: Path) -> list[str]:
    return log.read_text().splitlines() if log.exists() else []


def until(log: Path, count: int) -> None:
    deadline = time.monotonic() + 60
    while len(lines(log)) < count:
        assert time.monotonic() < deadline, lines(log)
        time.sleep(0.02)


def child(log: Path, name: str, seconds: float = 0, code: int = 0, stage: int = 0) -> Child:
    return Child(name, [sys.executable, "-c", HEEDS, str(log), name, str(seconds), str(code)], stage)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGHUP], ids=lambda number: number.name)
def test_it_stops_stage_by_stage_and_heeds_a_second_signal_not_at_all(tmp_path: Path, number: signal.Signals) -> None:
    log = tmp_path / "log"
    process = subprocess.Popen([sys.executable, "-c", RUNS, str(log), HEEDS])
    until(log, 3)
    process.send_signal(number)
    until(log, 4)
    process.send_signal(number)
    assert process.wait(30) == 0
    told = lines(log)[3:]
    assert told[:2] == ["told first", "ends first"], "the next stage is told when this one has ended"
    assert set(told[2:4]) == {"told second", "told third"}, "those of one stage are told together"
    assert len(told) == 6


def test_a_child_that_ends_badly_is_remembered(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with Supervisor([child(log, "good"), child(log, "bad", code=3)], {}, 20) as both:
        until(log, 2)
    assert not both.clean
    assert [one.clean for one in both.children] == [True, False]


def test_a_child_that_does_not_end_is_killed_and_does_not_hold_up_the_others(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with Supervisor([child(log, "late", seconds=60), child(log, "good", stage=1)], {}, 4) as both:
        until(log, 2)
    assert not both.clean
    assert [one.process.returncode for one in both.children if one.process] == [-signal.SIGKILL, 0]


def test_a_child_that_was_stopped_before_it_came_up_is_clean() -> None:
    with Supervisor([Child("sleeps", ["/bin/sleep", "60"])], {}, 20) as one:
        pass
    assert one.clean


def test_a_child_that_keeps_dying_is_started_at_growing_pauses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "FIRST_PAUSE_SECONDS", 0.3)
    monkeypatch.setattr(supervisor, "LONGEST_PAUSE_SECONDS", 1.0)
    monkeypatch.setattr(supervisor, "TICK_SECONDS", 0.02)
    starts = tmp_path / "starts"
    dies = Child("dies", ["/bin/sh", "-c", f"date +%s.%N >> {starts}; exit 1"])
    with Supervisor([dies], {"PATH": "/usr/bin:/bin"}, 20) as one:
        pauses: list[float] = []
        deadline = time.monotonic() + 60
        while len(lines(starts)) < 5:
            assert time.monotonic() < deadline
            one.watch(0.01)
            pauses += [dies.pause] if dies.pause not in (0, *pauses) else []
    times = [float(at) for at in lines(starts)]
    assert pauses == [0.3, 0.6, 1.0]
    assert [later - earlier >= pause for earlier, later, pause in zip(times, times[1:], [0.3, 0.6, 1.0, 1.0], strict=False)] == [
        True
    ] * 4
    assert not one.clean


def test_a_child_that_ran_for_long_is_started_again_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "LONGEST_PAUSE_SECONDS", 0.2)
    monkeypatch.setattr(supervisor, "FIRST_PAUSE_SECONDS", 0.05)
    monkeypatch.setattr(supervisor, "TICK_SECONDS", 0.01)
    dies = Child("dies", ["/bin/sleep", "0.5"], pause=0.2)
    with Supervisor([dies], {}, 20) as one:
        deadline = time.monotonic() + 60
        while dies.pause != 0.05:
            assert time.monotonic() < deadline
            one.watch(0.02)
