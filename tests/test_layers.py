"""The plan of the house (docs/layout.md) as tests: who may import whom, and where a library or a word may stand."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from akount.kinds import KINDS

ROOT = Path(__file__).parent.parent
ROWS: tuple[tuple[str, ...], ...] = (
    ("errors", "instants", "safety"),
    ("config",),
    ("logs",),
    (
        "db",
        "readings",
        "addresses",
        "connections",
        "currencies",
        "fingerprints",
        "metrics",
        "pages",
        "processes",
        "sealing",
        "sheets",
    ),
    ("checks", "distributions", "exposition", "models"),
    ("ledger", "backlog", "audit", "counterparties", "duplicates", "kinds", "routing", "storage"),
    (
        "accounts",
        "antivirus",
        "idempotency",
        "photos",
        "extraction",
        "drafts",
        "history",
        "lessons",
        "limits",
        "notices",
        "watch",
        "pools",
    ),
    (
        "corrections",
        "discretion",
        "failures",
        "intake",
        "operations",
        "plans",
        "schedules",
        "search",
        "transfer",
        "webhooks",
        "workers",
    ),
    ("census", "identity", "lifecycle"),
    ("hosted",),
    ("alerts", "pipeline", "vitals"),
    ("tasks", "supervisor", "webserver"),
    ("records", "documents"),
    ("scans", "decisions", "dossiers", "listing", "review", "edge", "offline", "bulk", "doctor"),
    ("tenancy", "demo"),
    ("api",),
    ("admin",),
    ("health", "throttle", "cli"),
    ("monitoring",),
    ("app", "__main__"),
    ("wsgi", "gunicorn.conf"),
)
LEVEL = {room: level for level, rooms in enumerate(ROWS) for room in rooms}
EDGES = {"edge", "throttle", "monitoring", "api", "admin", "health", "cli", "app"}
ENGINE_LIBRARIES = {
    "pypdfium2": {"extraction.pdf", "extraction.textlayer"},
    "rapidocr": {"extraction.ocr"},
    "onnxruntime": {"extraction.ocr"},
    "cv2": {"extraction.ocr"},
    "PIL": {"extraction.ocr", "extraction.pdf", "extraction.images", "extraction.copies"},
    "pypdf": {"extraction.einvoice"},
    "lxml": {"extraction.einvoice", "extraction.einvoice_terms"},
    "facturx": set(),  # makes a sample, reads nothing
}


def modules() -> Iterator[tuple[str, ast.Module]]:
    """Every module of ours, by its name below akount."""
    paths = [*(ROOT / "akount").rglob("*.py"), ROOT / "wsgi.py", ROOT / "config.py", ROOT / "gunicorn.conf.py"]
    for path in paths:
        below = path.relative_to(ROOT / "akount") if path.is_relative_to(ROOT / "akount") else path.relative_to(ROOT)
        name = ".".join(below.with_suffix("").parts).removesuffix(".__init__")
        if name != "__init__":
            yield name, ast.parse(path.read_text(encoding="utf-8"))


def imports(tree: ast.Module) -> Iterator[str]:
    """Every module that is imported, wherever in the file."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def room(name: str) -> str:
    return name if name in LEVEL else name.split(".")[0]


def ours(name: str) -> str | None:
    """The room that an imported name belongs to, if it is one of ours."""
    if name == "config":
        return "config"
    below = name.removeprefix("akount.").split(".")[0]
    return below if name.startswith("akount.") and below in LEVEL else None


MODULES = dict(modules())


def test_every_module_has_its_room() -> None:
    assert {room(name) for name in MODULES} - set(LEVEL) == set()


@pytest.mark.parametrize("name", MODULES)
def test_a_room_imports_only_from_rows_below_its_own(name: str) -> None:
    here = room(name)
    imported = {found for found in map(ours, imports(MODULES[name])) if found and found != here}
    assert {other for other in imported if LEVEL[other] >= LEVEL[here]} == set()


