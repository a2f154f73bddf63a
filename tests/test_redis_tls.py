"""Redis over TLS with a private CA: who vouches for whom, by which settings, for every user of Redis (R1)."""

import socket
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
import trustme

import config
from akount import db
from akount.connections import ERRORS, redis_client
from akount.errors import SettingsError
from akount.kinds import QUEUES
from akount.limits import Limiter
from akount.tasks import scan
from akount.tasks.queues import Bell, open_queue
from fresh import make_settings, redis_database, web_application
from servers import Server
from tls import TlsFront

PASSWORD = "p%40ss%2Fword"


@pytest.fixture(scope="module")
def ca() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def ca_file(ca: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("ca") / "ca.pem"
    ca.cert_pem.write_to_path(str(path))
    return str(path)


@pytest.fixture(scope="module")
def front(ca: trustme.CA, redis_shared: Server) -> Iterator[TlsFront]:
    with TlsFront(redis_shared.url, ca, "localhost") as front:
        yield front


@pytest.fixture(scope="module")
def stranger(ca: trustme.CA, redis_shared: Server) -> Iterator[TlsFront]:
    """The same server with a certificate of the same CA for another name."""
    with TlsFront(redis_shared.url, ca, "redis.example.com") as front:
        yield front


def url(front: TlsFront, database: int = 0) -> str:
    return f"rediss://:{PASSWORD}@localhost:{front.port}/{database}"


def settings_of(tmp_path: Path, **environ: str) -> config.Settings:
    return make_settings(tmp_path, f"sqlite:///{tmp_path / 'test.db'}", **environ)


def refusal(settings: config.Settings) -> str:
    """What the client says of a server that it does not trust."""
    with redis_client(settings) as client, pytest.raises(ERRORS) as refused:
        client.ping()
    return str(refused.value)


def test_a_certificate_of_the_given_ca_is_trusted(tmp_path: Path, front: TlsFront, ca_file: str) -> None:
    before = front.accepted
    with redis_client(settings_of(tmp_path, REDIS_URL=url(front), REDIS_TLS_CA_FILE=ca_file)) as client:
        assert client.ping() is True
    assert front.accepted == before + 1, "it did go over TLS"


def test_without_the_ca_its_certificate_is_refused(tmp_path: Path, front: TlsFront) -> None:
    assert "CERTIFICATE_VERIFY_FAILED" in refusal(settings_of(tmp_path, REDIS_URL=url(front)))


def test_the_certificate_of_another_ca_is_refused(tmp_path: Path, front: TlsFront) -> None:
    other = tmp_path / "other.pem"
    trustme.CA().cert_pem.write_to_path(str(other))
    settings = settings_of(tmp_path, REDIS_URL=url(front), REDIS_TLS_CA_FILE=str(other))
    assert "CERTIFICATE_VERIFY_FAILED" in refusal(settings)


def test_a_certificate_for_another_name_is_refused(tmp_path: Path, stranger: TlsFront, ca_file: str) -> None:
    said = refusal(settings_of(tmp_path, REDIS_URL=url(stranger), REDIS_TLS_CA_FILE=ca_file))
    assert "ostname mismatch" in said


@pytest.mark.parametrize("environment", ["development", "test"])
def test_outside_production_the_check_can_be_turned_off(tmp_path: Path, stranger: TlsFront, environment: str) -> None:
    settings = settings_of(tmp_path, REDIS_URL=url(stranger), REDIS_TLS_VERIFY="false", APP_ENV=environment)
    with redis_client(settings) as client:
        assert client.ping() is True


def test_in_production_the_check_cannot_be_turned_off(tmp_path: Path, stranger: TlsFront) -> None:
    with pytest.raises(SettingsError, match="REDIS_TLS_VERIFY"):
        settings_of(tmp_path, REDIS_URL=url(stranger), REDIS_TLS_VERIFY="false", APP_ENV="production", SECRET_KEY="s" * 40)


@pytest.mark.parametrize("option", ["ssl_cert_reqs=none", "ssl_check_hostname=false", "socket_timeout=60", "db=3"])
def test_no_option_of_the_url_turns_anything_off(tmp_path: Path, stranger: TlsFront, option: str) -> None:
    with pytest.raises(SettingsError, match=r"REDIS_URL: Must have no \?options") as refused:
        settings_of(tmp_path, REDIS_URL=f"{url(stranger)}?{option}")
    assert PASSWORD not in str(refused.value)


def test_user_password_and_database_may_come_in_parts(tmp_path: Path, redis_shared: Server, front: TlsFront, ca_file: str) -> None:
    with redis.Redis.from_url(redis_shared.url) as admin:
        admin.acl_setuser("ada", enabled=True, passwords=["+l@ng/p:ss"], keys=["*"], commands=["+@all"])
    parts = {"REDIS_HOST": "localhost", "REDIS_PORT": str(front.port), "REDIS_DB": "3", "REDIS_TLS_ENABLED": "yes"}
    login = {"REDIS_USERNAME": "ada", "REDIS_PASSWORD": "l@ng/p:ss", "REDIS_TLS_CA_FILE": ca_file}
    with redis_client(settings_of(tmp_path, **parts, **login)) as client:
        assert client.acl_whoami() in ("ada", b"ada")
        assert int(client.client_info()["db"]) == 3


def test_the_url_wins_over_the_parts(tmp_path: Path, front: TlsFront, ca_file: str) -> None:
    parts = {"REDIS_HOST": "nowhere.invalid", "REDIS_PORT": "1", "REDIS_TLS_ENABLED": "no", "REDIS_PASSWORD": "wrong"}
    with redis_client(settings_of(tmp_path, REDIS_URL=url(front, 2), REDIS_TLS_CA_FILE=ca_file, **parts)) as client:
        assert client.ping() is True
        assert int(client.client_info()["db"]) == 2


# --- every user of Redis goes through the same door ---


def test_the_queue_speaks_tls_and_trusts_nobody_else(
    tmp_path: Path, redis_shared: Server, front: TlsFront, stranger: TlsFront, ca_file: str
) -> None:
    number = int(redis_database(redis_shared).rsplit("/", 1)[1])
    trusted = settings_of(tmp_path, REDIS_URL=url(front, number), REDIS_TLS_CA_FILE=ca_file)
    job_id = uuid.uuid4()
    bell = Bell(trusted, QUEUES[0])
    assert bell.ring(job_id) is True
    bell.close()
    queue = open_queue(trusted, QUEUES[0], consumer=True)
    scan.register(queue, [])
    task = queue.dequeue()
    assert task is not None
    assert task.args == (str(job_id),)
    queue.storage.close()
    queue.storage.pool.disconnect()
    bell = Bell(settings_of(tmp_path, REDIS_URL=url(stranger, number), REDIS_TLS_CA_FILE=ca_file), QUEUES[0])
    assert bell.ring(uuid.uuid4()) is False
    bell.close()


def test_the_limiter_speaks_tls_and_trusts_nobody_else(
    tmp_path: Path, redis_shared: Server, front: TlsFront, stranger: TlsFront, ca_file: str
) -> None:
    for door, counted in ((front, 1), (stranger, 0)):
        tenant = uuid.uuid4()
        limiter = Limiter(settings_of(tmp_path, REDIS_URL=url(door), REDIS_TLS_CA_FILE=ca_file))
        limiter.admit(tenant)
        limiter.close()
        with redis.Redis.from_url(redis_shared.url) as admin:
            assert len(admin.keys(f"*{tenant}*")) == counted


def test_health_speaks_tls_and_trusts_nobody_else(tmp_path: Path, front: TlsFront, stranger: TlsFront, ca_file: str) -> None:
    db.migrate(f"sqlite:///{tmp_path / 'test.db'}")
    for door, said in ((front, "ok"), (stranger, "error")):
        app = web_application(settings_of(tmp_path, REDIS_URL=url(door), REDIS_TLS_CA_FILE=ca_file))
        assert app.test_client().get("/health").json["checks"]["redis"] == said
        app.extensions["akount"].close()


def test_a_server_that_never_finishes_the_handshake_is_left_after_one_time_out(tmp_path: Path, ca_file: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        settings = settings_of(tmp_path, REDIS_URL=f"rediss://:x@127.0.0.1:{mute.getsockname()[1]}/0", REDIS_TLS_CA_FILE=ca_file)
        started = time.monotonic()
        refusal(settings)
        assert time.monotonic() - started < 15
        mute.settimeout(0.2)
        calls = 0
        with pytest.raises(TimeoutError):
            while True:
                mute.accept()[0].close()
                calls += 1
        assert calls == 1
