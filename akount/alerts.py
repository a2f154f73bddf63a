"""What is wrong at this moment, by rules, and whoever is to know of it: once when it begins, once when it is over, and every
few hours in between.

`watch` is a round of a sweeper (schedules.py). What it finds is kept in the database, so that neither a restart nor a second
sweeper repeats a notice. Something is told only when it has lasted for HOLD: a worker that is started anew is no news. What
is over before it was told is not told at all. docs/operations.md has a page for each rule.
"""

from __future__ import annotations

import datetime as dt
import enum
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import delete, func, or_, select
from sqlalchemy.orm import Session

from akount import backlog, connections, failures, logs, notices, workers
from akount.db import now
from akount.errors import Unavailable
from akount.hosted import gate
from akount.kinds import QUEUES
from akount.lifecycle import Runtime
from akount.models import Alert, Job, JobStatus, Pause
from akount.notices import Notice
from config import Settings

log = logs.get(__name__)

HOLD = dt.timedelta(seconds=30)
KEPT = dt.timedelta(days=30)
STALE = dt.timedelta(days=1)
"""What is over for so long is not told any more."""
FIRST_PAUSE, LONGEST_PAUSE = dt.timedelta(seconds=15), dt.timedelta(minutes=10)
HANDBOOK = "docs/operations.md"


class Rule(enum.StrEnum):
    """What is looked at. The value is also the heading of its page in docs/operations.md."""

    OLDEST_WAIT = "oldest_wait"
    DEAD_LETTERS = "dead_letters"
    NO_WORKER = "no_worker"
    DEPENDENCY = "dependency_down"
    HOSTED = "hosted_engine_down"


class Severity(enum.StrEnum):
    """How bad it is; a critical one means that work stands still."""

    CRITICAL = "critical"
    WARNING = "warning"


SEVERITY = {
    Rule.OLDEST_WAIT: Severity.WARNING,
    Rule.DEAD_LETTERS: Severity.WARNING,
    Rule.NO_WORKER: Severity.CRITICAL,
    Rule.DEPENDENCY: Severity.CRITICAL,
    Rule.HOSTED: Severity.WARNING,
}


@dataclass(frozen=True, slots=True)
class Trouble:
    """Something that is wrong now."""

    rule: Rule
    about: str
    "the queue, the part or the hosted engine"
    message: str


def current(session: Session) -> list[Alert]:
    """What is wrong, the worst and oldest first."""
    alerts = session.scalars(select(Alert).where(Alert.ended_at.is_(None)).order_by(Alert.began_at)).all()
    return sorted(alerts, key=lambda alert: SEVERITY[Rule(alert.rule)] is not Severity.CRITICAL)


def recent(session: Session, limit: int = 50) -> list[Alert]:
    """What was wrong lately, the latest first."""
    return list(session.scalars(select(Alert).order_by(Alert.began_at.desc()).limit(limit)))


def watch(runtime: Runtime) -> dict[str, int]:
    """Looks, keeps what it found, and tells whoever is to know. Answers how much of each."""
    broken = list(_dependencies(runtime))
    with runtime.database.transaction() as session:
        found = [*broken, *find(session, runtime.settings)]
        due = _keep(session, found, runtime.settings)
    arrived = [_deliver(runtime, *one) for one in due]
    return {"troubles": len(found), "told": sum(arrived), "not_told": len(arrived) - sum(arrived)}


def _deliver(runtime: Runtime, alert: Alert, way: str, event: str) -> bool:
    arrived = notices.send(runtime.settings, way, _notice(alert, way, event, runtime.settings))
    with runtime.database.transaction() as session:
        held = session.get_one(Alert, alert.id)
        at = now().isoformat()
        said = held.told.get(way, {})
        said = said | {event: at, "last": at, "tries": 0} if arrived else said | {"tried": at, "tries": said.get("tries", 0) + 1}
        held.told = held.told | {way: said}
    return arrived


def find(session: Session, settings: Settings) -> list[Trouble]:
    """What the database says is wrong. What is paused waits because somebody wants it to."""
    waiting = _waiting(session)
    queues = [*_oldest_wait(waiting, settings), *_no_worker(session, waiting), *_dead_letters(session, settings)]
    return [*queues, *_hosted(session)]


def _waiting(session: Session) -> dict[str, dt.datetime]:
    """Since when the oldest job of a queue is due that nobody holds up."""
    held = backlog.pauses(session)
    oldest: dict[str, dt.datetime] = {}
    for line in backlog.lines(session):
        if line.oldest is not None and not any(_holds(pause, line) for pause in held):
            oldest[line.queue] = min(line.oldest, oldest.get(line.queue, line.oldest))
    return oldest


def _holds(pause: Pause, line: backlog.Line) -> bool:
    return pause.queue in (None, line.queue) and pause.tenant_id in (None, line.tenant_id)


def _oldest_wait(waiting: dict[str, dt.datetime], settings: Settings) -> Iterator[Trouble]:
    for queue, since in sorted(waiting.items()):
        seconds = (now() - since).total_seconds()
        if seconds > settings.alert_oldest_wait_seconds:
            yield Trouble(
                Rule.OLDEST_WAIT,
                queue,
                f"In {queue} a document has waited for {seconds / 60:.0f} minutes; "
                f"{settings.alert_oldest_wait_seconds / 60:.0f} are the target.",
            )


