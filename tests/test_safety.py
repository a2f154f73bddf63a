"""Production refuses to start on what only suits a laptop, with every reason at once and by name (C3)."""

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import config
from akount import safety
from akount.errors import SettingsError

ROOT = Path(__file__).parent.parent
SOUND = {
    "APP_ENV": "production",
    "SECRET_KEY": "s" * 32,
    "DATABASE_URL": "postgresql://me:secret@db.example.com/akount?sslmode=require",
    "REDIS_URL": "rediss://:secret@cache.example.com:6380/0",
    "CORS_ORIGINS": "https://app.example.com",
    "CLERK_SECRET_KEY": "sk_live_x",
    "CLERK_PUBLISHABLE_KEY": "pk_live_Y2xlcmsuZXhhbXBsZS5jb20k",
    "CLERK_AUTHORIZED_PARTIES": "https://app.example.com",
    "TRUSTED_PROXY_HOPS": "1",
    "TRUSTED_HOSTS": "documents.example.com",
    "STORAGE_URL": "s3://papers",
    "SPACES_ENDPOINT": "https://fra1.example.com",
    "SPACES_BUCKET": "papers",
    "SPACES_ACCESS_KEY": "access",
    "SPACES_SECRET_KEY": "secret",
}
LAPTOP = {
    "APP_ENV": "production",
    "CLERK_SECRET_KEY": "sk_test_x",
    "CLERK_PUBLISHABLE_KEY": "pk_test_Y2xlcmsuZXhhbXBsZS5jb20k",
    "CORS_ORIGINS": "https://app.example.com,http://localhost:3000",
    "REDIS_TLS_VERIFY": "no",
    "FLASK_DEBUG": "1",
    "DEBUG": "true",
}
LAPTOP_REASONS = {
    *("SECRET_KEY", "CLERK_SECRET_KEY", "CLERK_PUBLISHABLE_KEY", "CORS_ORIGINS", "REDIS_TLS_VERIFY", "FLASK_DEBUG", "DEBUG"),
    *("DATABASE_URL", "REDIS_URL"),
}
Reasons = Callable[..., dict[str, list[str]]]


@pytest.fixture
def reasons(tmp_path: Path) -> Reasons:
    """Why these changes to sound settings are refused, by variable; nothing when they are not."""

    def found(_only: dict[str, str] | None = None, **changes: str) -> dict[str, list[str]]:
        try:
            config.load((SOUND if _only is None else _only) | changes, env_file=tmp_path / "no.env")
        except SettingsError as error:
            return by_variable(error.detail)
        return {}

    return found


def by_variable(text: str) -> dict[str, list[str]]:
    named: dict[str, list[str]] = {}
    for name, why in re.findall(r"^  ([A-Z_]+): (.+)$", text, re.MULTILINE):
        named.setdefault(name, []).append(why)
    return named


def test_sound_settings_start_without_a_word(tmp_path: Path) -> None:
    assert config.load(SOUND, env_file=tmp_path / "no.env").warnings == ()


def test_every_reason_is_named_at_once(reasons: Reasons) -> None:
    found = reasons(LAPTOP)
    assert found.keys() == LAPTOP_REASONS
    assert all(len(why) == 1 for why in found.values())


@pytest.mark.parametrize("app_env", ["development", "test"])
def test_a_laptop_may_be_a_laptop(reasons: Reasons, app_env: str) -> None:
    assert reasons(LAPTOP, APP_ENV=app_env) == {}


def test_what_cannot_be_read_is_complained_about_once(reasons: Reasons) -> None:
    found = reasons(DATABASE_URL="mysql://h/d", CORS_ORIGINS="nonsense", WEB_THREADS="many")
    assert {name: len(why) for name, why in found.items()} == {"DATABASE_URL": 1, "CORS_ORIGINS": 1, "WEB_THREADS": 1}


# --- keys, secrets, switches ------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["CLERK_SECRET_KEY", "CLERK_PUBLISHABLE_KEY"])
def test_a_test_key_of_clerk_is_refused_and_not_shown(reasons: Reasons, name: str) -> None:
    found = reasons(**{name: LAPTOP[name]})
    assert {name: len(why) for name, why in found.items()} == {name: 1}
    assert LAPTOP[name] not in str(found)


