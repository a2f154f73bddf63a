"""Processes count together, each run anew, and what the dead had in hand is not counted on (H7)."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import config
from akount import exposition, metrics, monitoring
from akount.census import Census
from monitor import Numbers

ROOT = Path(__file__).parent.parent
COUNT = """
import os, sys
from pathlib import Path
from akount import metrics
metrics.share(Path(sys.argv[1]), sys.argv[2])
for child in range(3):
    if os.fork() == 0:
        for _ in range(5):
            metrics.answered("GET", "/a", 200, 0.2)
        metrics.request_began()
        os.write(1, b"counted %d\\n" % os.getpid())
        sys.stdin.read()
        os._exit(0)
sys.stdin.read()
"""
SHOW = """
import sys
from akount import exposition, metrics
from config import load
settings = load({"DATA_DIR": sys.argv[1], "WORKER_METRICS_PORT": sys.argv[2]}, None)
metrics.share(exposition.directory(settings), "another")
sys.stdout.buffer.write(exposition.text(settings, workers_only=sys.argv[3] == "workers"))
"""


class Counters:
    """A parent and three children that have counted, and stay until they are told to go."""

    def __init__(self, data: Path, part: str) -> None:
        command = [sys.executable, "-c", COUNT, str(data / "metrics"), part]
        self.process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout
        self.pids = [int(self.process.stdout.readline().split()[1]) for _ in range(3)]

    def end(self) -> None:
        """Closing what they read ends them all."""
        assert self.process.stdin and self.process.stdout
        self.process.stdin.close()
        self.process.wait(20)
        self.process.stdout.close()


@pytest.fixture
def hired() -> Iterator[list[Counters]]:
    all_of_them: list[Counters] = []
    yield all_of_them
    for one in all_of_them:
        one.end()


def shown(data: Path, which: str = "all", port: str = "0") -> Numbers:
    command = [sys.executable, "-c", SHOW, str(data), port, which]
    return Numbers(subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=60).stdout)


def test_what_processes_count_is_added_up(tmp_path: Path, hired: list[Counters]) -> None:
    hired.append(Counters(tmp_path, "web"))
    numbers = shown(tmp_path)
    assert numbers.total("akount_http_requests_total", method="GET", route="/a", status="2xx") == 15
    assert numbers.total("akount_http_request_seconds_count") == 15
    assert numbers.total("akount_http_request_seconds_bucket", le="0.1") == 0
    assert numbers.total("akount_http_request_seconds_bucket", le="0.25") == 15
    assert numbers.total("akount_http_requests_in_progress") == 3
    assert "pid" not in {name for name, _ in numbers.labels()}


def test_two_of_the_same_part_do_not_wipe_what_the_other_counted(tmp_path: Path, hired: list[Counters]) -> None:
    hired += [Counters(tmp_path, "bill-scan"), Counters(tmp_path, "bill-scan")]
    assert shown(tmp_path).total("akount_http_requests_total") == 30


def test_a_run_that_is_over_is_not_counted_and_the_next_begins_from_nothing(tmp_path: Path, hired: list[Counters]) -> None:
    first, second = Counters(tmp_path, "web"), Counters(tmp_path, "web")
    first.end()
    second.end()
    assert shown(tmp_path).total("akount_http_requests_total") == 0
    hired.append(Counters(tmp_path, "web"))
    assert shown(tmp_path).total("akount_http_requests_total") == 15
    assert len([each for each in (tmp_path / "metrics").iterdir() if each.name.startswith("web")]) == 2, "places are used again"


def test_a_parent_that_was_killed_holds_no_place(tmp_path: Path, hired: list[Counters]) -> None:
    killed = Counters(tmp_path, "web")
    for pid in (killed.process.pid, *killed.pids):
        os.kill(pid, signal.SIGKILL)
    killed.end()
    assert shown(tmp_path).total("akount_http_requests_total") == 0


def test_a_worker_that_shows_its_own_numbers_is_not_shown_by_the_web_server_too(tmp_path: Path, hired: list[Counters]) -> None:
    hired += [Counters(tmp_path, "web"), Counters(tmp_path, "bill-scan")]
    assert shown(tmp_path).total("akount_http_requests_total") == 30
    assert shown(tmp_path, port="9100").total("akount_http_requests_total") == 15
    assert shown(tmp_path, "workers").total("akount_http_requests_total") == 15


def test_where_nothing_can_be_written_it_is_said_and_counting_goes_on(tmp_path: Path) -> None:
    (tmp_path / "metrics").write_text("in the way")
    count = "import sys; from pathlib import Path; from akount import metrics, logs; logs.configure(as_json=True, level='INFO');"
    count += "metrics.share(Path(sys.argv[1]), 'web'); metrics.answered('GET', '/a', 200, 0.1); print('counted')"
    done = subprocess.run(
        [sys.executable, "-c", count, str(tmp_path / "metrics")], cwd=ROOT, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.stdout == "counted\n", done.stderr
    assert done.stderr.count("numbers are not shared") == 1


def test_every_number_is_on_the_page_about_them_with_its_labels() -> None:
    page = (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(akount_\w+)` \|([^|]*)\|", page, re.MULTILINE)
    named = {name.removesuffix("_total"): set(re.findall(r"`([a-z]+)`", labels)) for name, labels in rows}
    counted = {m._name: set(m._labelnames) for m in vars(metrics.numbers()).values() if hasattr(m, "_labelnames")}
    seen = {family.name: set(family._labelnames) for family in monitoring._families(Census({}, {}, {}))}
    assert named == counted | seen


def test_the_refusals_of_the_last_hour_are_told_apart_from_those_before(
    settings: config.Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, counted = [0.0], {"job_limit": 7}
    monkeypatch.setattr("akount.exposition.time.monotonic", lambda: clock[0])
    monkeypatch.setattr("akount.exposition.refusals", lambda _settings: dict(counted))
    told = exposition.Refusals(settings)
    assert told.lately() == ({"job_limit": 0}, 0.0), "nothing is known yet"
    for minute in range(120):
        clock[0] = 60.0 * minute
        counted["job_limit"] += 1
        told.sample()
    clock[0] += 30
    counted["limit_exceeded"] = 3
    assert told.lately() == ({"job_limit": 60, "limit_exceeded": 3}, 3630.0)


AT_ONCE = """
import sys, threading
from akount.app import create_app
from config import load
app = create_app(load({"DATA_DIR": sys.argv[1]}, None))
start, said = threading.Barrier(12), []
def ask():
    client = app.test_client()
    start.wait()
    said.append(client.get("/health/live").status_code)
threads = [threading.Thread(target=ask) for _ in range(12)]
for thread in threads: thread.start()
for thread in threads: thread.join()
print(set(said))
"""


def test_the_first_requests_of_a_process_may_come_all_at_once(tmp_path: Path) -> None:
    """What threads load together one of them meets half made."""
    done = subprocess.run([sys.executable, "-c", AT_ONCE, str(tmp_path)], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.stdout.splitlines()[-1] == "{200}", done.stdout
