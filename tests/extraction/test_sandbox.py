"""The child process that reads: whatever a file does to it, the next one is read."""

import contextlib
import io
import os
import signal
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

import psutil
import pytest

from akount import processes
from akount.errors import Crashed, OutOfBounds, OutOfMemory, TimedOut, Unreadable
from akount.extraction import confine
from akount.extraction.sandbox import Limits, Sandbox, _heed, _understand
from make import SAMPLES, pdf

XML = next(SAMPLES.glob("*.xml"))


def opened(tmp_path: Path, data: bytes) -> BinaryIO:
    path = tmp_path / "document"
    path.write_bytes(data)
    return path.open("rb")


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    made = Sandbox(Limits(seconds=20))
    made.start()
    yield made
    made.close()


def reads_well(sandbox: Sandbox) -> bool:
    with XML.open("rb") as file:
        return sandbox.read(file, "application/xml").complete


def test_a_document_is_read_and_progress_is_told(sandbox: Sandbox) -> None:
    shares: list[float] = []
    with (SAMPLES / "exhibition-three-pages-gbp.pdf").open("rb") as file:
        reading = sandbox.read(file, "application/pdf", shares.append)
    assert reading.pages == 3
    assert shares == sorted(shares)
    assert shares[-1] == 1.0


def test_what_cannot_be_read_is_told_with_its_code(sandbox: Sandbox, tmp_path: Path) -> None:
    with opened(tmp_path, b"<Order/>") as file, pytest.raises(Unreadable) as refused:
        sandbox.read(file, "application/xml")
    assert refused.value.code == "not_an_invoice"
    assert reads_well(sandbox)


def test_a_child_that_takes_too_long_is_killed_with_all_of_its_own_and_the_reader_lives_on(tmp_path: Path) -> None:
    slow = Sandbox(Limits(seconds=0.3))
    slow.start()
    try:
        reader = psutil.Process(slow._process.pid)
        with (SAMPLES / "hardware-receipt-photo-eur.jpg").open("rb") as file, pytest.raises(TimedOut):
            slow.read(file, "image/jpeg")
        assert reader.is_running()
        assert reader.children(recursive=True) == []
        slow.limits = Limits()
        assert reads_well(slow)
    finally:
        slow.close()


def test_a_child_that_wants_too_much_memory_is_stopped(tmp_path: Path) -> None:
    small = Sandbox(Limits(memory_mb=24))
    small.start()
    try:
        with (SAMPLES / "hardware-receipt-photo-eur.jpg").open("rb") as file, pytest.raises((OutOfMemory, Crashed)):
            small.read(file, "image/jpeg")
        assert reads_well(small)
    finally:
        small.close()


def test_a_killed_child_is_a_crash_of_that_document_only(sandbox: Sandbox) -> None:
    reader = psutil.Process(sandbox._process.pid)

    def kill() -> None:
        ends = time.monotonic() + 10
        while time.monotonic() < ends:
            for child in reader.children():
                os.kill(child.pid, signal.SIGSEGV)
                return
            time.sleep(0.005)

    killer = threading.Thread(target=kill)
    killer.start()
    with (SAMPLES / "hardware-receipt-photo-eur.jpg").open("rb") as file, pytest.raises(Crashed, match="SIGSEGV"):
        sandbox.read(file, "image/jpeg")
    killer.join()
    assert reads_well(sandbox)


def test_a_killed_reader_is_started_again(sandbox: Sandbox) -> None:
    assert reads_well(sandbox)
    assert sandbox.models_loaded
    assert processes.resident(*sandbox.pids) > 50 << 20, "the models are in it"
    os.kill(sandbox._process.pid, signal.SIGKILL)
    sandbox._process.wait()
    assert (sandbox.models_loaded, sandbox.pids) == (False, ())
    with XML.open("rb") as file:
        try:
            sandbox.read(file, "application/xml")
        except Crashed:
            file.seek(0)
    assert reads_well(sandbox)
    assert sandbox.models_loaded


def test_a_frozen_reader_does_not_hang_the_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("akount.extraction.sandbox.GRACE_SECONDS", 0.5)
    frozen = Sandbox(Limits(seconds=0.5))
    frozen.start()
    try:
        os.kill(frozen._process.pid, signal.SIGSTOP)
        with XML.open("rb") as file, pytest.raises(TimedOut):
            frozen.read(file, "application/xml")
        assert reads_well(frozen)
    finally:
        frozen.close()


