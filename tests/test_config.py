"""Settings are validated together, named in every complaint, and never repeated when they are secret (C1, C2, C4)."""

import base64
import re
from collections.abc import Callable
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

import config
from akount.errors import SettingsError

ROOT = Path(__file__).parent.parent
PRODUCTION = {"APP_ENV": "production", "SECRET_KEY": "s" * 32, "ALLOW_LOCAL_SERVICES": "true"}
SPACES = {
    "SPACES_ENDPOINT": "https://fra1.example.com",
    "SPACES_BUCKET": "papers",
    "SPACES_ACCESS_KEY": "access",
    "SPACES_SECRET_KEY": "secret",
}
SECRETS = [config.variable(f) for f in config.DECLARED if f.metadata["secret"]]

Load = Callable[..., config.Settings]


@pytest.fixture
def load(tmp_path: Path) -> Load:
    """Loads from the environment given, and from the text of a .env file."""

    def loaded(environ: dict[str, str] | None = None, dotenv: str = "") -> config.Settings:
        file = tmp_path / "test.env"
        file.write_text(dotenv, encoding="utf-8")
        return config.load(environ or {}, env_file=file)

    return loaded


def complaints(load: Load, environ: dict[str, str], dotenv: str = "") -> str:
    with pytest.raises(SettingsError) as refused:
        load(environ, dotenv)
    return refused.value.detail


def declared(name: str) -> object:
    return next(f for f in config.DECLARED if config.variable(f) == name)


def test_without_a_word_everything_has_its_default(load: Load) -> None:
    settings = load()
    assert (settings.app_env, settings.host, settings.port) == ("development", "127.0.0.1", 4000)
    assert (settings.max_upload_bytes, settings.max_pages, settings.max_pixels) == (10_485_760, 50, 60_000_000)
    assert (settings.scan_timeout_seconds, settings.scan_max_attempts) == (60, 3)
    assert (settings.rate_limit_per_minute, settings.jobs_per_minute) == (100, 100)
    assert (settings.keep_completed_hours, settings.keep_completed_count, settings.keep_failed_days) == (24, 1000, 7)
    assert (settings.clamav_port, settings.spaces_region, settings.trusted_proxy_hops) == (3310, "us-east-1", 0)
    assert settings.redis is None
    assert settings.sources == {}
    assert settings.warnings == ()


def test_every_problem_is_reported_at_once_by_the_name_of_its_variable(load: Load, tmp_path: Path) -> None:
    wrong = {
        "APP_ENV": "staging",
        "PORT": "70000",
        "WEB_THREADS": "many",
        "REDIS_DB": "16",
        "REDIS_TLS_ENABLED": "maybe",
        "REDIS_TLS_CA_FILE": str(tmp_path / "none.pem"),
        "DATABASE_URL": "mysql://localhost/akount",
        "CORS_ORIGINS": "https://example.com/path",
        "CLERK_SECRET_KEY": "pk_test_x",
        "LOG_LEVEL": "LOUD",
        "SPACES_BUCKET": "papers",
        "REVIEW_CONFIDENCE": "90",
        "MISTRAL_API_KEY_FILE": str(tmp_path / "no-such-file"),
    }
    lines = complaints(load, wrong).splitlines()
    assert ".env.example" in lines[0]
    named = {line.partition(":")[0].strip() for line in lines[1:]}
    assert named == set(wrong) - {"SPACES_BUCKET"} | {"SPACES_ENDPOINT", "SPACES_ACCESS_KEY", "SPACES_SECRET_KEY"}


def test_a_word_of_a_list_is_taken_in_any_case(load: Load) -> None:
    settings = load({"LOG_LEVEL": "debug", "LOG_FORMAT": "JSON", "APP_ENV": "Test"})
    assert (settings.log_level, settings.log_format, settings.app_env) == ("DEBUG", "json", "test")
    assert "Must be one of: json, console.\n" in complaints(load, {"LOG_FORMAT": "xml", "PORT": "x"}) + "\n"


