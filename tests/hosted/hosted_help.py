"""What the tests of hosted engines share: a tenant with a policy, a person who agrees, and documents on the way."""

import datetime as dt
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from sqlalchemy import select, update

from akount import pipeline
from akount.accounts import SHELL
from akount.db import now
from akount.hosted import policies
from akount.hosted.policies import Policy, Strategy
from akount.kinds import KINDS
from akount.lifecycle import Runtime, open_runtime
from akount.models import Base, Decision, Job, Membership, Record
from akount.readings import Reading
from akount.tasks.queues import hang_bells
from fakes import FakeReader
from fresh import make_settings
from make import reading, submitted
from people import Person
from providers import Provider, form_of
from shared import emptied

DOLLAR = policies.DOLLAR
Row = TypeVar("Row", bound=Base)


@contextmanager
def opened(url: str, directory: Path, provider: Provider, **environ: str) -> Iterator[Runtime]:
    """A runtime that knows the fake of all hosted engines, which has heard nothing yet."""
    provider.forget()
    said = {"HOSTED_TIMEOUT_SECONDS": "1", **provider.environ, **environ}
    runtime = open_runtime(make_settings(directory, emptied(url), **said))
    hang_bells(runtime)
    try:
        yield runtime
    finally:
        runtime.close()


def agrees(runtime: Runtime, person: Person, *, hosted: bool = True) -> None:
    """Somebody who is no longer new consents to everything, or to all but hosted engines."""
    values = {"auto_create": [*KINDS], "hosted_engines": hosted, "created_at": now() - dt.timedelta(days=90)}
    with runtime.database.transaction() as session:
        session.execute(update(Membership).where(Membership.user_id == person.actor.user_id).values(**values))


def decided(runtime: Runtime, person: Person, engine: str, **more: object) -> None:
    """A tenant's policy; at first with money for everything."""
    policy = replace(Policy(engine, Strategy.ALWAYS, budget=1000 * DOLLAR), **more)
    with runtime.database.transaction() as session:
        policies.decide(session, SHELL, person.actor.tenant, policy)


def printed(says: Reading) -> str:
    """A document's words on which everything stands that a reading says."""
    lines = [f"Invoice {says.get('invoice_number')} of {says.get('issue_date')}", str(says.get("seller_name"))]
    lines += [f"To {says.get('buyer_name')}"]
    lines += [
        f"{name} {says.get('currency')} {says.get(name):,.2f}" for name in ("net", "tax", "total") if says.get(name) is not None
    ]
    return "\n".join(lines)


def unsure(confidence: int, **values: object) -> Reading:
    """A reading of which the local engines are not sure."""
    said = reading(**values)
    return replace(said, fields={name: replace(value, confidence=confidence) for name, value in said.fields.items()})


@contextmanager
def pulse_of(runtime: Runtime, reader: pipeline.Reader) -> Iterator[pipeline.Pulse]:
    pulse = pipeline.Pulse(runtime, reader)
    pulse.start()
    try:
        yield pulse
    finally:
        pulse.stop()


def process(runtime: Runtime, job_id: uuid.UUID, reader: pipeline.Reader) -> Job:
    """One attempt at a job; how it stands then."""
    with pulse_of(runtime, reader) as pulse:
        pipeline.process(runtime, reader, pulse, job_of(runtime, job_id).queue)
    return job_of(runtime, job_id)


def read(runtime: Runtime, person: Person, says: Reading | Exception, words: str | None = None) -> Job:
    """A new document is sent and read once by a worker; the local engines say this."""
    shown = words if words is not None else printed(says) if isinstance(says, Reading) else ""
    return process(runtime, submitted(runtime, person).id, FakeReader(says, shown))


def job_of(runtime: Runtime, job_id: uuid.UUID) -> Job:
    with runtime.database.snapshot() as session:
        return session.get_one(Job, job_id)


def rows(runtime: Runtime, table: type[Row]) -> list[Row]:
    with runtime.database.snapshot() as session:
        return list(session.scalars(select(table)))


def record_of(runtime: Runtime, job: Job) -> Record:
    with runtime.database.snapshot() as session:
        return session.scalars(select(Record).where(Record.job_id == job.id)).one()


def decision_of(runtime: Runtime, job: Job) -> Decision:
    with runtime.database.snapshot() as session:
        return session.scalars(select(Decision).where(Decision.job_id == job.id)).one()


def agreeing(provider: Provider, engine: str, says: Reading, **values: object) -> None:
    """The hosted engine reads the same, but for some values."""
    provider.answers(engine, form_of(says, **values))