def test_abandoning_from_another_thread_ends_a_reading() -> None:
    closed = Sandbox(Limits())
    closed.start()
    threading.Timer(0.4, closed.abandon).start()
    with (SAMPLES / "hardware-receipt-photo-eur.jpg").open("rb") as file, pytest.raises(OutOfBounds):
        closed.read(file, "image/jpeg")
    assert reads_well(closed)
    closed.close()


def test_the_reader_knows_no_secret_and_inherits_no_descriptor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_PASSWORD", "hush-hush")
    secret = Sandbox(Limits())
    with io.BytesIO(), Path(XML).open("rb") as held:
        secret.start()
        try:
            reader = psutil.Process(secret._process.pid)
            assert "hush-hush" not in str(reader.environ())
            assert str(held.name) not in [f.path for f in reader.open_files()]
        finally:
            secret.close()


def test_a_confined_process_can_open_no_socket() -> None:
    assert "seccomp" not in confine.missing()


landlock = pytest.mark.skipif("Landlock" in confine.missing(), reason="this kernel has no Landlock")


def confined(act: Callable[[], object]) -> int:
    """7 when a confined child is refused what it does, 0 when it may."""
    pid = os.fork()
    if pid == 0:
        try:
            confine.no_files()
            confine.no_network_no_programs()
            act()
            os._exit(0)
        except PermissionError:
            os._exit(7)
        finally:
            os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def test_a_confined_process_can_start_no_program_and_no_process() -> None:
    assert confined(lambda: os.execv("/bin/true", ["true"])) == 7
    assert confined(os.fork) == 7
    assert confined(lambda: os.posix_spawn("/bin/true", ["true"], {})) == 7


def test_a_confined_process_may_start_threads() -> None:
    def act() -> None:
        thread = threading.Thread(target=lambda: None)
        thread.start()
        thread.join()

    assert confined(act) == 0


@landlock
def test_a_confined_process_reads_the_program_and_nothing_else(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("of somebody")
    held = secret.open("rb")
    assert confined(secret.read_bytes) == 7
    assert confined(lambda: (tmp_path / "new").write_text("x")) == 7
    assert confined((Path(__file__).parents[2] / "pyproject.toml").read_bytes) == 7
    assert confined(Path(confine.__file__).read_bytes) == 0
    assert confined(Path(contextlib.__file__).read_bytes) == 0
    assert confined(held.read) == 0, "what is open stays open"
    held.close()


def test_a_decompression_bomb_in_a_pdf_is_bounded(sandbox: Sandbox, tmp_path: Path) -> None:
    stream = zlib.compress(b"0 " * (400 << 20 >> 1), 9)
    bomb = pdf().replace(b"%%EOF", b"") + b"\n9 0 obj <</Length %d/Filter/FlateDecode>> stream\n%s\nendstream endobj\n%%%%EOF" % (
        len(stream),
        stream,
    )
    with opened(tmp_path, bomb) as file, contextlib.suppress(Unreadable, OutOfBounds):
        sandbox.read(file, "application/pdf")
    assert reads_well(sandbox)


@pytest.mark.parametrize("said", [{}, {"error": "x"}, {"error": {"sort": "?"}}])
def test_what_is_no_answer_is_a_crash(said: dict) -> None:
    with pytest.raises(Crashed):
        _understand(said, {"signal": 0, "exit": 0})


@pytest.mark.parametrize("said", [{"pages": 1}, {"reading": {}}, {"reading": []}, {"reading": None}])
def test_what_is_no_reading_is_a_crash(said: dict, monkeypatch: pytest.MonkeyPatch) -> None:
    closed = Sandbox(Limits())
    monkeypatch.setattr(closed, "_ask", lambda *_: said)
    with pytest.raises(Crashed), XML.open("rb") as file:
        closed.read(file, "application/xml")


def test_lines_that_are_no_answer_are_nothing() -> None:
    told: list[float] = []
    assert _heed([b"\xff", b"{"], {}, told.append) == {}
    assert _heed([b"[1]", b'{"progress": "x"}'], {}, told.append) == {"progress": "x"}
    assert _heed([b'{"progress": 7.5}'], {}, told.append) == {}
    assert told == [1.0]
