"""A console with something on it: tenants, jobs in every state, failures of several causes, workers, pauses, what people did.

Made up row by row, so that a test or a picture has at once what days of work would leave behind.
"""

import datetime as dt
import hashlib
import random
import uuid
from dataclasses import dataclass

from sqlalchemy import insert
from sqlalchemy.orm import Session

from akount import __version__, accounts, backlog, operations
from akount.accounts import Call
from akount.db import Database, now
from akount.errors import AkountError, TimedOut, Unreadable
from akount.fingerprints import cause
from akount.identity import sessions
from akount.kinds import KINDS, QUEUES, Kind
from akount.ledger import DeadLetters
from akount.models import (
    Attempt,
    Delivery,
    DeliveryStatus,
    Document,
    Entity,
    Job,
    JobStatus,
    Record,
    RecordStatus,
    Role,
    Tenant,
    Webhook,
    WorkerProcess,
)
from akount.plans import Plan
from akount.webhooks import Event

PASSWORD = "correct horse battery"
OPERATOR, OWNER, VIEWER = "otto@example.com", "ada@example.com", "vera@example.com"
FAILURES = (
    Unreadable("The document is encrypted; remove its password and send it again.", code="encrypted"),
    Unreadable("Page 2 of 3 is damaged and could not be drawn.", code="damaged"),
    TimedOut(),
    AkountError("The worker that was reading this document stopped without a word.", code="worker_lost"),
)
HOSTILE = (
    '<script>document.title="owned"</script>.pdf',
    '"><img src=x onerror="document.title=\'owned\'">.pdf',
    "'-alert(1)-'{{7*7}}{% raw %}${7*7}.pdf",
    "javascript:document.title='owned'//.pdf",
    "</td></tr></table><svg onload=document.title='owned'>.pdf",
    "invoice\u202efdp.exe",
    "a\u0007b\u001b[31m\u200b.pdf",
    '=HYPERLINK("https://evil.example";"x").pdf',
)
"""Names that try to be more than names."""
PLAIN = (
    "hosting-march.pdf",
    "rent 2026-04.pdf",
    "IMG_2041.jpg",
    "stationery.png",
    "RE-2026-0117.pdf",
    "freight note.pdf",
    "invoice_8841.xml",
)


@dataclass
class Scene:
    """What was made."""

    ours: Tenant
    theirs: Tenant
    jobs: list[uuid.UUID]
    dead: list[uuid.UUID]
    operation: uuid.UUID
    webhook: uuid.UUID


def set_up(database: Database, *, hostile: bool = False, many: int = 90) -> Scene:
    """Everything, always the same. With `hostile` every text that a stranger may choose is one that tries something."""
    dice = random.Random(7)
    words = HOSTILE if hostile else PLAIN
    with database.transaction() as session:
        ours, entity = accounts.add_tenant(session, HOSTILE[0] if hostile else "Larkfield Studio Ltd")
        theirs, other = accounts.add_tenant(session, "Pellworm Shipping GmbH")
        for email, role, tenant in ((OPERATOR, Role.OPERATOR, None), (OWNER, Role.OWNER, ours.id), (VIEWER, Role.VIEWER, ours.id)):
            sessions.set_password(session, accounts.add_user(session, email, tenant, role), PASSWORD)
        rows: dict[type, list[dict]] = {Document: [], Job: [], Attempt: [], Record: []}
        for number in range(many):
            whose, where = (ours, entity) if number % 3 else (theirs, other)
            _job(rows, dice, number, whose, where, words[number % len(words)], hostile)
        _workers(session)
        for table in (Document, Job, Attempt, Record):
            session.execute(insert(table), rows[table])
        backlog.pause(
            session,
            queue=QUEUES[1],
            tenant_id=theirs.id,
            reason=words[0] if hostile else "import of old files, on their wish",
            by="shell",
        )
        webhook = _webhook(session, ours, words[0])
        accounts.set_plan(session, theirs.id, Plan.FREE)
        dead = [row["id"] for row in rows[Job] if row["status"] is JobStatus.FAILED and row["discarded_at"] is None]
        call = Call(accounts.Actor(Role.OPERATOR, None), request_id="request-of-a-scene", address="192.0.2.1")
        meant = DeadLetters(tenant_id=theirs.id, code="worker_lost")
        operation = operations.start(session, call, operations.Action.RETRY, meant, words[0] if hostile else "the host is back").id
    return Scene(ours, theirs, [row["id"] for row in rows[Job]], dead, operation, webhook)


_STATES = (
    *([JobStatus.COMPLETED] * 9),
    *([JobStatus.FAILED] * 5),
    *([JobStatus.WAITING] * 3),
    JobStatus.DELAYED,
    JobStatus.CANCELLED,
    JobStatus.ACTIVE,
)