def test_the_other_name_of_the_publishable_key_is_judged_too(reasons: Reasons) -> None:
    assert reasons(CLERK_PUBLISHABLE_KEY="", NEXT_PUBLIC_CLERK_PUBLISHABLE_KEY=LAPTOP["CLERK_PUBLISHABLE_KEY"]).keys() == {
        "CLERK_PUBLISHABLE_KEY"
    }


@pytest.mark.parametrize("name", ["CLERK_JWKS_URL", "CLERK_ISSUER"])
def test_whom_a_token_is_believed_by_is_asked_over_https(reasons: Reasons, name: str) -> None:
    assert reasons(**{name: "http://clerk.example.com/x"}).keys() == {name}
    assert reasons(**{name: "https://clerk.example.com/x"}) == {}


@pytest.mark.parametrize("secret", ["", "short", "s" * 31])
def test_a_secret_that_is_too_short_is_refused(reasons: Reasons, secret: str) -> None:
    assert reasons(SECRET_KEY=secret).keys() == {"SECRET_KEY"}


@pytest.mark.parametrize("name", ["FLASK_DEBUG", "DEBUG"])
@pytest.mark.parametrize(("value", "refused"), [("1", True), ("true", True), ("yes", True), ("x", True), ("0", False), ("", False)])
def test_debugging_is_refused(reasons: Reasons, name: str, value: str, refused: bool) -> None:
    assert reasons(**{name: value}).keys() == ({name} if refused else set())


# --- origins ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "origin",
    [
        "*",
        "http://app.example.com",
        "http://localhost:3000",
        "https://localhost",
        "https://127.0.0.1:3000",
        "https://127.1.2.3",
        "https://[::1]:3000",
        "https://0.0.0.0",
        "https://[::]",
        "https://app.localhost",
        "https://127.1",
        "https://localhost.",
        "https://[::ffff:127.0.0.1]",
    ],
)
def test_an_origin_that_suits_a_laptop_is_refused_by_name_in_a_mixed_list(reasons: Reasons, origin: str) -> None:
    found = reasons(CORS_ORIGINS=f"https://app.example.com, {origin},https://books.example.com")
    assert found.keys() == {"CORS_ORIGINS"}
    assert len(found["CORS_ORIGINS"]) == 1
    assert origin in found["CORS_ORIGINS"][0]


def test_whose_tokens_are_believed_is_judged_as_origins_are(reasons: Reasons) -> None:
    assert reasons(CLERK_AUTHORIZED_PARTIES="https://app.example.com,http://localhost:3000").keys() == {"CLERK_AUTHORIZED_PARTIES"}


def test_every_wrong_origin_is_named(reasons: Reasons) -> None:
    assert len(reasons(CORS_ORIGINS="*,http://a.example,https://b.example,https://localhost")["CORS_ORIGINS"]) == 3


@pytest.mark.parametrize("origins", ["", "https://app.example.com", "https://localhost.example.com,https://127.0.0.1.example.com"])
def test_an_origin_that_only_looks_like_a_laptops_is_taken(reasons: Reasons, origins: str) -> None:
    assert reasons(CORS_ORIGINS=origins) == {}


# --- hosts ------------------------------------------------------------------------------------------

LOCAL = [
    *(
        "localhost",
        "LOCALHOST",
        "LocalHost",
        "localhost.",
        "localhost.localdomain",
        "db.localhost",
        "ip6-localhost",
        "ip6-loopback",
    ),
    *("127.0.0.1", "127.0.0.2", "127.255.255.254", "127.1", "127.0.1", "2130706433", "0x7f000001", "0x7f.1", "0177.0.0.1"),
    *("0.0.0.0", "0", "::1", "[::1]", "0:0:0:0:0:0:0:1", "::", "::ffff:127.0.0.1", "::ffff:7f00:1", "::127.0.0.1", "::1%lo"),
    *("", "/var/run/postgresql", "%2Fvar%2Frun%2Fpostgresql", "@abstract", "\uff11\uff12\uff17.0.0.1", "\u24db\u24de\u24d2alhost"),
]
ELSEWHERE = [
    *("db.example.com", "db", "postgres", "localhost.example.com", "notlocalhost", "localhost-db", "my-localhost.internal"),
    *("127.0.0.1.example.com", "128.0.0.1", "10.0.0.1", "192.168.0.1", "::2", "2001:db8::1", "::ffff:10.0.0.1", "fe80::1%eth0"),
    *("m\u00fcller.example", "x" * 64 + ".example"),
]


