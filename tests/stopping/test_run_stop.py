"""`akount run` stops the web server, then the workers, at whatever signal, and its exit code tells how it went (H4, H5)."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from make import SAMPLES
from service import ROOT, Service

PHOTO = next(SAMPLES.glob("*.jpg")).read_bytes()
SIGNALS = [signal.SIGTERM, signal.SIGINT, signal.SIGQUIT]


def said(service: Service, event: str) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in service.log.read_text().splitlines() if line.startswith("{")]
    return [line for line in lines if line["event"] == event]


@pytest.mark.parametrize("number", SIGNALS, ids=lambda number: number.name)
def test_a_busy_run_stops_in_order_with_zero(tmp_path: Path, number: signal.Signals) -> None:
    with Service(tmp_path, WEB_PROCESSES="1") as service:
        family = service.family()
        upload = service.upload(PHOTO, "receipt.jpg")
        address = service.address + upload["streamUrl"]
        with httpx.stream("GET", address, timeout=40, trust_env=False) as stream:
            coming = stream.iter_lines()
            while '"active"' not in next(coming):
                pass
            for again in (number, *SIGNALS):
                service.process.send_signal(again)
            *_, last = (line for line in coming if line)
            assert last == "retry: 2000" or '"completed"' in last
        assert service.process.wait(65) == 0, service.log.read_text()
        _gone, alive = psutil.wait_procs(family, timeout=30)
        assert alive == []
    assert [line["part"] for line in said(service, "stopped") if "code" in line] == [
        "web",
        "worker bill-scan",
        "worker invoice-scan",
    ]
    assert said(service, "job completed"), "what was being read is finished"


def test_a_worker_that_has_to_be_killed_makes_it_end_with_one(tmp_path: Path) -> None:
    with Service(tmp_path, WEB_PROCESSES="1", STOP_SECONDS="6") as service:
        consumer, *_ = service.workers("bill-scan")
        consumer.suspend()
        started = time.monotonic()
        service.process.send_signal(signal.SIGTERM)
        assert service.process.wait(40) == 1
        assert time.monotonic() - started < 30
    assert [line["part"] for line in said(service, "killed")] == ["worker bill-scan"]


def test_a_stop_while_it_starts_ends_with_zero(tmp_path: Path) -> None:
    environ = Service(tmp_path, WEB_PROCESSES="1").environ
    process = subprocess.Popen([sys.executable, "-m", "akount", "run"], cwd=ROOT, env=environ)
    try:
        deadline = time.monotonic() + 60
        while len(psutil.Process(process.pid).children()) < 3:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        assert process.wait(65) == 0
    finally:
        process.kill()