def _job(rows: dict, dice: random.Random, number: int, tenant: Tenant, entity: Entity, filename: str, hostile: bool) -> None:
    kind: Kind = list(KINDS.values())[number % 5 == 0]
    status = _STATES[number % len(_STATES)]
    ended = status in (JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELLED)
    entered = now() - dt.timedelta(minutes=4 + number * (17 if ended else 0.2), seconds=dice.randrange(60))
    started = entered + dt.timedelta(seconds=dice.uniform(0.2, 9)) if status is not JobStatus.WAITING else None
    finished = started + dt.timedelta(seconds=dice.uniform(0.4, 6)) if ended and started else None
    error = FAILURES[dice.choice((0, 0, 1, 2, 3, 3))] if status in (JobStatus.FAILED, JobStatus.DELAYED) else None
    attempts = 0 if started is None else 3 if error and error.code in ("timed_out", "worker_lost") else 1
    document = {
        "id": uuid.UUID(int=dice.getrandbits(128), version=4),
        "tenant_id": tenant.id,
        "entity_id": entity.id,
        "kind": kind.name,
        "filename": filename,
        "filename_key": filename.lower()[:255],
        "media_type": "application/pdf",
        "size": dice.randrange(20_000, 900_000),
        "sha256": hashlib.sha256(f"{number}".encode()).hexdigest(),
        "storage_key": f"scene/{number}",
        "created_at": entered,
    }
    why = cause(kind.queue, error) if error else None
    job = {
        "id": uuid.UUID(int=dice.getrandbits(128), version=4),
        "tenant_id": tenant.id,
        "document_id": document["id"],
        "queue": kind.queue,
        "kind": kind.name,
        "status": status,
        "max_attempts": 3,
        "attempts": attempts,
        "run_at": entered + dt.timedelta(minutes=30 if status is JobStatus.DELAYED else 0),
        "created_at": entered,
        "started_at": started,
        "finished_at": finished,
        "progress": 100 if status is JobStatus.COMPLETED else 40 if status is JobStatus.ACTIVE else 0,
        "error_code": error.code if error else None,
        "error_detail": (HOSTILE[1] if hostile else error.detail) if error else None,
        "fingerprint": why.fingerprint if why else None,
        "error_origin": why.origin if why else None,
        "worker": f"reader-{number % 3}/4026531836:{4100 + number % 3}:99" if started else None,
        "request_id": f"request-{number}",
        "lease_until": now() + dt.timedelta(hours=1) if status is JobStatus.ACTIVE else None,
        "discarded_at": now() if status is JobStatus.FAILED and number % 20 == 13 else None,
        "discard_reason": filename if hostile else "sent by mistake",
    }
    rows[Document].append(document)
    rows[Job].append(job)
    for attempt in range(1, attempts + 1 if ended else attempts):
        rows[Attempt].append(_attempt(job, attempt, error, dice))
    if status is JobStatus.COMPLETED:
        rows[Record].append(_record(job, document, entity, kind, dice, filename))


def _attempt(job: dict, number: int, error: AkountError | None, dice: random.Random) -> dict:
    began = job["started_at"] - dt.timedelta(seconds=8 * (job["attempts"] - number))
    last = number == job["attempts"]
    return {
        "job_id": job["id"],
        "number": number,
        "worker": job["worker"],
        "started_at": began,
        "ended_at": began + dt.timedelta(seconds=dice.uniform(0.5, 5)),
        "outcome": job["status"].value if last else "delayed",
        "error_code": error.code if error else None,
        "error_detail": job["error_detail"],
        "error_origin": job["error_origin"],
        "error_frames": "pipeline._read:120\nextraction.pdf.open_pages:66" if error else None,
    }


def _record(job: dict, document: dict, entity: Entity, kind: Kind, dice: random.Random, filename: str) -> dict:
    return {
        "id": uuid.UUID(int=dice.getrandbits(128), version=4),
        "tenant_id": job["tenant_id"],
        "entity_id": entity.id,
        "document_id": document["id"],
        "job_id": job["id"],
        "kind": kind.name,
        "status": dice.choice(list(RecordStatus)),
        "counterparty_name": filename,
        "number": f"R-{dice.randrange(9999)}",
        "currency": "EUR",
        "total_amount": dice.randrange(100, 90_000),
        "tax_breakdown": [],
        "payment_terms": None,
        "confidence": dice.randrange(50, 99),
        "field_confidence": {},
        "evidence": {},
        "checks": [],
        "warnings": [],
        "engine": "textlayer",
        "model_version": "1",
    }


def _webhook(session: Session, tenant: Tenant, word: str) -> uuid.UUID:
    """One that was told something, could not be told something else, and is to be told a third thing."""
    made = Webhook(tenant_id=tenant.id, url="https://books.example.com/akount", events=[*Event], created_by="user:ada")
    session.add(made)
    session.flush()
    for status, attempts, said in (
        (DeliveryStatus.DELIVERED, 1, ""),
        (DeliveryStatus.FAILED, 9, word),
        (DeliveryStatus.PENDING, 2, word),
    ):
        mine = {"tenant_id": tenant.id, "webhook_id": made.id, "record_id": uuid.uuid4(), "event": Event.CREATED, "body": {}}
        session.add(Delivery(**mine, status=status, attempts=attempts, last_error=said or None))
    return made.id


def _workers(session) -> None:
    for number in range(4):
        session.add(
            WorkerProcess(
                name=f"reader-{number}/4026531836:{4100 + number}:99",
                queue=QUEUES[number % len(QUEUES)],
                version=__version__,
                started_at=now() - dt.timedelta(hours=5 + number),
                seen_at=now() - dt.timedelta(seconds=200 if number == 3 else 2),
                memory=(412 + 9 * number) << 20,
                models_loaded=True,
                pages_lately=31 - 4 * number,
            )
        )
