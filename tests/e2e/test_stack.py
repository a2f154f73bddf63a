"""The real shape: everything is restarted under load through nginx, and nobody is failed (D4, D6, H4, H5)."""

import random
from collections.abc import Iterator

import pytest

from proxy import NGINX
from tools.stack import rolling, soak
from tools.stack.stack import Shape, Stack, running


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    if NGINX is None:
        pytest.skip("nginx is not installed: apt install nginx-light")
    with running(tmp_path_factory.mktemp("stack"), Shape(web_processes=1)) as made:
        yield made
    assert set(made.exit_codes.values()) == {0}


@pytest.mark.slow
def test_every_host_is_restarted_under_load_and_no_request_and_no_document_is_lost(stack: Stack) -> None:
    """A sample of `make rolling`."""
    found = rolling.roll(stack, requests=400, clients=4)
    assert (found["failed"], found["not read"], found["stopped badly"]) == ([], [], 0)
    assert found["restarts"] >= 4
    assert found["requests"] == 400


def test_a_soak_measures_every_part_that_lives_through_it(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tools.stack.stack.SETTLED_SECONDS", 0)  # it may have been ready sooner
    found = soak.sample(stack)
    for part in ("web-1", "bill-scan-1", "nginx", "redis", "postgres"):
        assert found[f"memory of {part}, MiB"] > 0
        assert found[f"descriptors of {part}"] > 0
    assert found["connections to Postgres"] > 0
    assert not [name for name in found if "web-2" in name], "that one is restarted"


def test_whom_a_connection_serves_is_known(stack: Stack) -> None:
    """Those of a host that is restarted are new again and again."""
    parts, connections = stack.family(), soak.connected(stack)
    served = [soak.serving(parts[worker.name], connections) for worker in stack.workers]
    assert all(served), "each has asked what is to be done"
    assert not set.intersection(*served)


def noise(slope: float, seed: int = 7) -> list[tuple[float, float]]:
    dice = random.Random(seed)
    return [(10.0 * n, 200 + slope * 10 * n + dice.gauss(0, 0.5)) for n in range(300)]


@pytest.mark.parametrize(("slope", "flat"), [(0, True), (0.0001, True), (0.01, False), (-0.01, False)])
def test_what_grows_is_told_from_what_varies(slope: float, flat: bool) -> None:
    found = soak.verdict(noise(slope))
    assert found["flat"] is flat
    assert found["an hour"] == pytest.approx(slope * 3600, abs=0.6)
