"""The measuring instrument of the queues lives, counts every job, and reckons as its page says."""

import contextlib
import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from benchmarks.queues import page
from benchmarks.queues.__main__ import main, options, taking_part
from benchmarks.queues.contestants import Contestant, contestants
from benchmarks.queues.measure import Fact, Figures, check_once, drain_rate, measure, percentile
from benchmarks.queues.stand import BenchError, Stand, open_stand, workers

ROOT = Path(__file__).parent.parent
FIELD = {one.name: one for one in contestants()}
JOBS, SAMPLES = 16, 2


@pytest.fixture(scope="module")
def stand() -> Iterator[Stand]:
    with pytest.MonkeyPatch.context() as patch:
        for name in ("TEST_DATABASE_URL", "TEST_REDIS_URL"):
            patch.delenv(name, raising=False)
        with open_stand() as opened:
            yield opened


@pytest.mark.parametrize("name", ["ours-full", "ours-ledger", "huey", "huey-sqlite"])
def test_every_job_of_a_contestant_is_done_once_and_measured(stand: Stand, name: str) -> None:
    figures = measure(FIELD[name], stand, JOBS, SAMPLES)
    assert figures.jobs > JOBS + SAMPLES
    assert figures.workers in (1, 2)
    rates = (figures.submitted_per_s, figures.drained_per_s, figures.idle_p50_ms, figures.idle_p99_ms, figures.client_cpu_ms)
    assert all(value > 0 for value in rates)
    assert figures.idle_p50_ms <= figures.idle_p99_ms < 60_000
    started = ("benchmarks.queues.sender", "benchmarks.queues.ours", "huey.bin.huey_consumer")
    assert not [one for one in psutil.Process().children(recursive=True) if set(started) & set(words(one))]


def test_a_worker_that_ends_stops_the_run_with_its_last_words(stand: Stand) -> None:
    broken = dataclasses.replace(FIELD["huey"], workers=(("sh", "-c", "echo no such queue; exit 3"),))
    with pytest.raises(BenchError, match="no such queue"):
        measure(broken, stand, JOBS, SAMPLES)


def test_a_sender_that_ends_stops_the_run_with_its_last_words(stand: Stand) -> None:
    broken = dataclasses.replace(FIELD["huey"], sender=("sh", "-c", "echo no database >&2; exit 3"))
    with pytest.raises(BenchError, match="no database"):
        measure(broken, stand, JOBS, SAMPLES)


def test_what_a_worker_started_ends_with_it(tmp_path: Path) -> None:
    careless = dataclasses.replace(FIELD["huey"], workers=(("sh", "-c", "sleep 300 & wait"),))
    family: list[psutil.Process] = []
    with workers(careless, {"DATA_DIR": str(tmp_path), "PATH": os.environ["PATH"]}) as crew:
        while not any("300" in words(one) for one in family):
            time.sleep(0.05)
            family = psutil.Process(crew.pids[0]).children(recursive=True)
    assert psutil.wait_procs(family, 60)[1] == []


