"""clamd's word decides, where one is configured: infected is refused, and silence lets nothing in."""

import dataclasses
import datetime as dt
import io
from collections.abc import Iterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

import clamd
import config
from akount import antivirus
from akount.antivirus import AntivirusAway, Infected
from akount.lifecycle import Runtime
from clamd import EICAR, Clamd
from fresh import make_settings
from make import pdf, sent
from people import People
from servers import free_port


@pytest.fixture
def daemon() -> Iterator[Clamd]:
    made = Clamd()
    yield made
    made.close()


def settings_of(tmp_path: Path, port: int) -> config.Settings:
    return make_settings(tmp_path, "sqlite://", CLAMAV_HOST="127.0.0.1", CLAMAV_PORT=str(port))


def test_a_file_without_malware_passes_and_is_seen_whole(tmp_path: Path, daemon: Clamd) -> None:
    data = bytes(range(256)) * 1000
    file = io.BytesIO(data)
    file.seek(77)
    antivirus.examine(settings_of(tmp_path, daemon.port), file)
    assert daemon.heard == [data]


def test_an_infected_file_is_refused_and_the_log_names_what_it_has(tmp_path: Path, daemon: Clamd) -> None:
    with capture_logs() as lines, pytest.raises(Infected) as refused:
        antivirus.examine(settings_of(tmp_path, daemon.port), io.BytesIO(b"%PDF-" + EICAR))
    assert (refused.value.status, refused.value.code) == (422, "infected")
    assert lines[0]["signature"] == clamd.SIGNATURE


@pytest.mark.parametrize(
    "said",
    [None, b"\0", b"OK\0", b"stream: Can't allocate memory ERROR\0", b"\xff" * 9000, b"stream: OK\nstream: OK\0"],
)
def test_what_is_no_clear_answer_lets_nothing_in(tmp_path: Path, daemon: Clamd, said: bytes | None) -> None:
    daemon.says = said
    with pytest.raises(AntivirusAway) as away:
        antivirus.examine(settings_of(tmp_path, daemon.port), io.BytesIO(b"x"))
    assert (away.value.status, away.value.code, away.value.retry_after) == (503, "antivirus_unavailable", 30)


def test_a_file_above_the_daemons_own_limit_is_not_let_in_unseen(tmp_path: Path) -> None:
    small = Clamd(limit=1000)
    with pytest.raises(AntivirusAway):
        antivirus.examine(settings_of(tmp_path, small.port), io.BytesIO(bytes(3_000_000)))
    small.close()


def test_a_daemon_that_is_away_or_silent_lets_nothing_in(tmp_path: Path, daemon: Clamd, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(AntivirusAway):
        antivirus.examine(settings_of(tmp_path, free_port()), io.BytesIO(b"x"))
    monkeypatch.setattr(antivirus, "SECONDS", 0.1)
    monkeypatch.setattr(daemon, "_converse", lambda line: line.recv(1 << 20) and line.recv(1 << 20))
    with pytest.raises(AntivirusAway):
        antivirus.examine(settings_of(tmp_path, daemon.port), io.BytesIO(b"x"))


def test_nobody_is_asked_where_none_is_configured(tmp_path: Path) -> None:
    antivirus.examine(make_settings(tmp_path, "sqlite://"), io.BytesIO(EICAR))


def test_ping_tells_whether_it_answers(tmp_path: Path, daemon: Clamd) -> None:
    assert antivirus.ping(settings_of(tmp_path, daemon.port))
    assert not antivirus.ping(settings_of(tmp_path, free_port()))


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_an_infected_upload_leaves_nothing_behind(runtime: Runtime, people: People, daemon: Clamd) -> None:
    runtime.settings = dataclasses.replace(runtime.settings, clamav_host="127.0.0.1", clamav_port=daemon.port)
    with pytest.raises(Infected):
        sent(runtime, people.ada, pdf() + EICAR)
    assert list(runtime.storage.keys(dt.datetime.now(dt.UTC) + dt.timedelta(1))) == []
    assert sent(runtime, people.ada).duplicate is False


@pytest.mark.skipif(not clamd.installed(), reason="clamav-daemon is not installed")
def test_the_real_daemon_is_understood(tmp_path: Path) -> None:
    with clamd.real(tmp_path) as port:
        settings = settings_of(tmp_path, port)
        assert antivirus.ping(settings)
        antivirus.examine(settings, io.BytesIO(pdf()))
        with pytest.raises(Infected):
            antivirus.examine(settings, io.BytesIO(EICAR))
        with pytest.raises(AntivirusAway):
            antivirus.examine(settings, io.BytesIO(bytes(13 << 20)))