def _no_worker(session: Session, waiting: dict[str, dt.datetime]) -> Iterator[Trouble]:
    alive = workers.alive(session)
    for queue in sorted(waiting):
        if not alive.get(queue):
            yield Trouble(Rule.NO_WORKER, queue, f"Documents wait in {queue}, and no worker of it has been heard of lately.")


def _dead_letters(session: Session, settings: Settings) -> Iterator[Trouble]:
    """Of causes that nobody has muted."""
    latest = (Job.status == JobStatus.FAILED, Job.discarded_at.is_(None), Job.finished_at > now() - dt.timedelta(hours=1))
    counted = select(Job.queue, Job.fingerprint, func.count()).where(*latest).group_by(Job.queue, Job.fingerprint)
    muted = failures.muted(session)
    found = dict.fromkeys(QUEUES, 0)
    for queue, fingerprint, number in session.execute(counted):
        found[queue] = found.get(queue, 0) + (number if fingerprint not in muted else 0)
    for queue, number in found.items():
        if number >= settings.alert_dead_letters_per_hour:
            yield Trouble(Rule.DEAD_LETTERS, queue, f"{number} documents of {queue} have failed in the last hour.")


def _hosted(session: Session) -> Iterator[Trouble]:
    """Engines that have failed several times in a row. The local ones go on, so work does not stand still."""
    for engine in gate.left_alone(session):
        yield Trouble(
            Rule.HOSTED,
            engine,
            f"The hosted engine {engine} has failed {gate.FAILURES} times in a row and is left alone; "
            "documents are read without it.",
        )


def _dependencies(runtime: Runtime) -> Iterator[Trouble]:
    """Parts that this process cannot reach. The database is not among them: without it nothing can be kept."""
    try:
        runtime.storage.ping()
    except Unavailable:
        yield Trouble(Rule.DEPENDENCY, "storage", "Files cannot be stored or read: the storage does not answer.")
    if runtime.settings.redis is None:
        return
    client = connections.redis_client(runtime.settings)
    try:
        client.ping()
    except connections.FAULTS:
        yield Trouble(Rule.DEPENDENCY, "redis", "Redis does not answer: workers hear of new documents late, limits are not shared.")
    finally:
        client.close()


def _keep(session: Session, found: list[Trouble], settings: Settings) -> list[tuple[Alert, str, str]]:
    """Writes down what began and what is over. Answers what is to be told, by which way, and as what."""
    at = now()
    open_ = select(Alert).where(Alert.ended_at.is_(None)).with_for_update()
    known = {(alert.rule, alert.about): alert for alert in session.scalars(open_)}
    for trouble in found:
        alert = known.pop((trouble.rule.value, trouble.about), None)
        if alert is None:
            session.add(Alert(rule=trouble.rule.value, about=trouble.about, message=trouble.message, began_at=at))
            log.warning("alert", rule=trouble.rule.value, about=trouble.about, detail=trouble.message)
        else:
            alert.message = trouble.message
    for alert in known.values():
        alert.ended_at = at
        log.info("alert over", rule=alert.rule, about=alert.about)
    session.execute(delete(Alert).where(Alert.ended_at < at - KEPT))
    session.flush()
    untold = select(Alert).where(or_(Alert.ended_at.is_(None), Alert.ended_at > at - STALE)).order_by(Alert.began_at)
    alerts = session.scalars(untold).all()
    return [(alert, way, event) for way in notices.ways(settings) for alert in alerts if (event := _due(alert, way, at, settings))]


def _due(alert: Alert, way: str, at: dt.datetime, settings: Settings) -> str:
    """As what it is to be told this way now; empty: it is not. A way that failed is left alone, longer each time."""
    told = alert.told.get(way, {})
    pause = min(FIRST_PAUSE * 2 ** min(told.get("tries", 0), 10), LONGEST_PAUSE)
    if told.get("tries") and at < dt.datetime.fromisoformat(told["tried"]) + pause:
        return ""
    if "begin" not in told:
        return "begin" if alert.ended_at is None and at - alert.began_at >= HOLD else ""
    if alert.ended_at is not None:
        return "" if "end" in told else "end"
    again = dt.datetime.fromisoformat(told["last"]) + dt.timedelta(hours=settings.alert_remind_hours)
    return "reminder" if at >= again else ""


def _notice(alert: Alert, way: str, event: str, settings: Settings) -> Notice:
    severity = SEVERITY[Rule(alert.rule)]
    began = alert.began_at.isoformat(timespec="seconds").replace("+00:00", "Z")
    ended = alert.ended_at.isoformat(timespec="seconds").replace("+00:00", "Z") if alert.ended_at else None
    state = "over" if ended else "still" if event == "reminder" else severity.value
    lines = [alert.message, "", f"Since {began}.", *([f"Over since {ended}."] if ended else [])]
    body: dict[str, Any] = {
        "event": event,
        "rule": alert.rule,
        "about": alert.about,
        "severity": severity.value,
        "message": alert.message,
        "beganAt": began,
        "endedAt": ended,
        "environment": settings.app_env,
        "handbook": f"{HANDBOOK}#{alert.rule}",
    }
    number = alert.told.get(way, {}).get("last", "") if event == "reminder" else ""
    subject = f"[Akount {settings.app_env}] {state}: {alert.rule} {alert.about}"
    return Notice(f"{alert.id}.{event}{number}", subject, "\n".join([*lines, f"What to do: {body['handbook']}", ""]), body)
