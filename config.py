"""All settings: declared once, typed, validated together before anything opens.

A setting is read from the environment, else from the file that NAME_FILE names (Docker secrets), else, outside
production, from `.env`, else it has its default. `load` reports every problem at once, by variable name, and never
repeats a secret's value.
"""

from __future__ import annotations

import base64
import dataclasses
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from dotenv import dotenv_values
from marshmallow import EXCLUDE, Schema, ValidationError, fields, validate

from akount import safety
from akount.errors import SettingsError

ROOT = Path(__file__).resolve().parent
TRUE, FALSE = {"true", "1", "yes", "on"}, {"false", "0", "no", "off"}
DEBUG_SWITCHES = ("FLASK_DEBUG", "DEBUG")
"""Not ours, but Flask heeds the one, and the other is somebody's wish: neither may be on in production."""
DEVELOPMENT_ORIGINS = ("http://localhost:3000", "http://localhost:3001", "http://127.0.0.1:3000")
"""Where a frontend under development runs (E2)."""


class Switch(fields.Boolean):
    """true/1/yes/on or false/0/no/off; any other spelling is an error."""

    default_error_messages = {"invalid": "Must be true or false (or 1, yes, on; 0, no, off)."}  # noqa: RUF012  as in marshmallow
    truthy = TRUE  # type: ignore[assignment]
    falsy = FALSE  # type: ignore[assignment]

    def _deserialize(self, value: Any, attr: Any, data: Any, **kwargs: Any) -> Any:
        return super()._deserialize(str(value).lower(), attr, data, **kwargs)


class Items(fields.Field[tuple[str, ...]]):
    """A comma-separated list; spaces around the items do not count, empty items neither."""

    def _deserialize(self, value: Any, attr: Any, data: Any, **kwargs: Any) -> tuple[str, ...]:  # noqa: ARG002
        return tuple(item.strip() for item in str(value).split(",") if item.strip())


def _url(*schemes: str) -> Any:
    def check(value: str) -> None:
        try:
            parts = urlsplit(value)
            parts.port  # noqa: B018  raises for a port that is no number
        except ValueError:
            raise ValidationError("Not a valid URL.") from None
        if parts.scheme not in schemes:
            raise ValidationError(f"Must be a URL that starts with {' or '.join(s + '://' for s in schemes)}.")

    return check


def _bare(value: str) -> None:
    """What an option of the URL says would win over our time-outs and over the check of certificates."""
    if "?" in value:
        raise ValidationError("Must have no ?options; REDIS_TLS_CA_FILE and REDIS_TLS_VERIFY say how TLS is checked.")


_ORIGIN = re.compile(r"\*|https?://(?:[a-z0-9.\-]+|\[[0-9a-f:.]+\])(?::\d{1,5})?")
_DEFAULT_PORT = re.compile(r"http:.*:80|https:.*:443")


def _origins(value: tuple[str, ...]) -> None:
    wrong = [origin for origin in value if not _ORIGIN.fullmatch(origin) or _DEFAULT_PORT.fullmatch(origin)]
    if wrong:
        asked = "as a browser sends it: scheme://host[:port], lower case, no path, no default port"
        raise ValidationError(f"Not an origin ({asked}): {', '.join(wrong)}.")


def _addresses(value: tuple[str, ...]) -> None:
    wrong = [address for address in value if not re.fullmatch(r"[^@\s,<>]+@[^@\s,<>]+", address)]
    if wrong:
        raise ValidationError(f"Not an e-mail address: {', '.join(wrong)}.")


class Choice(fields.Field[str]):
    """One of several words, in any case; it is what the list has."""

    def __init__(self, *choices: str) -> None:
        super().__init__()
        self._choices = {choice.lower(): choice for choice in choices}

    def _deserialize(self, value: Any, attr: Any, data: Any, **kwargs: Any) -> str:  # noqa: ARG002
        found = self._choices.get(str(value).lower())
        if found is None:
            raise ValidationError(f"Must be one of: {', '.join(filter(None, self._choices.values()))}.")
        return found