@pytest.mark.parametrize("host", LOCAL)
def test_this_machine_is_known_by_all_its_names(host: str) -> None:
    assert safety.is_local(host)


@pytest.mark.parametrize("host", ELSEWHERE)
def test_another_machine_is_not_taken_for_this_one(host: str) -> None:
    assert not safety.is_local(host)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "sqlite:////data/akount.db",
        "sqlite://",
        "postgresql://me:pw@localhost/akount",
        "postgres://me:pw@LOCALHOST.:5432/akount",
        "postgresql+psycopg2://me:pw@127.0.0.1/akount",
        "postgresql://me:pw@[::1]:5432/akount",
        "postgresql://me:pw@[::ffff:127.0.0.1]/akount",
        "postgresql://me:pw@127.1/akount",
        "postgresql://me:pw@0.0.0.0/akount",
        "postgresql:///akount",
        "postgresql://me:pw@/akount",
        "postgresql://me:pw@/akount?host=/var/run/postgresql",
        "postgresql://me:pw@/akount?host=localhost:5432",
        "postgresql://me:pw@/akount?host=%2Fvar%2Frun%2Fpostgresql",
        "postgresql://me:pw@%2Fvar%2Frun%2Fpostgresql/akount",
        "postgresql://me:pw@db.example.com/akount?host=127.0.0.1",
        "postgresql://me:pw@db.example.com/akount?hostaddr=127.0.0.1",
        "postgresql://me:pw@/akount?host=db.example.com&host=localhost",
        "postgresql://me:pw@/akount?host=db.example.com,127.0.0.1",
        "postgresql://me:pw@/akount?host=db.example.com:5432&host=%5B::1%5D:5432",
        "postgresql://me:pw@db.example.com,localhost:5432/akount",
        "postgresql://me:p@w@localhost/akount",
    ],
)
def test_a_database_on_this_machine_is_refused(reasons: Reasons, url: str) -> None:
    found = reasons(DATABASE_URL=url)
    assert found.keys() == {"DATABASE_URL"}
    assert "ALLOW_LOCAL_SERVICES" in found["DATABASE_URL"][0]
    assert "pw" not in str(found)
    assert reasons(DATABASE_URL=url, ALLOW_LOCAL_SERVICES="true") == {}


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://me:pw@db.example.com/akount",
        "postgresql://localhost:localhost@db.example.com/localhost",
        "postgresql://me:127.0.0.1@db.example.com/akount?application_name=localhost",
        "postgresql://me:pw%40localhost@db.example.com/akount",
        "postgresql://me:@localhost@db.example.com/akount",
        "postgresql://me:pw@/akount?host=db1.example.com:5432&host=db2.example.com:5432",
        "postgresql://me:pw@[2001:db8::1]:5432/akount",
        "postgresql://me:pw@localhost.example.com/akount?target_session_attrs=read-write",
    ],
)
def test_a_database_elsewhere_is_taken_whatever_its_words(reasons: Reasons, url: str) -> None:
    assert reasons(DATABASE_URL=url) == {}


@pytest.mark.parametrize(
    ("url", "faults"),
    [
        ("", 1),
        ("rediss://:pw@localhost:6379/0", 1),
        ("rediss://:pw@127.0.0.1:6379/0", 1),
        ("rediss://:pw@[::1]:6379/0", 1),
        ("rediss://:pw@0.0.0.0", 1),
        ("rediss://:pw@/0", 1),
        ("redis://:pw@cache.example.com", 1),
        ("rediss://cache.example.com", 1),
        ("rediss://user@cache.example.com", 1),
        ("rediss://:@cache.example.com", 1),
        ("redis://cache.example.com", 2),
        ("redis://localhost", 3),
    ],
)
def test_a_redis_that_suits_a_laptop_is_refused(reasons: Reasons, url: str, faults: int) -> None:
    found = reasons(REDIS_URL=url)
    assert {name: len(why) for name, why in found.items()} == {"REDIS_URL": faults}
    assert all("ALLOW_LOCAL_SERVICES" in why for why in found["REDIS_URL"])
    assert reasons(REDIS_URL=url, ALLOW_LOCAL_SERVICES="true") == {}


