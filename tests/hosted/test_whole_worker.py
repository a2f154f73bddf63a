"""Hosted engines as they are shipped: worker processes, sandboxes, and engines with every fault. No job is lost, nothing leaves
that may not, and nothing personal is in the log."""

import datetime as dt
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest
from hosted_help import agrees, decided, decision_of, job_of, opened, record_of, rows
from sqlalchemy import delete, update

from akount.db import now
from akount.hosted import gate
from akount.lifecycle import Runtime
from akount.models import Attempt, HostedBreaker, HostedCall, HostedSpending, Job, JobStatus, RecordStatus
from make import submitted
from people import Person, settle_in
from providers import ENGINES, FAULTS, KEY, Act, Provider, act_of, form, says, spoken
from worker import Consumer

pytestmark = pytest.mark.slow

WORKERS = 3
Tenants = dict[str, Person]


def tenants_of(runtime: Runtime) -> Tenants:
    """A tenant for each engine, whose person agrees."""
    some, more = (settle_in(runtime.database, unique=True) for _ in range(2))
    found = dict(zip(ENGINES, (some.ada, some.mallory, more.ada), strict=True))
    for engine, person in found.items():
        agrees(runtime, person)
        decided(runtime, person, engine)
    return found


def in_own_words(words: Callable[[str], Act]) -> Act:
    """Each engine acts for itself; it is known by its path."""
    paths = {"/v1/ocr": "mistral", "/v1/messages": "anthropic"}
    return lambda handler: words(paths.get(handler.path, "openai_compatible"))(handler)


def forget(runtime: Runtime, provider: Provider) -> None:
    """Nothing has failed, nothing was asked, nothing was spent."""
    provider.forget()
    with runtime.database.transaction() as session:
        for table in (HostedCall, HostedSpending, HostedBreaker):
            session.execute(delete(table))


def settled(runtime: Runtime, jobs: Iterable[Job]) -> list[Job]:
    """The jobs, when each is completed."""
    ids, ends = [job.id for job in jobs], time.monotonic() + 90
    while {job_of(runtime, job_id).status for job_id in ids} != {JobStatus.COMPLETED}:
        assert time.monotonic() < ends, [(job_of(runtime, i).status, job_of(runtime, i).error_code) for i in ids]
        time.sleep(0.03)
    return [job_of(runtime, job_id) for job_id in ids]


def test_every_fault_of_every_engine_and_the_breaker_over_three_worker_processes(sqlite_template: Path, tmp_path: Path) -> None:
    (tmp_path / "whole.db").write_bytes(sqlite_template.read_bytes())
    with Provider() as provider, opened(f"sqlite:///{tmp_path / 'whole.db'}", tmp_path, provider) as runtime:
        tenants = tenants_of(runtime)
        withdrawn = [_sent_and_withdrawn(runtime, person) for person in tenants.values()]
        environ = provider.environ | {"NO_PROXY": "127.0.0.1", "HOSTED_TIMEOUT_SECONDS": "1", "HOSTED_CALLS_AT_ONCE": "1"}
        with Consumer(runtime, real=True, processes=WORKERS, **environ) as worker:
            assert {job.attempts for job in settled(runtime, withdrawn)} == {1}
            assert provider.heard == [], "not a byte"
            for person in tenants.values():
                agrees(runtime, person)
            _is_believed(runtime, provider, tenants)
            for fault in FAULTS:
                _stands_in_for(runtime, provider, tenants, fault)
            _breaks(runtime, provider, tenants["mistral"])
            log = worker.log.read_text()
        assert len({attempt.worker for attempt in rows(runtime, Attempt)}) == WORKERS, "each process took its part"
    assert "hosted_failed" in log
    for personal in ("Cedar", "119.00", "example.com", KEY):
        assert personal not in log


def _sent_and_withdrawn(runtime: Runtime, person: Person) -> Job:
    """Consent was there at the upload and is not at the work."""
    job = submitted(runtime, person)
    agrees(runtime, person, hosted=False)
    return job


def _is_believed(runtime: Runtime, provider: Provider, tenants: Tenants) -> None:
    provider.act = in_own_words(lambda engine: says(200, spoken(engine, form(total="119.00", currency="EUR"))))
    for job in settled(runtime, [submitted(runtime, person) for person in tenants.values()]):
        assert record_of(runtime, job).total_amount == 11900
    assert len(provider.heard) == len(tenants)
    assert {call.outcome for call in rows(runtime, HostedCall)} == {"answered"}
    (heard,) = (one for one in provider.heard if one.path == "/v1/ocr")
    assert heard.said["document"]["image_url"].startswith("data:image/jpeg;base64,")


def _stands_in_for(runtime: Runtime, provider: Provider, tenants: Tenants, fault: str) -> None:
    """Whatever is wrong with the hosted engine, the local reading is there at the first attempt, and says so."""
    forget(runtime, provider)
    provider.act = in_own_words(lambda engine: act_of(fault, engine))
    jobs = settled(runtime, [submitted(runtime, person) for person in tenants.values()])
    for engine, job in zip(tenants, jobs, strict=True):
        record = record_of(runtime, job)
        assert (job.attempts, record.engine, record.total_amount) == (1, "textlayer", 11900), (fault, engine)
        assert record.status is not RecordStatus.DRAFT
        assert any(engine in warning and "not used" in warning for warning in record.warnings), (fault, engine)
        assert decision_of(runtime, job).engine == "textlayer"
    _, code, requests = FAULTS[fault]
    calls = rows(runtime, HostedCall)
    assert len(provider.heard) == len(calls) == requests * len(tenants), fault
    assert {call.outcome for call in calls} <= ({code} if code else {call.outcome for call in calls} - {"answered"}), fault
    assert {spending.reserved for spending in rows(runtime, HostedSpending)} == {0}, fault


def _breaks(runtime: Runtime, provider: Provider, person: Person) -> None:
    """Five failures, whichever process sees them, and nobody calls; after a minute one does, and the others wait for it."""
    forget(runtime, provider)
    provider.act = says(500, {})
    settled(runtime, [submitted(runtime, person) for _ in range(8)])
    assert len(provider.heard) == gate.FAILURES
    _a_minute_later(runtime)
    settled(runtime, [submitted(runtime, person) for _ in range(5)])
    assert len(provider.heard) == gate.FAILURES + 1, "one was let through to see"
    _a_minute_later(runtime)
    provider.act = says(200, spoken("mistral", form(total="119.00", currency="EUR")))
    settled(runtime, [submitted(runtime, person)])
    settled(runtime, [submitted(runtime, person) for _ in range(2)])
    assert len(provider.heard) == gate.FAILURES + 4, "it is well again, for everybody"


def _a_minute_later(runtime: Runtime) -> None:
    (breaker,) = rows(runtime, HostedBreaker)
    assert breaker.open_until is not None
    assert 0 < (breaker.open_until - now()).total_seconds() <= gate.OPEN.total_seconds()
    with runtime.database.transaction() as session:
        session.execute(update(HostedBreaker).values(open_until=now() - dt.timedelta(seconds=1)))