def _starts(*prefixes: str) -> Any:
    def check(value: str) -> None:
        if not value.startswith(prefixes):
            raise ValidationError(f"Must start with {' or '.join(prefixes)}.")

    return check


def setting(kind: fields.Field[Any], default: Any, about: str, *, secret: bool = False, aliases: tuple[str, ...] = ()) -> Any:
    """One setting: how it is read, what it is when nobody says, and a sentence for people."""
    return field(default=default, metadata={"kind": kind, "about": about, "secret": secret, "aliases": aliases})


def _text(*validators: Any) -> fields.String:
    return fields.String(validate=list(validators))


def _number(low: int = 1, high: int | None = None) -> fields.Integer:
    return fields.Integer(validate=validate.Range(min=low, max=high))


def _clerk_host(publishable_key: str) -> str:
    """The host that a publishable key names, in base64 with a $ at its end; empty when it names none."""
    coded = publishable_key.removeprefix("pk_live_").removeprefix("pk_test_")
    try:
        named = base64.b64decode(coded + "=" * (-len(coded) % 4), validate=True).decode("ascii")
    except ValueError:  # not base64, or not ASCII
        return ""
    return named[:-1] if re.fullmatch(r"[a-z0-9][a-z0-9.\-]*(:\d{1,5})?\$", named) else ""


@dataclass(frozen=True)
class ClerkInstance:
    """Whose session tokens are accepted: where its keys are, what it calls itself, and which frontends it may have signed for."""

    jwks_url: str
    issuer: str
    parties: tuple[str, ...]


_DATABASES = ("sqlite", "postgres", "postgresql", "postgresql+psycopg2")