@pytest.mark.parametrize("url", ["rediss://:localhost@cache.example.com/1", "rediss://localhost:127.0.0.1@10.0.0.5:6380"])
def test_a_redis_elsewhere_is_taken_whatever_its_words(reasons: Reasons, url: str) -> None:
    assert reasons(REDIS_URL=url) == {}


def test_the_parts_of_redis_are_judged_as_its_url_is(reasons: Reasons) -> None:
    parts = SOUND | {"REDIS_URL": "", "REDIS_HOST": "cache.example.com", "REDIS_PASSWORD": "pw", "REDIS_TLS_ENABLED": "yes"}
    assert reasons(parts) == {}
    assert reasons(parts, REDIS_HOST="::1").keys() == {"REDIS_HOST"}
    assert reasons(parts, REDIS_HOST="").keys() == {"REDIS_HOST"}
    assert reasons(parts, REDIS_PASSWORD="").keys() == {"REDIS_HOST"}
    assert reasons(parts, REDIS_TLS_ENABLED="no").keys() == {"REDIS_HOST"}


def test_the_exception_is_for_the_database_and_redis_only(reasons: Reasons) -> None:
    assert reasons(LAPTOP, ALLOW_LOCAL_SERVICES="true").keys() == LAPTOP_REASONS - {"DATABASE_URL", "REDIS_URL"}


# --- lesser things ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"CORS_ORIGINS": ""}, "CORS_ORIGINS"),
        ({"TRUSTED_PROXY_HOPS": "0"}, "TRUSTED_PROXY_HOPS"),
        ({"TRUSTED_HOSTS": ""}, "TRUSTED_HOSTS"),
        ({"ALLOW_LOCAL_SERVICES": "true"}, "ALLOW_LOCAL_SERVICES"),
        ({"DATABASE_URL": "postgresql://me:pw@db.example.com/akount?sslmode=prefer"}, "DATABASE_URL"),
        ({"STORAGE_URL": "file:///data/files"}, "STORAGE_URL"),
        ({"LOG_LEVEL": "DEBUG"}, "LOG_LEVEL"),
        ({"APP_ENV": "development", "CORS_ORIGINS": "*"}, "CORS_ORIGINS"),
    ],
)
def test_a_lesser_thing_is_a_warning_of_its_own(tmp_path: Path, changes: dict[str, str], name: str) -> None:
    (warning,) = config.load(SOUND | changes, env_file=tmp_path / "no.env").warnings
    assert warning.startswith(f"{name} ")


# --- through the doors ------------------------------------------------------------------------------


def at(*command: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """A door of the program, in an environment of its own."""
    said = [sys.executable, "-m", *command]
    return subprocess.run(said, check=False, env=environ, cwd=ROOT, capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize("command", [("akount", "config", "check"), ("gunicorn", "-c", "gunicorn.conf.py", "wsgi:app")])
def test_no_door_opens_on_a_laptop_that_calls_itself_production(tmp_path: Path, command: tuple[str, ...]) -> None:
    done = at(*command, **LAPTOP, DATA_DIR=str(tmp_path))
    assert done.returncode == 2
    assert by_variable(done.stderr).keys() == LAPTOP_REASONS
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == [], "nothing was opened"


@pytest.mark.parametrize("command", [("akount", "worker"), ("akount", "run"), ("akount", "migrate")])
def test_no_command_does_its_work_there_either(tmp_path: Path, command: tuple[str, ...]) -> None:
    done = at(*command, **SOUND | {"DATABASE_URL": "postgresql://me@[::1]/x"}, DATA_DIR=str(tmp_path))
    assert (done.returncode, by_variable(done.stderr).keys()) == (2, {"DATABASE_URL"})


def test_sound_settings_are_shown_with_their_warnings(tmp_path: Path) -> None:
    done = at("akount", "config", "check", **SOUND | {"TRUSTED_HOSTS": "", "LOG_LEVEL": "DEBUG"}, DATA_DIR=str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert re.findall(r"^warning: (\w+)", done.stdout, re.MULTILINE) == ["TRUSTED_HOSTS", "LOG_LEVEL"]