@pytest.mark.parametrize(("how", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_run_that_is_broken_off_leaves_nothing_behind(how: signal.Signals, code: int) -> None:
    command = [sys.executable, "-m", "benchmarks.queues", "--only", "huey", "--count", "20", "--samples", "5000"]
    environ = {name: value for name, value in os.environ.items() if not name.startswith("TEST_")}
    path = os.pathsep.join((str(ROOT), str(ROOT / "tests")))
    run = subprocess.Popen(command, cwd=ROOT, env=environ | {"PYTHONPATH": path}, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    try:
        family, consumers = [], []
        ends = time.monotonic() + 90
        while len(consumers) < 3 and run.poll() is None and time.monotonic() < ends:
            time.sleep(0.2)
            family = psutil.Process(run.pid).children(recursive=True)
            consumers = [one for one in family if "huey.bin.huey_consumer" in words(one)]
        assert len(consumers) >= 3, "the consumer and its two workers"
        home = Path(consumers[0].environ()["DATA_DIR"]).parent
        assert home.is_dir()
    finally:
        run.send_signal(how)
        _out, said = run.communicate(timeout=60)
    assert (run.returncode, said) == (code, b"")
    assert psutil.wait_procs(family, 60)[1] == []
    assert not home.exists()


def words(process: psutil.Process) -> list[str]:
    with contextlib.suppress(psutil.NoSuchProcess, psutil.ZombieProcess):
        return process.cmdline()
    return []


def test_servers_of_somebody_else_are_never_emptied(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_REDIS_URL", "redis://127.0.0.1:1/0")
    with pytest.raises(BenchError, match="TEST_REDIS_URL"), open_stand():
        pass


def facts(*ends: tuple[float, str]) -> list[Fact]:
    return [Fact(uuid.uuid4(), worker, end, end) for end, worker in ends]


def test_a_job_that_is_lost_or_done_twice_is_found() -> None:
    done = facts((1, "a"), (2, "a"))
    check_once(done, 2)
    with pytest.raises(BenchError, match="of 3 jobs 2 ended"):
        check_once(done, 3)
    with pytest.raises(BenchError, match="of 2 jobs 2 ended, in 3 goes"):
        check_once([*done, done[0]], 2)


def test_the_drain_is_timed_when_a_tenth_is_done_and_every_worker_works() -> None:
    steady = [(float(n), "a") for n in range(1, 101)]
    assert drain_rate(facts(*steady)) == pytest.approx(1)
    slow_start = [(n / 1000, "a") for n in range(11)] + [(n + 0.010, "a") for n in range(1, 90)]
    assert drain_rate(facts(*slow_start)) == pytest.approx(1)
    alone_at_first = [(n * 10.0, "a") for n in range(30)] + [(290 + n, "ab"[n % 2]) for n in range(1, 71)]
    assert drain_rate(facts(*alone_at_first)) == pytest.approx(1)


def test_a_worker_that_comes_late_leaves_half_to_be_timed() -> None:
    late = [(float(n), "a") for n in range(1, 100)] + [(100.0, "b")]
    assert drain_rate(facts(*late)) == pytest.approx(1)


def test_a_percentile_is_the_value_that_so_many_do_not_exceed() -> None:
    assert percentile(range(1, 101), 99) == 99
    assert percentile([7], 99) == 7
    assert percentile([1, 2, 3], 50) == 2


def figures(drained: float, submitted: float = 100, cpu: float | None = None) -> Figures:
    return Figures(submitted, drained, 1, 2, 0.5, cpu, cpu, jobs=10, workers=2)


def test_a_ratio_is_the_median_of_the_ratios_of_the_same_round() -> None:
    rounds = {"ours-ledger": [figures(10), figures(90), figures(10)], "huey": [figures(20), figures(100), figures(10)]}
    assert page.ratio(rounds, "ours-ledger", "huey", "drained_per_s") == pytest.approx(0.9)
    assert page.ratio(rounds, "ours-ledger", "celery", "drained_per_s") is None


def test_the_page_says_what_is_reached_and_what_is_not(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(page, "RESULTS", tmp_path / "results")
    rounds = {
        "ours-ledger": [figures(80, cpu=1.5)],
        "ours-full": [figures(79)],
        "huey": [figures(100, cpu=1), figures(300, cpu=1)],
        "celery": [figures(79)],
    }
    about = {"command": "make bench-queue", "date": "2025-11-25", "rounds": 1, "jobs": 10, "samples": 3, "cores": 2}
    field: list[Contestant] = [FIELD[name] for name in rounds]
    written = page.write(field, rounds, about | {"load": [0.1, 0.2], "versions": {"huey": "3.5.4"}})
    text = written.read_text()
    assert "| at least 0.8 of plain Huey | 1.00 | 0.80 reached | 0.67 | 1.00 | 0.79 missed | – |" in text
    assert "| ahead of Celery, defaults | 1.00 | 1.01 reached | – | 1.00 | 1.00 missed | – |" in text
    assert "late acks |" not in text.split("## Targets")[1].split("## What")[0], "who took no part is not compared with"
    assert "| ours, ledger only | 100 | 1.00 | 80 | 0.80 | 333 | 0.67 | 1.0 | 2.0 | 0.50 | 1.50 | 1.50 |" in text
    assert "200 (100–300)" in text
    assert "huey 3.5.4" in text
    kept = json.loads((written.parent / "queue.json").read_text())
    assert kept["contestants"]["ours-full"]["drained_per_s_ratio"] == pytest.approx(0.79)
    assert kept["contestants"]["huey"]["rounds"][1]["drained_per_s"] == 300


class NoStand:
    def versions(self) -> dict[str, str]:
        return {"postgres": "15.18"}


@pytest.mark.parametrize(("arguments", "kept"), [([], True), (["--quick"], False), (["--only", "huey", "--rounds", "1"], False)])
def test_whole_rounds_of_the_whole_field_are_kept_when_a_later_one_breaks(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, arguments: list[str], kept: bool
) -> None:
    goes = iter([figures(100) for _ in taking_part([])])

    def measured(*_arguments: object) -> Figures:
        for one in goes:
            return one
        raise BenchError("broken")

    monkeypatch.setattr(page, "RESULTS", tmp_path / "results")
    monkeypatch.setattr("benchmarks.queues.__main__.open_stand", lambda: contextlib.nullcontext(NoStand()))
    monkeypatch.setattr("benchmarks.queues.__main__.measure", measured)
    monkeypatch.setattr("sys.argv", ["queues", *arguments])
    with pytest.raises(BenchError) if kept else contextlib.nullcontext():
        main()
    assert (tmp_path / "results" / "queue.md").exists() is kept
    if kept:
        assert "; 1 rounds," in (tmp_path / "results" / "queue.md").read_text()


def test_a_quick_run_is_a_short_one_unless_more_is_said() -> None:
    assert options([]).rounds >= 5
    assert options([]).samples >= 100
    asked = options(["--quick", "--count", "7"])
    assert (asked.rounds, asked.count) == (1, 7)


def test_who_is_not_installed_is_left_out_by_name(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("benchmarks.queues.contestants.RIVALS_PYTHON", Path("/nonexistent"))
    monkeypatch.setattr("shutil.which", lambda _name: None)
    able = {one.name for one in taking_part(["ours-full", "huey", "celery", "bullmq"])}
    said = capsys.readouterr().out
    assert able == {"ours-full", "huey"}
    assert "celery: its Python requirements" in said
    assert "bullmq: there is no Node.js" in said