@dataclass(frozen=True)
class Settings:
    """The settings of one process. The variable of `data_dir` is DATA_DIR, and so on."""

    # the process
    app_env: str = setting(Choice("development", "production", "test"), "development", "development, production or test")
    host: str = setting(_text(), "127.0.0.1", "address the web server listens on (0.0.0.0 in the container)")
    port: int = setting(_number(0, 65535), 4000, "port the web server listens on")
    web_processes: int = setting(_number(1, 64), 2, "gunicorn worker processes")
    web_threads: int = setting(_number(2, 512), 16, "threads in each of them; half of them may serve event streams")
    web_preload: bool = setting(Switch(), False, "load the program once, before the web processes are forked: less memory")
    worker_processes: int = setting(_number(1, 64), 1, "processes that read documents, per queue")
    stop_seconds: int = setting(
        _number(6, 3600), 30, "a process told to stop ends within so long; what runs is waited for 5 s less"
    )
    log_level: str = setting(Choice("DEBUG", "INFO", "WARNING", "ERROR"), "INFO", "least important log line to write")
    log_format: str = setting(Choice("json", "console", ""), "", "json or console; empty: json in production, else console")
    allow_local_services: bool = setting(
        Switch(), False, "production may stand on this machine: its database and Redis are not held to be elsewhere, TLS, passwords"
    )
    secret_key: str = setting(
        _text(), "", "signs tickets and seals secrets; kept in DATA_DIR when empty, required in production", secret=True
    )
    secret_key_previous: tuple[str, ...] = setting(
        Items(), (), "earlier SECRET_KEYs, the oldest first: what they signed or sealed is still understood", secret=True
    )
    data_dir: str = setting(_text(), "var", "database, files, queue and credentials of the embedded mode")
    # what it stands on
    database_url: str = setting(_text(_url(*_DATABASES)), "", "Postgres or SQLite; empty: akount.db in DATA_DIR", secret=True)
    database_pool_size: int = setting(_number(), 5, "connections that a web process keeps open to Postgres")
    database_max_overflow: int = setting(_number(0), 5, "and so many more when it is busy")
    database_pool_timeout_seconds: int = setting(_number(), 10, "a request waits so long for one of them")
    database_connect_timeout_seconds: int = setting(_number(), 10, "and so long for a new one")
    database_statement_timeout_seconds: int = setting(_number(), 15, "Postgres cancels a statement after so long")
    redis_url: str = setting(
        _text(_url("redis", "rediss"), _bare), "", "wins over the REDIS_… parts below; no ?options", secret=True
    )
    redis_host: str = setting(_text(), "", "Redis for the queue (localhost if only its other parts are given); none: SQLite")
    redis_port: int = setting(_number(1, 65535), 6379, "port of Redis")
    redis_db: int = setting(_number(0, 15), 0, "database number of Redis, 0-15")
    redis_username: str = setting(_text(), "", "user of Redis, if it has users")
    redis_password: str = setting(_text(), "", "password of Redis", secret=True)
    redis_tls_enabled: bool = setting(Switch(), False, "speak TLS with Redis")
    redis_tls_ca_file: str = setting(_text(), "", "certificates that vouch for Redis; empty: those of the system")
    redis_tls_verify: bool = setting(Switch(), True, "check the certificate of Redis; turning it off is refused in production")
    storage_url: str = setting(
        _text(_url("file", "s3")), "", "file:///directory or s3://bucket; empty: the bucket below, else DATA_DIR"
    )
    spaces_endpoint: str = setting(_text(_url("https", "http")), "", "address of the S3-compatible object storage")
    spaces_bucket: str = setting(_text(), "", "its bucket")
    spaces_access_key: str = setting(_text(), "", "its access key", secret=True)
    spaces_secret_key: str = setting(_text(), "", "its secret key", secret=True)
    spaces_region: str = setting(_text(), "us-east-1", "its region")
    spaces_encryption: str = setting(
        Choice("AES256", "aws:kms", "none"), "AES256", "how the server is asked to encrypt what it keeps: AES256, aws:kms or none"
    )
    # the edge
    cors_origins: tuple[str, ...] = setting(
        Items(validate=_origins), (), "origins a browser may call the API from; empty: those of development"
    )
    trusted_hosts: tuple[str, ...] = setting(
        Items(), (), "names the service answers to (.example.com: and below); empty: any, which a redirect to https repeats"
    )
    hsts_preload: bool = setting(Switch(), False, "tell browsers that the domain may go onto their preload lists")
    trusted_proxy_hops: int = setting(_number(0, 10), 0, "proxies in front whose forwarded headers are believed")
    rate_limit_per_minute: int = setting(_number(), 100, "requests a minute of one user, else of one address")
    console_logs_url: str = setting(
        _text(_url("https", "http")), "", "where the logs of a request are, with {request_id} in it; the console links to them"
    )
    console_read_only: bool = setting(Switch(), False, "the console shows everything and changes nothing")
    metrics_token: str = setting(
        _text(validate.Length(min=16, error="Must have at least 16 characters.")),
        "",
        "lets a monitor read /metrics (Bearer); empty: in production nobody may, else who asks from this machine",
        secret=True,
    )
    worker_metrics_port: int = setting(
        _number(0, 65535), 0, "port at which the workers of a machine show their numbers; 0: /metrics of the web server shows them"
    )
    failed_sign_ins_per_minute: int = setting(_number(), 10, "so often an address may bring a wrong key, token or ticket a minute")
    jobs_per_minute: int = setting(_number(), 100, "uploads a minute of one tenant")
    clerk_secret_key: str = setting(_text(_starts("sk_test_", "sk_live_")), "", "Clerk's secret key", secret=True)
    clerk_publishable_key: str = setting(
        _text(_starts("pk_test_", "pk_live_")),
        "",
        "Clerk's publishable key",
        aliases=("NEXT_PUBLIC_CLERK_PUBLISHABLE_KEY",),
    )
    clerk_jwks_url: str = setting(
        _text(_url("https", "http")), "", "where Clerk's public keys are read; empty: at the instance of the publishable key"
    )
    clerk_issuer: str = setting(
        _text(_url("https", "http")), "", "who must have issued a Clerk token; empty: the instance of the publishable key"
    )
    clerk_authorized_parties: tuple[str, ...] = setting(
        Items(validate=_origins), (), "origins whose Clerk tokens are accepted; empty: CORS_ORIGINS"
    )
    # other people's engines and scanners
    mistral_api_key: str = setting(_text(), "", "key of Mistral; without it nothing is sent there", secret=True)
    mistral_model: str = setting(
        _text(), "mistral-ocr-2512", "its model, by a name that does not change its meaning; yours to verify"
    )
    mistral_url: str = setting(_text(_url("https", "http")), "https://api.mistral.ai", "its address")
    mistral_price_pages: int = setting(
        _number(0, 10_000_000), 300, "US cents for 1,000 pages with a structured answer; yours to verify"
    )
    anthropic_api_key: str = setting(_text(), "", "key of Anthropic; without it nothing is sent there", secret=True)
    anthropic_model: str = setting(
        _text(), "claude-sonnet-4-5-20250929", "its model, by a name that does not change its meaning; yours to verify"
    )
    anthropic_url: str = setting(_text(_url("https", "http")), "https://api.anthropic.com", "its address")
    anthropic_version: str = setting(_text(), "2026-10-21", "version of its API; older ones: 2023-06-01")
    anthropic_auth: str = setting(
        Choice("bearer", "x-api-key"), "bearer", "how its key is shown: bearer, or x-api-key as in older versions of its API"
    )
    anthropic_price_input: int = setting(
        _number(0, 10_000_000), 300, "US cents for a million tokens that are read; yours to verify"
    )
    anthropic_price_output: int = setting(
        _number(0, 10_000_000), 1500, "US cents for a million tokens that are written; yours to verify"
    )
    openai_compatible_url: str = setting(
        _text(_url("https", "http")), "", "a server of your own that speaks chat completions (vLLM, Ollama); empty: none"
    )
    openai_compatible_model: str = setting(_text(), "", "the model it is to use, one that sees pictures")
    openai_compatible_api_key: str = setting(_text(), "", "its key, if it wants one", secret=True)
    openai_compatible_price_input: int = setting(_number(0, 10_000_000), 0, "US cents for a million tokens that are read")
    openai_compatible_price_output: int = setting(_number(0, 10_000_000), 0, "US cents for a million tokens that are written")
    hosted_timeout_seconds: int = setting(_number(1, 600), 30, "a hosted engine is waited for so long, within SCAN_TIMEOUT_SECONDS")
    hosted_calls_at_once: int = setting(_number(1, 1000), 4, "calls to one hosted engine at the same time, of all workers together")
    hosted_max_pages: int = setting(_number(1, 100), 8, "documents with more pages are not sent to hosted engines")
    clamav_host: str = setting(_text(), "", "clamd that looks at uploads; empty: none")
    clamav_port: int = setting(_number(1, 65535), 3310, "its port")
    # uploads and reading
    max_upload_bytes: int = setting(_number(1024), 10_485_760, "largest file, in bytes")
    intake_seconds: int = setting(
        _number(0, 30), 2, "so long an upload is looked at before it is taken in, at most; 0: only the workers look"
    )
    max_pages: int = setting(_number(), 50, "most pages of a document")
    max_pixels: int = setting(_number(), 60_000_000, "most pixels of an image")
    scan_timeout_seconds: int = setting(_number(1, 3600), 60, "hard limit of one attempt at a document")
    scan_memory_mb: int = setting(_number(128), 1024, "memory for reading one document, on top of the loaded models, MiB")
    scan_max_attempts: int = setting(_number(1, 20), 3, "attempts at a document in all")
    lease_seconds: int = setting(_number(5, 3600), 30, "a job whose worker has not been heard of for so long is given back")
    # drafts
    auto_create_confidence: int = setting(_number(0, 100), 80, "from here a draft may be made without review")
    review_confidence: int = setting(_number(0, 100), 60, "below this a person enters the figures")
    auto_create_limit: int = setting(_number(0), 5000, "largest total of a draft made without review, in units of its currency")
    new_user_days: int = setting(_number(0), 30, "what a new user uploads is reviewed for so many days")
    # retention of the queue's history
    keep_completed_hours: int = setting(_number(), 24, "completed jobs stay in the history so long")
    keep_completed_count: int = setting(_number(), 1000, "and at most so many for each queue")
    keep_failed_days: int = setting(_number(), 7, "failed and cancelled jobs stay in the history so long")
    keep_hosted_calls_days: int = setting(
        _number(31), 400, "what was shown to hosted engines, by hash and size, stays listed so long; what was spent stays"
    )
    # alerts
    alert_oldest_wait_seconds: int = setting(_number(), 300, "a document that waits longer raises an alert")
    alert_dead_letters_per_hour: int = setting(_number(), 10, "so many failed documents of a queue in an hour raise one")
    alert_remind_hours: int = setting(_number(), 6, "what goes on is told again after so long")
    webhook_private_addresses: bool = setting(
        Switch(), False, "tenants' webhooks may go to addresses of the own network, and by plain http; never in production"
    )
    alert_webhook_url: str = setting(
        _text(_url("https", "http")), "", "where alerts are sent as JSON by POST; empty: nowhere", secret=True
    )
    alert_webhook_secret: str = setting(
        _text(validate.Length(min=16, error="Must have at least 16 characters.")), "", "signs what is sent there", secret=True
    )
    alert_email_to: tuple[str, ...] = setting(Items(validate=_addresses), (), "who gets alerts by e-mail")
    alert_email_from: str = setting(_text(), "", "who they are from")
    smtp_host: str = setting(_text(), "", "the mail server")
    smtp_port: int = setting(_number(1, 65535), 587, "its port")
    smtp_tls: str = setting(Choice("starttls", "tls", "off"), "starttls", "how TLS is spoken with it: starttls, tls or off")
    smtp_username: str = setting(_text(), "", "user of the mail server, if it wants one")
    smtp_password: str = setting(_text(), "", "and the password", secret=True)

    sources: Mapping[str, str] = field(default_factory=dict, compare=False, repr=False)
    warnings: tuple[str, ...] = field(default=(), compare=False, repr=False)

    @property
    def production(self) -> bool:
        """Whether this is the real thing."""
        return self.app_env == "production"

    @property
    def directory(self) -> Path:
        """DATA_DIR, absolute; a relative one lies beside the code."""
        return (ROOT / self.data_dir).resolve()

    @property
    def database(self) -> str:
        """The URL of the database."""
        return self.database_url or f"sqlite:///{self.directory / 'akount.db'}"

    @property
    def redis(self) -> str | None:
        """The URL of Redis, or None when the queue lives in SQLite."""
        if self.redis_url:
            return self.redis_url
        named = {"REDIS_HOST", "REDIS_PORT", "REDIS_PASSWORD", "REDIS_TLS_ENABLED", "REDIS_DB"} & set(self.sources)
        if not named and not self.redis_host:
            return None
        user = f"{quote(self.redis_username, safe='')}:{quote(self.redis_password, safe='')}@" if self.redis_password else ""
        scheme = "rediss" if self.redis_tls_enabled else "redis"
        host = f"[{self.redis_host}]" if ":" in self.redis_host else self.redis_host or "localhost"
        return f"{scheme}://{user}{host}:{self.redis_port}/{self.redis_db}"

    @property
    def browser_origins(self) -> tuple[str, ...]:
        """The origins that a browser may call the API from (E2)."""
        return self.cors_origins or (() if self.production else DEVELOPMENT_ORIGINS)

    @property
    def storage(self) -> str:
        """Where files are kept, as a URL."""
        bucket = f"s3://{self.spaces_bucket}" if self.spaces_bucket else ""
        return self.storage_url or bucket or (self.directory / "files").as_uri()

    @property
    def clerk(self) -> ClerkInstance | None:
        """The instance of Clerk whose tokens are accepted; None: there is none, or its settings do not say which."""
        host = _clerk_host(self.clerk_publishable_key)
        issuer = self.clerk_issuer or (f"https://{host}" if host else "")
        jwks_url = self.clerk_jwks_url or (f"https://{host}/.well-known/jwks.json" if host else "")
        parties = self.clerk_authorized_parties or self.browser_origins
        return ClerkInstance(jwks_url, issuer, tuple(p for p in parties if p != "*")) if issuer and jwks_url else None

    @property
    def logs_as_json(self) -> bool:
        """Whether log lines are JSON."""
        return (self.log_format or ("json" if self.production else "console")) == "json"