def users(library: str) -> set[str]:
    return {name for name, tree in MODULES.items() if any(i.split(".")[0] == library for i in imports(tree))}


def test_flask_stays_at_the_edges() -> None:
    assert {room(name) for name in users("flask") | users("werkzeug")} <= EDGES


def test_huey_and_redis_stay_with_the_bells() -> None:
    assert {room(name) for name in users("huey")} <= {"tasks"}
    assert {room(name) for name in users("redis")} <= {"connections"}


def test_nobody_else_builds_a_connection_to_redis() -> None:
    """Also not by a library that is told an address: who has a storage in Redis says by which pool (R1)."""
    makers = {"Redis", "StrictRedis", "from_url", "from_pool", "ConnectionPool", "BlockingConnectionPool", "storage_from_string"}
    built, storages, pools = set(), 0, 0
    for name, tree in MODULES.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call):
                called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
                built |= {name} if called in makers else set()
                storages += called in ("RedisStorage", "Shared")
                pools += called in ("RedisStorage", "Shared") and "connection_pool" in {keyword.arg for keyword in node.keywords}
            elif isinstance(node, ast.Dict) and "RedisStorage" in {getattr(value, "id", "") for value in node.values}:
                storages += 1
                pools += "connection_pool" in {getattr(key, "value", "") for key in node.keys}
    assert built == {"connections"}
    assert storages == pools == 2, "the queue's and the limiter's"


def test_only_the_limiter_counts() -> None:
    assert {room(name) for name in users("limits")} == {"limits"}
    assert {room(name) for name in users("flask_limiter")} == {"throttle"}


def test_the_edges_and_the_engines_do_not_speak_sql() -> None:
    assert {room(name) for name in users("sqlalchemy") | users("alembic")} & (
        EDGES | {"extraction", "demo", "doctor", "offline"}
    ) == set()


def test_the_web_server_stays_in_its_room() -> None:
    assert users("gunicorn") <= {"webserver"}


def test_only_these_speak_to_others_over_http() -> None:
    assert users("requests") | users("urllib3") <= {"hosted.wire", "identity.clerk", "demo", "bulk"}


def test_only_the_ways_in_know_tokens_and_passwords() -> None:
    assert users("jwt") <= {"identity.clerk"}
    assert users("cryptography") <= {"sealing"}
    assert users("argon2") <= {"identity.passwords"}


def test_only_the_storage_knows_buckets() -> None:
    assert {room(name) for name in users("boto3") | users("botocore")} <= {"storage"}


@pytest.mark.parametrize("library", ENGINE_LIBRARIES)
def test_a_library_of_an_engine_stays_in_that_engine(library: str) -> None:
    assert users(library) <= ENGINE_LIBRARIES[library]


def test_the_names_of_the_kinds_stand_in_one_module_only() -> None:
    words = {name for kind in KINDS.values() for name in (kind.name, kind.plural)}
    said = {
        name for name, tree in MODULES.items() for node in ast.walk(tree) if isinstance(node, ast.Constant) and node.value in words
    }
    assert said == {"kinds"}


def test_nothing_opens_at_import_but_at_the_doors() -> None:
    """A call at module level that is not a definition's helper would run at import."""
    doors = {"wsgi", "gunicorn.conf", "__main__"}
    calls = {
        name
        for name, tree in MODULES.items()
        for node in tree.body
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)
    }
    assert calls <= doors


def test_errors_are_caught_broadly_in_the_named_places_only() -> None:
    """Foreign errors are translated where they enter; only these places end whatever comes."""
    allowed = {
        "pipeline",
        "lifecycle",
        "health",
        "notices",
        "schedules",
        "extraction.reader",
        "extraction.pdf",
        "extraction.einvoice",
        "extraction.ocr",
        "extraction.textlayer",
    }
    broad = {
        name
        for name, tree in MODULES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.ExceptHandler)
        and (node.type is None or (isinstance(node.type, ast.Name) and node.type.id in ("Exception", "BaseException")))
    }
    assert broad <= allowed
