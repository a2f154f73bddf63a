"""Redis is asked with patience of our choosing, and whatever it says or does not say is one of our errors (R1, R2)."""

import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from redis import Redis

import config
from akount.connections import ERRORS, FAULTS, redis_client, redis_pool
from fresh import make_settings
from servers import Server, redis_server

QUICK = 10
"""Seconds; alone, the client would try for more than ten."""


def settings_for(tmp_path: Path, url: str, **environ: str) -> config.Settings:
    return make_settings(tmp_path, "sqlite://", REDIS_URL=url, **environ)


def client_of(tmp_path: Path, url: str, **environ: str) -> Redis:
    return redis_client(settings_for(tmp_path, url, **environ))


def fails(client: Redis) -> Exception:
    """The error of a question, which has to come quickly."""
    started = time.monotonic()
    with pytest.raises((*ERRORS, *FAULTS)) as raised:
        client.ping()
    assert time.monotonic() - started < QUICK
    client.close()
    client.connection_pool.disconnect()
    return raised.value


def closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture
def mute() -> Iterator[int]:
    """A port that is answered by somebody who never says a word."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(16)
        yield listening.getsockname()[1]


@pytest.fixture
def babbling() -> Iterator[int]:
    """A port that is answered by something that is no Redis."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(16)
        ending = threading.Event()

        def babble() -> None:
            listening.settimeout(0.1)
            while not ending.is_set():
                try:
                    caller, _ = listening.accept()
                except TimeoutError:
                    continue
                with caller:
                    caller.settimeout(1)
                    caller.recv(1000)
                    caller.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        thread = threading.Thread(target=babble)
        thread.start()
        yield listening.getsockname()[1]
        ending.set()
        thread.join(5)


def test_a_redis_that_is_there_answers(tmp_path: Path, redis_shared: Server) -> None:
    client = client_of(tmp_path, redis_shared.url)
    assert client.ping() is True
    client.close()
    client.connection_pool.disconnect()


def test_a_password_in_parts_opens_the_same_door(tmp_path: Path, redis_shared: Server) -> None:
    port = redis_shared.url.rsplit(":", 1)[1].split("/")[0]
    parts = {"REDIS_HOST": "127.0.0.1", "REDIS_PORT": port, "REDIS_PASSWORD": "p@ss/word"}
    client = redis_client(make_settings(tmp_path, "sqlite://", **parts))
    assert client.ping() is True
    client.close()
    client.connection_pool.disconnect()


@pytest.mark.parametrize("login", [":wrong@", "", "nobody:wrong@"])
def test_a_wrong_password_is_an_error_of_ours(tmp_path: Path, redis_shared: Server, login: str) -> None:
    address = redis_shared.url.rsplit("@", 1)[1]
    error = fails(client_of(tmp_path, f"redis://{login}{address}"))
    assert "p@ss" not in str(error)


def test_a_closed_port_is_an_error_of_ours(tmp_path: Path) -> None:
    assert isinstance(fails(client_of(tmp_path, f"redis://:Hunter2@127.0.0.1:{closed_port()}/0")), ERRORS)


def test_a_host_that_there_is_not_is_an_error_of_ours(tmp_path: Path) -> None:
    assert isinstance(fails(client_of(tmp_path, "redis://no-such-host.invalid:6379/0")), ERRORS)


def test_a_server_that_says_nothing_is_an_error_of_ours(tmp_path: Path, mute: int) -> None:
    assert isinstance(fails(client_of(tmp_path, f"redis://127.0.0.1:{mute}/0")), ERRORS)


def test_a_server_that_is_no_redis_is_an_error_of_ours(tmp_path: Path, babbling: int) -> None:
    fails(client_of(tmp_path, f"redis://127.0.0.1:{babbling}/0"))


def test_a_server_that_does_not_speak_tls_is_an_error_of_ours(tmp_path: Path, redis_shared: Server) -> None:
    fails(client_of(tmp_path, redis_shared.url.replace("redis://", "rediss://")))


def test_a_full_pool_is_an_error_of_ours(tmp_path: Path, redis_shared: Server) -> None:
    pool = redis_pool(settings_for(tmp_path, redis_shared.url), timeout=0.2, retries=0, connections=2)
    taken = [pool.get_connection() for _ in range(2)]
    started = time.monotonic()
    with pytest.raises(ERRORS):
        pool.get_connection()
    assert time.monotonic() - started < QUICK
    for connection in taken:
        pool.release(connection)
    pool.disconnect()


def test_a_redis_that_comes_back_is_found_again(tmp_path: Path) -> None:
    with redis_server(tmp_path) as server:
        client = client_of(tmp_path, server.url)
        client.set("kept", "yes")
        server.restart()
        assert client.get("kept") == b"yes", "the first question after a restart is asked twice"
        client.close()
        client.connection_pool.disconnect()


def test_without_redis_there_is_nothing_to_connect_to(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not configured"):
        redis_pool(make_settings(tmp_path, "sqlite://"), timeout=1, retries=0)


def test_nothing_is_connected_before_the_first_question(tmp_path: Path) -> None:
    redis_pool(settings_for(tmp_path, f"redis://127.0.0.1:{closed_port()}/0"), timeout=1, retries=0).disconnect()


@pytest.mark.parametrize(
    ("environ", "wanted"),
    [
        ({}, {"ssl_cert_reqs": "required", "ssl_check_hostname": True}),
        ({"REDIS_TLS_VERIFY": "no"}, {"ssl_cert_reqs": "none", "ssl_check_hostname": False}),
        ({"REDIS_TLS_CA_FILE": __file__}, {"ssl_cert_reqs": "required", "ssl_ca_certs": __file__}),
    ],
)
def test_tls_is_checked_unless_that_is_turned_off(tmp_path: Path, environ: dict[str, str], wanted: dict[str, object]) -> None:
    pool = redis_pool(settings_for(tmp_path, "rediss://127.0.0.1:1/0", **environ), timeout=1, retries=0)
    assert wanted.items() <= pool.connection_kwargs.items()
    pool.disconnect()


def test_each_user_has_time_outs_and_retries_of_its_own(tmp_path: Path) -> None:
    settings = settings_for(tmp_path, "redis://127.0.0.1:1/0")
    for timeout, retries in ((0.25, 1), (5.0, 0)):
        pool = redis_pool(settings, timeout=timeout, retries=retries)
        said = pool.connection_kwargs
        assert (said["socket_timeout"], said["socket_connect_timeout"]) == (timeout, timeout)
        assert said["retry"].get_retries() == retries
        pool.disconnect()