DECLARED = tuple(f for f in dataclasses.fields(Settings) if "kind" in f.metadata)


def variable(declared: dataclasses.Field[Any]) -> str:
    """The environment variable of a setting."""
    return declared.name.upper()


@dataclass(frozen=True, slots=True)
class Examined:
    """The settings as far as they are understood, with their warnings, and all that is wrong with them."""

    settings: Settings
    problems: tuple[str, ...] = ()
    unreadable: frozenset[str] = frozenset()
    "variables whose value is not one; the settings have their default"


def load(environ: Mapping[str, str] | None = None, env_file: Path | None = None) -> Settings:
    """The validated settings. Raises SettingsError that names every problem, by variable."""
    found = examine(environ, env_file)
    if found.problems:
        raise SettingsError(complaint(found.problems))
    return found.settings


def complaint(problems: Iterable[str]) -> str:
    """What is wrong with the settings, for people."""
    return "\n".join(["These settings must be corrected (see .env.example):", *("  " + p for p in problems)])


def examine(environ: Mapping[str, str] | None = None, env_file: Path | None = None) -> Examined:
    """What the settings are, and every problem, by variable."""
    environ = os.environ if environ is None else environ
    dotenv = {} if environ.get("APP_ENV", "").strip().lower() == "production" else dotenv_values(env_file or ROOT / ".env")
    found, sources, problems = _collect(environ, {k: v for k, v in dotenv.items() if v is not None})
    schema = Schema.from_dict({variable(f): f.metadata["kind"] for f in DECLARED})(unknown=EXCLUDE)
    wrong: dict[str, Any] = {}
    try:
        values = schema.load(found)
    except ValidationError as error:
        wrong = dict(error.messages_dict)
        problems += [f"{name}: {' '.join(texts)}" for name, texts in wrong.items()]
        values = error.valid_data
    settings = Settings(**{name.lower(): value for name, value in values.items()}, sources=sources)
    named = {problem.partition(":")[0] for problem in problems}
    more = _contradictions(settings) + (_unsafe(settings, environ) if settings.production else [])
    problems += [problem for problem in more if problem.partition(":")[0] not in named]  # what cannot be read is not judged
    settings = dataclasses.replace(settings, warnings=(*_unknown(dotenv), *_doubts(settings)))
    return Examined(settings, tuple(problems), frozenset(wrong))