def test_production_is_production_in_any_case(load: Load) -> None:
    with pytest.raises(SettingsError) as refused:
        load({"APP_ENV": "PRODUCTION"}, "SECRET_KEY=" + 32 * "x")
    assert "SECRET_KEY: " in refused.value.detail, "no .env is read there"


def test_an_error_about_a_setting_says_what_would_be_right(load: Load) -> None:
    text = complaints(load, {"APP_ENV": "prod", "DATABASE_URL": "oracle://h/d", "CLERK_PUBLISHABLE_KEY": "x"})
    assert "development, production, test" in text
    assert "sqlite://" in text
    assert "pk_test_" in text


@pytest.mark.parametrize("name", SECRETS)
def test_a_wrong_secret_is_never_repeated(load: Load, name: str) -> None:
    hidden = "Hunter2-do-not-print"
    others = {"PORT": "nonsense", "APP_ENV": "production"}
    for value in (hidden, f"mysql://me:{hidden}@h/d", f"redis://me:{hidden}@h:port/0", f"//[{hidden}"):
        assert hidden not in complaints(load, others | {name: value})
        assert hidden not in complaints(load, {"PORT": "nonsense"}, f"{name}='{value}'")


def test_a_secret_does_not_stand_in_the_message_about_the_file_it_should_be_in(load: Load, tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text("Hunter2", encoding="utf-8")
    assert "Hunter2" not in complaints(load, {"CLERK_SECRET_KEY_FILE": str(file)})


@pytest.mark.parametrize("spelling", ["true", "TRUE", "1", "yes", "On", " true "])
def test_a_switch_is_on(load: Load, spelling: str) -> None:
    assert load({"REDIS_TLS_ENABLED": spelling}).redis_tls_enabled is True


@pytest.mark.parametrize("spelling", ["false", "False", "0", "no", "OFF"])
def test_a_switch_is_off(load: Load, spelling: str) -> None:
    assert load({"REDIS_TLS_VERIFY": spelling}).redis_tls_verify is False


@pytest.mark.parametrize("spelling", ["t", "f", "y", "n", "enabled", "2", "tru", "none"])
def test_any_other_spelling_of_a_switch_is_an_error(load: Load, spelling: str) -> None:
    assert "REDIS_TLS_ENABLED: Must be true or false" in complaints(load, {"REDIS_TLS_ENABLED": spelling})


def test_an_empty_value_says_nothing(load: Load) -> None:
    settings = load({"PORT": "", "REDIS_TLS_ENABLED": "  ", "REDIS_HOST": ""})
    assert settings.port == 4000
    assert settings.redis is None
    assert settings.sources == {}


def test_a_secret_can_lie_in_a_file_whose_last_newline_does_not_count(load: Load, tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text("s" * 40 + "\n", encoding="utf-8")
    settings = load({"APP_ENV": "production", "ALLOW_LOCAL_SERVICES": "yes", "SECRET_KEY_FILE": str(file)})
    assert settings.secret_key == "s" * 40
    assert settings.sources["SECRET_KEY"] == "SECRET_KEY_FILE"


def test_a_value_beats_the_file_that_could_hold_it(load: Load, tmp_path: Path) -> None:
    settings = load({"PORT": "5000", "PORT_FILE": str(tmp_path / "none")})
    assert settings.port == 5000


def test_a_missing_file_is_named_by_its_variable(load: Load, tmp_path: Path) -> None:
    text = complaints(load, {"SECRET_KEY_FILE": str(tmp_path / "none"), "DATABASE_URL_FILE": str(tmp_path)})
    assert "SECRET_KEY_FILE: cannot be read" in text
    assert "DATABASE_URL_FILE: cannot be read" in text


def test_a_file_that_is_no_text_is_named_by_its_variable(load: Load, tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_bytes(b"\xff\xfe\x00\x01")
    assert "SECRET_KEY_FILE: cannot be read" in complaints(load, {"SECRET_KEY_FILE": str(file)})


def test_a_dotenv_file_is_read_in_development_and_not_in_production(load: Load) -> None:
    assert load({}, "PORT=5001").port == 5001
    assert load({}, "PORT=5001").sources["PORT"] == ".env"
    assert load(PRODUCTION, "PORT=5001").port == 4000
    assert load(PRODUCTION | {"APP_ENV": " production "}, "PORT=5001").port == 4000


def test_the_environment_beats_the_dotenv_file(load: Load) -> None:
    settings = load({"PORT": "5002"}, "PORT=5001\nHOST=0.0.0.0")
    assert (settings.port, settings.host) == (5002, "0.0.0.0")
    assert settings.sources == {"PORT": "environment", "HOST": ".env"}


def test_the_environment_by_file_beats_the_dotenv_file(load: Load, tmp_path: Path) -> None:
    (tmp_path / "port").write_text("5003\n", encoding="utf-8")
    assert load({"PORT_FILE": str(tmp_path / "port")}, "PORT=5001").port == 5003


def test_a_stranger_in_the_dotenv_file_is_warned_about_by_name_only(load: Load) -> None:
    (warning,) = load({}, "PROT=hunter2\nPORT=4000\nSECRET_KEY_FILE=\nNEXT_PUBLIC_CLERK_PUBLISHABLE_KEY=").warnings
    assert "PROT" in warning
    assert "hunter2" not in warning


def test_a_stranger_in_the_environment_is_nobodys_business(load: Load) -> None:
    assert load({"PATH": "/bin", "LANG": "C"}).warnings == ()


def test_the_publishable_key_is_taken_by_its_other_name_too(load: Load) -> None:
    other, own = publishable("other.example.com"), publishable("own.example.com")
    assert load({"NEXT_PUBLIC_CLERK_PUBLISHABLE_KEY": other}).clerk_publishable_key == other
    both = {"NEXT_PUBLIC_CLERK_PUBLISHABLE_KEY": other, "CLERK_PUBLISHABLE_KEY": own}
    assert load(both).clerk_publishable_key == own


def publishable(host: str, kind: str = "test") -> str:
    """A publishable key of the instance at a host."""
    return f"pk_{kind}_{base64.b64encode(f'{host}$'.encode()).decode().rstrip('=')}"


def test_the_publishable_key_says_where_clerk_is(load: Load) -> None:
    assert load().clerk is None
    named = load({"CLERK_PUBLISHABLE_KEY": publishable("clerk.example.com"), "CORS_ORIGINS": "https://app.example.com,*"}).clerk
    assert named == config.ClerkInstance(
        "https://clerk.example.com/.well-known/jwks.json", "https://clerk.example.com", ("https://app.example.com",)
    )
    developed = load({"CLERK_PUBLISHABLE_KEY": publishable("calm-cat-1.clerk.accounts.dev")}).clerk
    assert developed is not None
    assert developed.parties == config.DEVELOPMENT_ORIGINS


def test_where_clerk_is_can_be_said_otherwise(load: Load) -> None:
    said = {
        "CLERK_PUBLISHABLE_KEY": publishable("clerk.example.com"),
        "CLERK_JWKS_URL": "https://proxy.example.com/keys",
        "CLERK_AUTHORIZED_PARTIES": "https://one.example.com, https://two.example.com",
    }
    parties = ("https://one.example.com", "https://two.example.com")
    assert load(said).clerk == config.ClerkInstance("https://proxy.example.com/keys", "https://clerk.example.com", parties)
    alone = {"CLERK_JWKS_URL": "http://127.0.0.1:1/keys", "CLERK_ISSUER": "https://clerk.example.com"}
    assert load(alone).clerk is not None
    for name in alone:
        assert "CLERK_ISSUER" in complaints(load, {k: v for k, v in alone.items() if k != name})


@pytest.mark.parametrize(
    "key",
    ["pk_live_", "pk_live_x", "pk_live_other", "pk_live_ü", publishable("evil.example/path"), publishable("a b"), publishable("")],
)
def test_a_publishable_key_that_names_no_instance_is_refused(load: Load, key: str) -> None:
    assert "CLERK_PUBLISHABLE_KEY" in complaints(load, {"CLERK_PUBLISHABLE_KEY": key})


def test_production_takes_no_test_instance_and_no_keys_over_plain_http(load: Load) -> None:
    production = {"APP_ENV": "production", "SECRET_KEY": "x" * 32, "CORS_ORIGINS": "https://app.example.com"}
    clerk = {"CLERK_PUBLISHABLE_KEY": publishable("clerk.example.com", "live"), "CLERK_SECRET_KEY": "sk_live_x"}
    assert "CLERK" not in complaint_or_nothing(load, production | clerk)
    wrong = {
        "CLERK_PUBLISHABLE_KEY": publishable("clerk.example.com", "test"),
        "CLERK_SECRET_KEY": "sk_test_x",
        "CLERK_JWKS_URL": "http://proxy.example.com/keys",
        "CLERK_ISSUER": "http://clerk.example.com",
    }
    for name, value in wrong.items():
        assert name in complaints(load, production | clerk | {name: value})
    nobody = {k: v for k, v in production.items() if k != "CORS_ORIGINS"}
    assert "CLERK_AUTHORIZED_PARTIES" in complaints(load, nobody | clerk)


def complaint_or_nothing(load: Load, environ: dict[str, str]) -> str:
    try:
        load(environ)
    except SettingsError as error:
        return error.detail
    return ""


def test_the_object_storage_is_described_wholly_or_not_at_all(load: Load) -> None:
    assert load(SPACES).storage == "s3://papers"
    assert load({"SPACES_REGION": "eu-central-1"}).storage.startswith("file://")
    for left_out in SPACES:
        text = complaints(load, {k: v for k, v in SPACES.items() if k != left_out})
        assert f"{left_out}: " in text
        assert text.count("SPACES_") == 2, "only what is missing is named, and the group once"


def test_a_bucket_by_url_needs_the_object_storage_described(load: Load) -> None:
    assert "SPACES_ACCESS_KEY: " in complaints(load, {"STORAGE_URL": "s3://papers"})
    assert load(SPACES | {"STORAGE_URL": "s3://others"}).storage == "s3://others"


@pytest.mark.parametrize(
    ("parts", "url"),
    [
        ({"REDIS_HOST": "cache"}, "redis://cache:6379/0"),
        ({"REDIS_PORT": "6380"}, "redis://localhost:6380/0"),
        ({"REDIS_DB": "15"}, "redis://localhost:6379/15"),
        ({"REDIS_TLS_ENABLED": "no"}, "redis://localhost:6379/0"),
        ({"REDIS_HOST": "cache", "REDIS_TLS_ENABLED": "yes"}, "rediss://cache:6379/0"),
        ({"REDIS_HOST": "::1"}, "redis://[::1]:6379/0"),
    ],
)
def test_the_parts_of_redis_make_its_url(load: Load, parts: dict[str, str], url: str) -> None:
    assert load(parts).redis == url


def test_special_characters_in_redis_credentials_are_quoted(load: Load) -> None:
    password, user = "p@ss/w:rd?#%[ö]", "a:b@c"
    url = load({"REDIS_PASSWORD": password, "REDIS_USERNAME": user}).redis
    assert url is not None
    parts = urlsplit(url)
    assert (parts.hostname, parts.port, parts.path) == ("localhost", 6379, "/0")
    assert (unquote(parts.username or ""), unquote(parts.password or "")) == (user, password)


def test_the_url_of_redis_wins_over_its_parts(load: Load) -> None:
    assert load({"REDIS_URL": "rediss://one:1/2", "REDIS_HOST": "two", "REDIS_PORT": "2"}).redis == "rediss://one:1/2"


@pytest.mark.parametrize(
    "url", ["mysql://h/d", "mssql://h/d", "http://h", "akount.db", "sqlite+aiosqlite:///x.db", "postgresql://h:p/d"]
)
def test_a_database_of_another_kind_is_refused(load: Load, url: str) -> None:
    assert "DATABASE_URL: " in complaints(load, {"DATABASE_URL": url})


@pytest.mark.parametrize("url", ["sqlite:///x.db", "postgres://h/d", "postgresql://u:p@h:5432/d", "postgresql+psycopg2://h/d"])
def test_both_databases_are_taken(load: Load, url: str) -> None:
    assert load({"DATABASE_URL": url}).database == url


def test_origins_are_a_list_without_paths(load: Load) -> None:
    assert load({"CORS_ORIGINS": " https://a.example , http://localhost:3000,,"}).cors_origins == (
        "https://a.example",
        "http://localhost:3000",
    )
    assert load({"CORS_ORIGINS": "*"}).cors_origins == ("*",)
    wrongs = ["a.example", "https://a.example/", "ftp://a.example", "null", "https://A.example", "https://a.example:443"]
    wrongs += ["http://a.example:80", "https://a.example:x", "https://me@a.example", "https://a.example?b", "https://*.a.example"]
    for wrong in wrongs:
        assert "CORS_ORIGINS: " in complaints(load, {"CORS_ORIGINS": wrong})


def test_what_follows_from_the_directory(load: Load, tmp_path: Path) -> None:
    settings = load({"DATA_DIR": str(tmp_path / "a b")})
    assert settings.directory == tmp_path / "a b"
    assert settings.database == f"sqlite:///{tmp_path / 'a b' / 'akount.db'}"
    assert unquote(urlsplit(settings.storage).path) == str(tmp_path / "a b" / "files")
    assert load({"DATA_DIR": "here"}).directory == ROOT / "here"


def test_logs_are_json_in_production_unless_somebody_wants_them_otherwise(load: Load) -> None:
    assert not load().logs_as_json
    assert load(PRODUCTION).logs_as_json
    assert load({"LOG_FORMAT": "json"}).logs_as_json
    assert not load(PRODUCTION | {"LOG_FORMAT": "console"}).logs_as_json


@pytest.mark.parametrize(
    ("name", "value", "shown"),
    [
        ("DATABASE_URL", "postgresql://me:Hunter2@db.example:5432/books?password=Hunter2", "postgresql://db.example:5432/books"),
        ("DATABASE_URL", "sqlite:////var/lib/akount.db", "sqlite:////var/lib/akount.db"),
        ("DATABASE_URL", "postgresql:///Hunter2", "set"),
        ("REDIS_URL", "rediss://:Hunter2@cache:6380/1", "rediss://cache:6380/1"),
        ("REDIS_PASSWORD", "Hunter2", "set"),
        ("REDIS_PASSWORD", "x://Hunter2/Hunter2", "set"),
        ("REDIS_PASSWORD", "//[Hunter2", "set"),
        ("SECRET_KEY", "sqlite-Hunter2", "set"),
        ("MISTRAL_API_KEY", "Hunter2", "set"),
        ("MISTRAL_API_KEY", "", ""),
        ("CORS_ORIGINS", "https://a.example,https://b.example", "https://a.example, https://b.example"),
        ("PORT", "5000", "5000"),
        ("REDIS_TLS_ENABLED", "on", "True"),
    ],
)
def test_a_value_is_shown_without_what_is_secret_in_it(load: Load, name: str, value: str, shown: str) -> None:
    assert config.masked(load({name: value}), declared(name)) == shown  # type: ignore[arg-type]


@pytest.mark.parametrize("name", [n for n in SECRETS if not n.endswith("_URL")])
def test_a_secret_is_shown_only_as_set(load: Load, name: str) -> None:
    value = "sk_test_Hunter2-and-more"
    settings = load(SPACES | {name: value})
    assert config.masked(settings, declared(name)) == "set"  # type: ignore[arg-type]


def test_settings_do_not_change(load: Load) -> None:
    with pytest.raises(AttributeError):
        load().port = 1  # type: ignore[misc]


def test_every_setting_stands_in_the_example_and_nothing_else_does() -> None:
    example = (ROOT / ".env.example").read_text(encoding="utf-8")
    named = re.findall(r"^#? ?([A-Z][A-Z0-9_]*)=", example, flags=re.MULTILINE)
    assert len(named) == len(set(named)), "named twice"
    assert set(named) == {config.variable(f) for f in config.DECLARED}


def test_what_the_example_says_is_the_default(load: Load) -> None:
    example = (ROOT / ".env.example").read_text(encoding="utf-8")
    uncommented = re.sub(r"^#([A-Z][A-Z0-9_]*=)", r"\1", example, flags=re.MULTILINE)
    assert load({}, uncommented) == load()
