"""The shapes of the contract: what is asked is validated by them, what is answered is made by them."""

from __future__ import annotations

import datetime as dt
from typing import Any

from marshmallow import Schema, ValidationError, fields, post_dump, validate
from marshmallow import pre_load as before_load

from akount.accounts import Permission
from akount.backlog import Priority
from akount.errors import Invalid
from akount.identity.passwords import MAX_LENGTH
from akount.models import TERMINAL, Job, JobStatus, Record, RecordStatus, Role


class Instant(fields.Field[dt.datetime]):
    """An instant as ISO-8601 in UTC with a Z."""

    def _serialize(self, value: dt.datetime | None, attr: Any, obj: Any, **kwargs: Any) -> str | None:  # noqa: ARG002
        return None if value is None else value.astimezone(dt.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def valid(schema: Schema, raw: Any) -> dict[str, Any]:
    """What a schema makes of an input. Raises Invalid that names every field."""
    try:
        loaded: dict[str, Any] = schema.load(raw)
    except ValidationError as error:
        raise Invalid(errors={str(name): [str(t) for t in texts] for name, texts in error.messages_dict.items()}) from None
    return loaded


NO_NUL = validate.Regexp(r"[^\0]*\Z", error="Must not contain a NUL character.")
"""Postgres has no such character."""


class _Input(Schema):
    @before_load
    def _nothing_said(self, data: Any, **_kwargs: Any) -> Any:
        """An empty value in a form or a query says nothing."""
        return {k: v for k, v in data.items() if v != ""} if isinstance(data, dict) else data


PRIORITIES = {p.name.lower(): p for p in Priority}
"""person: somebody waits for it; bulk: an import, served when no person waits."""


class UploadForm(_Input):
    """The fields beside the file."""

    entity_id = fields.UUID(data_key="entityId", load_default=None)
    priority = fields.String(load_default="person", validate=validate.OneOf(PRIORITIES))


PRINTABLE = validate.Predicate("isprintable", error="Must be text without control characters.")


class SignInForm(_Input):
    """Who wants to sign in. A wrong address is wrong like a wrong password: it is not said which."""

    email = fields.String(required=True, validate=validate.Length(max=320))
    password = fields.String(required=True, validate=validate.Length(max=MAX_LENGTH))
    tenant_id = fields.UUID(data_key="tenantId", load_default=None)


class KeyForm(Schema):
    """An API key that is wanted; without scopes it may do all that its role may, without an end it never ends."""

    name = fields.String(required=True, validate=[validate.Length(1, 100), PRINTABLE])
    role = fields.Enum(Role, by_value=True, required=True)
    scopes = fields.List(
        fields.Enum(Permission, by_value=True), load_default=None, allow_none=True, validate=validate.Length(1, len(Permission))
    )
    days = fields.Integer(
        data_key="expiresInDays", load_default=None, allow_none=True, strict=True, validate=validate.Range(1, 3650)
    )


class RecordQuery(_Input):
    """Which records to list."""

    status = fields.Enum(RecordStatus, by_value=True, load_default=None)
    text = fields.String(data_key="q", load_default=None, validate=[validate.Length(max=200), NO_NUL])
    since = fields.Date(data_key="from", load_default=None)
    until = fields.Date(data_key="to", load_default=None)
    cursor = fields.String(load_default=None, validate=validate.Length(max=500))
    limit = fields.Integer(load_default=50, validate=validate.Range(1, 200))


class _Output(Schema):
    omit_none: tuple[str, ...] = ()

    @post_dump
    def _omit(self, data: dict[str, Any], **_kwargs: Any) -> dict[str, Any]:
        return {k: v for k, v in data.items() if v is not None or k not in self.omit_none}


class JobSchema(_Output):
    """The state of one job."""

    omit_none = ("result", "error")
    job_id = fields.UUID(attribute="id", data_key="jobId")
    document_id = fields.UUID(data_key="documentId")
    queue = fields.String()
    kind = fields.String()
    status = fields.Enum(JobStatus, by_value=True)
    progress = fields.Integer()
    attempts = fields.Integer()
    max_attempts = fields.Integer(data_key="maxAttempts")
    created_at = Instant(data_key="createdAt")
    started_at = Instant(data_key="startedAt")
    finished_at = Instant(data_key="finishedAt")
    result = fields.Raw()
    error = fields.Method("_error")

    def _error(self, job: Job) -> dict[str, Any] | None:
        if job.status is JobStatus.CANCELLED:
            return {"code": "cancelled", "detail": "The job was cancelled."}
        return {"code": job.error_code, "detail": job.error_detail} if job.error_code else None


class LineSchema(Schema):
    """One position; amounts in minor units, quantity and unit price as decimal strings."""

    description = fields.String()
    quantity = fields.String(allow_none=True)
    unit_price = fields.String(data_key="unitPrice", allow_none=True)
    amount = fields.Integer(allow_none=True)
    tax_amount = fields.Integer(data_key="taxAmount", allow_none=True)
    tax_rate = fields.String(data_key="taxRate", allow_none=True)


class RecordSchema(Schema):
    """What bills and invoices have in common; the names of counterparty and number are the kind's (see `record_json`)."""

    id = fields.UUID()
    kind = fields.String()
    status = fields.Enum(RecordStatus, by_value=True)
    entity_id = fields.UUID(data_key="entityId")
    document_id = fields.UUID(data_key="documentId")
    job_id = fields.UUID(data_key="jobId")
    iban = fields.String()
    date = fields.Date()
    due_date = fields.Date(data_key="dueDate")
    currency = fields.String()
    subtotal = fields.Integer()
    tax_amount = fields.Integer(data_key="taxAmount")
    total_amount = fields.Integer(data_key="totalAmount")
    amount_due = fields.Integer(data_key="amountDue")
    credit_note = fields.Boolean(data_key="creditNote")
    lines = fields.List(fields.Nested(LineSchema), data_key="lineItems")
    tax_breakdown = fields.Raw(data_key="taxBreakdown")
    payment_terms = fields.Raw(data_key="paymentTerms")
    confidence = fields.Integer()
    field_confidence = fields.Raw(data_key="fieldConfidence")
    evidence = fields.Raw()
    checks = fields.Raw()
    warnings = fields.Raw()
    engine = fields.String()
    model_version = fields.String(data_key="modelVersion")
    version = fields.Integer()
    created_at = Instant(data_key="createdAt")
    updated_at = Instant(data_key="updatedAt")


class UserSchema(Schema):
    """A person."""

    id = fields.UUID()
    email = fields.String()


class TenantSchema(Schema):
    """A tenant somebody may act in."""

    id = fields.UUID()
    name = fields.String()


class KeySchema(Schema):
    """An API key, without the key."""

    id = fields.UUID()
    name = fields.String()
    role = fields.Enum(Role, by_value=True)
    scopes = fields.Raw()
    user_id = fields.UUID(data_key="userId")
    created_at = Instant(data_key="createdAt")
    last_used_at = Instant(data_key="lastUsedAt")
    expires_at = Instant(data_key="expiresAt")
    revoked_at = Instant(data_key="revokedAt")


def job_json(job: Job) -> dict[str, Any]:
    """A job as the contract has it."""
    shown: dict[str, Any] = JobSchema().dump(job)
    return shown


def record_json(record: Record, kind: Any) -> dict[str, Any]:
    """A record as the contract has it, with the names of its kind."""
    shown: dict[str, Any] = RecordSchema().dump(record)
    names = {
        kind.party_key: record.counterparty_name,
        kind.tax_id_key: record.counterparty_tax_id,
        kind.number_key: record.number,
    }
    return shown | names


def is_over(job: Job) -> bool:
    """Whether nothing more will happen to a job by itself."""
    return job.status in TERMINAL