def _collect(environ: Mapping[str, str], dotenv: Mapping[str, str]) -> tuple[dict[str, str], dict[str, str], list[str]]:
    """What was said for each variable, by whom, and what could not be read. An empty value says nothing."""
    found: dict[str, str] = {}
    sources: dict[str, str] = {}
    problems: list[str] = []
    for declared in DECLARED:
        name = variable(declared)
        for place, where in ((environ, "environment"), (dotenv, ".env")):
            try:
                said = _said(place, (name, *declared.metadata["aliases"]))
            except OSError as error:
                problems.append(f"{name}_FILE: cannot be read ({error.strerror}).")
                break
            except UnicodeDecodeError:
                problems.append(f"{name}_FILE: cannot be read (not UTF-8 text).")
                break
            if said is not None:
                found[name], sources[name] = said[0], said[1] or where
                break
    return found, sources, problems


def _said(place: Mapping[str, str], names: tuple[str, ...]) -> tuple[str, str] | None:
    for name in names:
        if place.get(name, "").strip():
            return place[name].strip(), ""
        path = place.get(f"{name}_FILE", "").strip()
        if path:
            return Path(path).read_text(encoding="utf-8").strip(), f"{name}_FILE"
    return None


def _unknown(dotenv: Mapping[str, str | None]) -> tuple[str, ...]:
    known = {variable(f) for f in DECLARED} | {a for f in DECLARED for a in f.metadata["aliases"]}
    strangers = [n for n in dotenv if n.removesuffix("_FILE") not in known]
    return tuple(f"{n} in .env is not a setting of this program." for n in strangers)


