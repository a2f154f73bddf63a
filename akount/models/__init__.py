"""The tables. Rows are moved by the ledger (jobs), drafts and records (records), accounts (people); nobody else writes."""

from akount.models.base import Base, inserting, values_of, write
from akount.models.hosted import HostedBreaker, HostedCall, HostedPolicy, HostedSpending
from akount.models.jobs import IN_LINE, TERMINAL, Attempt, Document, IdempotencyKey, Job, JobStatus
from akount.models.operations import Alert, FailureNote, HistoryRow, Operation, Pause, Schedule, WorkerProcess
from akount.models.people import ApiKey, AuditEntry, Entity, Login, Membership, Role, Tenant, Usage, User
from akount.models.records import Correction, Counterparty, CounterpartyAccount, Decision, Lesson, Record, RecordLine, RecordStatus
from akount.models.webhooks import Delivery, DeliveryStatus, Webhook

__all__ = [
    "IN_LINE",
    "TERMINAL",
    "Alert",
    "ApiKey",
    "Attempt",
    "AuditEntry",
    "Base",
    "Correction",
    "Counterparty",
    "CounterpartyAccount",
    "Decision",
    "Delivery",
    "DeliveryStatus",
    "Document",
    "Entity",
    "FailureNote",
    "HistoryRow",
    "HostedBreaker",
    "HostedCall",
    "HostedPolicy",
    "HostedSpending",
    "IdempotencyKey",
    "Job",
    "JobStatus",
    "Lesson",
    "Login",
    "Membership",
    "Operation",
    "Pause",
    "Record",
    "RecordLine",
    "RecordStatus",
    "Role",
    "Schedule",
    "Tenant",
    "Usage",
    "User",
    "Webhook",
    "WorkerProcess",
    "inserting",
    "values_of",
    "write",
]
