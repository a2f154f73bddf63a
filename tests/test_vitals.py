"""How each part is: well, not quite, broken with what to do, or unknown; the same for the probe, the doctor and the console."""

import datetime as dt
import threading
from collections import namedtuple
from collections.abc import Iterator

import pytest
import redis
from sqlalchemy import update

from akount import db, vitals
from akount.db import Database, now
from akount.errors import Unavailable
from akount.health import Probes
from akount.lifecycle import Runtime, open_runtime
from akount.models import Schedule
from akount.tasks import upkeep
from akount.vitals import State
from fresh import make_settings, postgres_copy
from servers import Server, free_port
from shared import emptied, shared_url

PARTS = {"database", "migrations", "connections", "clock", "sweepers", "storage", "redis", "retention", "disk", "engines"}


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def shared(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    return shared_url(request, tmp_path_factory)


@pytest.fixture
def database_url(shared: str) -> str:
    return emptied(shared)


@pytest.fixture
def probes(runtime: Runtime) -> Iterator[Probes]:
    made = Probes(runtime)
    yield made
    made.close()


def states(probes: Probes) -> dict[str, State]:
    return {name: vital.state for name, (vital, _since) in probes.vitals().items()}


def test_every_part_is_well_in_a_house_that_is(runtime: Runtime, probes: Probes) -> None:
    upkeep.run_due(runtime)
    found = probes.vitals()
    assert set(found) == PARTS
    assert {name: vital for name, (vital, _) in found.items() if vital.state is not State.OK} == {}
    assert "rapidocr" in found["engines"][0].message


def test_rounds_that_nobody_comes_for_or_that_fail(runtime: Runtime, probes: Probes) -> None:
    assert states(probes)["sweepers"] is State.FAIL
    upkeep.run_due(runtime)
    with runtime.database.transaction() as session:
        session.execute(update(Schedule).where(Schedule.name == "prune").values(outcome="failed"))
    assert states(probes)["sweepers"] is State.WARN
    with runtime.database.transaction() as session:
        session.execute(update(Schedule).values(due_at=now() - dt.timedelta(hours=9)))
    assert states(probes)["sweepers"] is State.FAIL


def test_since_when_it_is_so_is_kept_until_it_changes(runtime: Runtime, probes: Probes) -> None:
    first = probes.vitals()["sweepers"]
    assert probes.vitals()["sweepers"][1] == first[1]
    upkeep.run_due(runtime)
    second = probes.vitals()["sweepers"]
    assert (second[0].state, second[1] > first[1]) == (State.OK, True)


def test_an_answer_serves_again_only_where_somebody_says_how_fresh_it_must_be(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    monkeypatch.setattr(runtime.storage, "ping", lambda: asked.append(1))
    probes = Probes(runtime)
    for _ in range(3):
        probes.ask("storage", fresh=60)
    assert len(asked) == 1
    probes.ask("storage")
    assert len(asked) == 2, "a readiness probe asks anew"
    probes.close()


def test_a_part_that_hangs_is_unknown_and_one_that_is_away_has_failed(runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    over = threading.Event()
    monkeypatch.setattr("akount.health.PROBE_SECONDS", 0.2)
    monkeypatch.setattr(runtime.storage, "ping", over.wait)
    monkeypatch.setattr(Database, "skew", _raise(Unavailable("It is away.")))
    probes = Probes(runtime)
    found = probes.vitals()
    over.set()
    probes.close()
    assert (found["storage"][0].state, found["clock"][0].state) == (State.UNKNOWN, State.FAIL)
    assert found["clock"][0].message == "It is away."


def _raise(error: Exception) -> object:
    def method(_self: object) -> float:
        raise error

    return method


@pytest.mark.parametrize(("skew", "state"), [(0.5, State.OK), (-0.5, State.OK), (3, State.FAIL), (-3, State.FAIL)])
def test_clocks_that_are_apart(runtime: Runtime, monkeypatch: pytest.MonkeyPatch, skew: float, state: State) -> None:
    monkeypatch.setattr(Database, "skew", lambda _self: skew)
    assert vitals.clocks(runtime.database).state is state


def test_the_clock_of_the_same_machine_is_the_same(runtime: Runtime) -> None:
    assert abs(runtime.database.skew()) < 1


def test_a_full_disk(runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr("shutil.disk_usage", lambda _path: usage(1 << 40, 1 << 40, 1 << 20))
    found = vitals.disk(runtime.settings)
    assert (found.state, "make room" in found.message) == (State.FAIL, True)


def test_a_server_that_is_almost_full(runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    if runtime.database.sqlite:
        pytest.skip("SQLite counts no connections")
    assert vitals.capacity(runtime.database, runtime.settings).state is State.OK
    monkeypatch.setattr(Database, "load", lambda _self: (190, 197, 0.1))
    assert vitals.capacity(runtime.database, runtime.settings).state is State.WARN


def test_an_old_schema(tmp_path_factory: pytest.TempPathFactory) -> None:
    url = f"sqlite:///{tmp_path_factory.mktemp('old') / 'old.db'}"
    db.migrate(url, "0001")
    database = Database(url)
    assert vitals.migrations(database).state is State.FAIL
    database.close()


def test_a_role_that_is_above_the_wall(postgres: Server) -> None:
    name = db.engine_url(postgres_copy(postgres)).database
    database = Database(db.engine_url(postgres.url).set(database=name).render_as_string(hide_password=False))
    assert vitals.database(database).state is State.FAIL
    database.close()


def test_redis_that_is_well_full_forgetful_or_away(tmp_path_factory: pytest.TempPathFactory, redis_shared: Server) -> None:
    directory = tmp_path_factory.mktemp("redis-vitals")
    url = f"sqlite:///{directory / 'x.db'}"
    db.migrate(url)
    with redis.Redis.from_url(redis_shared.url) as admin:
        assert vitals.redis(admin).state is State.OK
        settings = make_settings(directory, url, REDIS_URL=redis_shared.url)
        assert vitals.retention(admin, settings).state is State.OK
        try:
            admin.config_set("maxmemory", admin.info("memory")["used_memory"])
            admin.config_set("maxmemory-policy", "allkeys-lru")
            assert vitals.redis(admin).state is State.WARN
            assert vitals.retention(admin, settings).state is State.WARN
        finally:
            admin.config_set("maxmemory-policy", "noeviction")
            admin.config_set("maxmemory", 0)
    runtime = open_runtime(make_settings(directory, url, REDIS_URL=f"redis://127.0.0.1:{free_port()}/0"))
    probes = Probes(runtime)
    found = probes.vitals()
    probes.close()
    runtime.close()
    assert (found["redis"][0].state, found["redis"][0].message) == (State.FAIL, "It does not answer.")