def _contradictions(settings: Settings) -> list[str]:
    problems = []
    group = [f for f in DECLARED if f.name.startswith("spaces_") and f.name not in {"spaces_region", "spaces_encryption"}]
    missing = [variable(f) for f in group if not getattr(settings, f.name)]
    if 0 < len(missing) < len(group) or (missing and settings.storage.startswith("s3:")):
        problems += [f"{name}: Must be set together with the other SPACES_ settings." for name in missing]
    if settings.review_confidence > settings.auto_create_confidence:
        problems.append("REVIEW_CONFIDENCE: Must not be above AUTO_CREATE_CONFIDENCE.")
    problems += _clerk_problems(settings)
    if bool(settings.openai_compatible_url) is not bool(settings.openai_compatible_model):
        problems.append("OPENAI_COMPATIBLE_MODEL: Must be set together with OPENAI_COMPATIBLE_URL.")
    if settings.alert_email_to:
        needed = {"SMTP_HOST": settings.smtp_host, "ALERT_EMAIL_FROM": settings.alert_email_from}
        problems += [f"{name}: Must be set where ALERT_EMAIL_TO is." for name, value in needed.items() if not value]
    if settings.redis_tls_ca_file and not Path(settings.redis_tls_ca_file).is_file():
        problems.append("REDIS_TLS_CA_FILE: There is no such file.")
    return problems


def _clerk_problems(settings: Settings) -> list[str]:
    problems = []
    if settings.clerk_publishable_key and not _clerk_host(settings.clerk_publishable_key):
        problems.append("CLERK_PUBLISHABLE_KEY: Names no instance of Clerk; copy it again from Clerk's dashboard.")
    elif settings.clerk is None and (settings.clerk_jwks_url or settings.clerk_issuer):
        problems.append("CLERK_ISSUER: Must be set together with CLERK_JWKS_URL where there is no CLERK_PUBLISHABLE_KEY.")
    if settings.clerk is not None and not settings.clerk.parties:
        problems.append("CLERK_AUTHORIZED_PARTIES: Must name the origins of the frontend (or CORS_ORIGINS must).")
    return problems


def _unsafe(settings: Settings, environ: Mapping[str, str]) -> list[str]:
    """Why production refuses to start with these settings (C3): every reason, by variable."""
    faults = {
        "SECRET_KEY": safety.secret_faults(settings.secret_key),
        "CLERK_SECRET_KEY": safety.key_faults(settings.clerk_secret_key),
        "CLERK_PUBLISHABLE_KEY": safety.key_faults(settings.clerk_publishable_key),
        "CLERK_JWKS_URL": safety.url_faults(settings.clerk_jwks_url),
        "CLERK_ISSUER": safety.url_faults(settings.clerk_issuer),
        "CLERK_AUTHORIZED_PARTIES": safety.origin_faults(settings.clerk_authorized_parties),
        "MISTRAL_URL": safety.url_faults(settings.mistral_url),
        "ANTHROPIC_URL": safety.url_faults(settings.anthropic_url),
        "ALERT_WEBHOOK_URL": safety.url_faults(settings.alert_webhook_url),
        "WEBHOOK_PRIVATE_ADDRESSES": (
            ["Must be off in production: tenants could reach into its network."] if settings.webhook_private_addresses else []
        ),
        "CORS_ORIGINS": safety.origin_faults(settings.cors_origins),
        "REDIS_TLS_VERIFY": [] if settings.redis_tls_verify else ["Must not be off in production; give REDIS_TLS_CA_FILE instead."],
    }
    for name in DEBUG_SWITCHES:
        if environ.get(name, "").strip().lower() not in {"", *FALSE}:
            faults[name] = ["Must be off in production: it shows strangers the inside."]
    if not settings.allow_local_services:
        redis = "REDIS_HOST" if settings.redis and not settings.redis_url else "REDIS_URL"
        unless = " Or say ALLOW_LOCAL_SERVICES=true."
        faults["DATABASE_URL"] = [fault + unless for fault in safety.database_faults(settings.database_url)]
        faults[redis] = [fault + unless for fault in safety.redis_faults(settings.redis)]
    return [f"{name}: {fault}" for name, found in faults.items() for fault in found]


def _doubts(settings: Settings) -> tuple[str, ...]:
    """What is not refused, but probably not meant: a line in the log each."""
    if not settings.production:
        return ("CORS_ORIGINS is *: any page may call the API.",) if "*" in settings.cors_origins else ()
    sure_of_tls = re.search(r"[?&]sslmode=(require|verify-ca|verify-full)\b", settings.database_url)
    doubts = {
        "CORS_ORIGINS is empty: no page of another origin may call the API.": not settings.cors_origins,
        "TRUSTED_PROXY_HOPS is 0: without a proxy that speaks TLS every request is sent to https and comes back.": (
            settings.trusted_proxy_hops == 0
        ),
        "ALERT_WEBHOOK_SECRET is empty: whoever gets the alerts cannot tell ours from others.": bool(
            settings.alert_webhook_url and not settings.alert_webhook_secret
        ),
        "SMTP_TLS is off: alerts and the password of the mail server go unencrypted.": bool(
            settings.alert_email_to and settings.smtp_tls == "off"
        ),
        "TRUSTED_HOSTS is empty: a redirect to https repeats whatever name the client used.": not settings.trusted_hosts,
        "ALLOW_LOCAL_SERVICES is on: where the database and Redis are, and whether they speak TLS, was not looked at.": (
            settings.allow_local_services
        ),
        "DATABASE_URL does not insist on TLS (?sslmode=require).": not sure_of_tls and not settings.allow_local_services,
        "STORAGE_URL is a directory: only processes of this machine can read what is uploaded.": settings.storage.startswith(
            "file:"
        ),
        "LOG_LEVEL is DEBUG: the log grows fast.": settings.log_level == "DEBUG",
    }
    return tuple(doubt for doubt, there in doubts.items() if there)


def masked(settings: Settings, declared: dataclasses.Field[Any]) -> str:
    """The value of a setting for people: secrets only by whether they are set, passwords in URLs not at all."""
    value = getattr(settings, declared.name)
    if not declared.metadata["secret"] or not value:
        return ", ".join(value) if isinstance(value, tuple) else str(value)
    if not declared.name.endswith("_url"):
        return "set"
    parts = urlsplit(value)
    if parts.scheme and parts.hostname:
        return f"{parts.scheme}://{parts.hostname}{f':{parts.port}' if parts.port else ''}{parts.path}"
    return f"{parts.scheme}://{parts.path}" if value.startswith("sqlite") else "set"
