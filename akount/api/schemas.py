"""The shapes of the contract: what is asked is validated by them, what is answered is made by them."""

from __future__ import annotations

import datetime as dt
import functools
from typing import Any

from marshmallow import Schema, ValidationError, fields, post_dump, validate, validates_schema
from marshmallow import pre_load as before_load
from marshmallow.exceptions import SCHEMA

from akount import instants
from akount.accounts import Permission
from akount.backlog import Priority
from akount.corrections import by_field
from akount.errors import Invalid
from akount.identity.passwords import MAX_LENGTH
from akount.kinds import QUEUES, Kind
from akount.models import TERMINAL, Job, JobStatus, RecordStatus, Role


class Instant(fields.Field[dt.datetime]):
    """An instant as ISO-8601 in UTC with a Z."""

    def _serialize(self, value: dt.datetime | None, attr: Any, obj: Any, **kwargs: Any) -> str | None:  # noqa: ARG002
        return None if value is None else instants.iso(value)


def valid(schema: Schema, raw: Any) -> dict[str, Any]:
    """What a schema makes of an input. Raises Invalid that names every field."""
    try:
        loaded: dict[str, Any] = schema.load(raw)
    except ValidationError as error:
        raise Invalid(errors={str(name): _sentences(wrong) for name, wrong in error.messages_dict.items()}) from None
    return loaded


def _sentences(wrong: Any, where: str = "") -> list[str]:
    """What is wrong with a field, also with what lies inside it: "[0].amount: Not a valid integer."."""
    if isinstance(wrong, dict):
        inner = ((f"{where}{_place(name)}", found) for name, found in wrong.items())
        return [sentence for place, found in inner for sentence in _sentences(found, place)]
    return [f"{where.removeprefix('.')}: {text}" if where else str(text) for text in wrong]


def _place(name: int | str) -> str:
    return f"[{name}]" if isinstance(name, int) else "" if name == SCHEMA else f".{name}"


NO_NUL = validate.Regexp(r"[^\0]*\Z", error="Must not contain a NUL character.")
"""Postgres has no such character."""


class Input(Schema):
    """What comes in a form or a query."""

    @before_load
    def _nothing_said(self, data: Any, **_kwargs: Any) -> Any:
        """An empty value in a form or a query says nothing."""
        return {k: v for k, v in data.items() if v != ""} if isinstance(data, dict) else data


PRIORITIES = {p.name.lower(): p for p in Priority}
"""person: somebody waits for it; bulk: an import, served when no person waits."""


class UploadForm(Input):
    """The fields beside the file."""

    entity_id = fields.UUID(data_key="entityId", load_default=None)
    priority = fields.String(load_default="person", validate=validate.OneOf(PRIORITIES))


PRINTABLE = validate.Predicate("isprintable", error="Must be text without control characters.")


class SignInBody(Input):
    """Who wants to sign in. A wrong address is wrong like a wrong password: it is not said which."""

    email = fields.String(required=True, validate=validate.Length(max=320))
    password = fields.String(required=True, validate=validate.Length(max=MAX_LENGTH))
    tenant_id = fields.UUID(data_key="tenantId", load_default=None)


class KeyBody(Schema):
    """An API key that is wanted; without scopes it may do all that its role may, without an end it never ends."""

    name = fields.String(required=True, validate=[validate.Length(1, 100), PRINTABLE])
    role = fields.Enum(Role, by_value=True, required=True)
    scopes = fields.List(
        fields.Enum(Permission, by_value=True), load_default=None, allow_none=True, validate=validate.Length(1, len(Permission))
    )
    days = fields.Integer(
        data_key="expiresInDays", load_default=None, allow_none=True, strict=True, validate=validate.Range(1, 3650)
    )


class RecordFilter(Input):
    """Which records are meant."""

    status = fields.Enum(RecordStatus, by_value=True, load_default=None)
    text = fields.String(data_key="q", load_default=None, validate=[validate.Length(max=200), NO_NUL])
    since = fields.Date(data_key="from", load_default=None)
    until = fields.Date(data_key="to", load_default=None)


class RecordQuery(RecordFilter):
    """Which records to list."""

    cursor = fields.String(load_default=None, validate=validate.Length(max=500))
    limit = fields.Integer(load_default=50, validate=validate.Range(1, 200))


class FailedQuery(Input):
    """Which failed jobs to list; `tenant` is for operators."""

    queue = fields.String(load_default=None, validate=validate.OneOf(QUEUES))
    tenant_id = fields.UUID(data_key="tenant", load_default=None)
    cursor = fields.String(load_default=None, validate=validate.Length(max=500))
    limit = fields.Integer(load_default=50, validate=validate.Range(1, 200))


class RetryBody(Schema):
    """Which failed jobs to try again: those named, or those of a queue that failed before an instant."""

    ids = fields.List(fields.UUID(), validate=validate.Length(1, 1000))
    queue = fields.String(validate=validate.OneOf(QUEUES))
    before = fields.AwareDateTime(default_timezone=dt.UTC)

    @validates_schema
    def _one_way(self, data: dict[str, Any], **_kwargs: Any) -> None:
        if ("ids" in data) == ("queue" in data) or ("before" in data and "queue" not in data):
            raise ValidationError('Give either "ids", or "queue" and perhaps "before".')


class _Output(Schema):
    omit_none: tuple[str, ...] = ()

    @post_dump
    def _omit(self, data: dict[str, Any], **_kwargs: Any) -> dict[str, Any]:
        return {k: v for k, v in data.items() if v is not None or k not in self.omit_none}


_ERROR = {"code": {"type": "string"}, "detail": {"type": "string"}}


class ResultSchema(Schema):
    """What came of a job."""

    documentId = fields.String()  # noqa: N815  as it is kept
    recordId = fields.String()  # noqa: N815
    status = fields.String()
    confidence = fields.Integer()
    routing = fields.String()
    reason = fields.String()


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
    started_at = Instant(data_key="startedAt", allow_none=True)
    finished_at = Instant(data_key="finishedAt", allow_none=True)
    result = fields.Nested(ResultSchema)
    error = fields.Method("_error", metadata={"type": "object", "properties": _ERROR})

    def _error(self, job: Job) -> dict[str, Any] | None:
        if job.status is JobStatus.CANCELLED:
            return {"code": "cancelled", "detail": "The job was cancelled."}
        return {"code": job.error_code, "detail": job.error_detail} if job.error_code else None


class FailedJobSchema(Schema):
    """A dead letter: what failed and why, without anything of the document."""

    id = fields.UUID()
    queue = fields.String()
    document_id = fields.UUID(data_key="documentId")
    failed_reason = fields.String(attribute="error_detail", data_key="failedReason")
    code = fields.String(attribute="error_code")
    attempts_made = fields.Integer(attribute="attempts", data_key="attemptsMade")
    timestamp = Instant(attribute="finished_at")


class OperationSchema(Schema):
    """How far a bulk operation is."""

    operation_id = fields.UUID(attribute="id", data_key="operationId")
    action = fields.String()
    matched = fields.Integer()
    done = fields.Integer()
    skipped = fields.Integer()
    created_at = Instant(data_key="createdAt")
    finished_at = Instant(data_key="finishedAt", allow_none=True)
    cancelled = fields.Function(lambda operation: operation.cancelled_by is not None)


class FailedPageSchema(Schema):
    """A page of dead letters."""

    jobs = fields.List(fields.Nested(FailedJobSchema))
    next_cursor = fields.String(data_key="nextCursor", allow_none=True)


class StartedSchema(Schema):
    """A bulk operation that has been asked for."""

    operation_id = fields.UUID(attribute="id", data_key="operationId")
    matched = fields.Integer()


class SubmissionSchema(_Output):
    """What comes of an upload."""

    omit_none = ("duplicate",)
    job_id = fields.UUID(data_key="jobId")
    document_id = fields.UUID(data_key="documentId")
    status = fields.String()
    message = fields.String()
    status_url = fields.String(data_key="statusUrl")
    stream_url = fields.String(data_key="streamUrl")
    duplicate = fields.Boolean()


class ProblemSchema(Schema):
    """An error (RFC 9457)."""

    type = fields.String(required=True)
    title = fields.String(required=True)
    status = fields.Integer(required=True)
    detail = fields.String(required=True)
    code = fields.String(required=True)
    request_id = fields.String(data_key="requestId", required=True)
    errors = fields.Dict(keys=fields.String(), values=fields.List(fields.String()))


class BandSchema(Schema):
    """The tax of one rate."""

    name = fields.String()
    rate = fields.String(allow_none=True)
    amount = fields.Integer(allow_none=True)


class TermsSchema(Schema):
    """When to pay."""

    terms = fields.String(allow_none=True)
    dueDate = fields.String(allow_none=True)  # noqa: N815  as it is kept
    discountTerms = fields.String(allow_none=True)  # noqa: N815


class EvidenceSchema(Schema):
    """Where a value stands in the document; the box in fractions of the page."""

    page = fields.Integer()
    box = fields.List(fields.Float(), allow_none=True)
    text = fields.String()
    engine = fields.String()


class FindingSchema(Schema):
    """The outcome of one check."""

    code = fields.String()
    passed = fields.Boolean()
    detail = fields.String()


class LineSchema(Schema):
    """One position; amounts in minor units, quantity and unit price as decimal strings."""

    description = fields.String()
    quantity = fields.String(allow_none=True)
    unit_price = fields.String(data_key="unitPrice", allow_none=True)
    amount = fields.Integer(allow_none=True)
    tax_amount = fields.Integer(data_key="taxAmount", allow_none=True)
    tax_rate = fields.String(data_key="taxRate", allow_none=True)
    evidence = fields.Nested(EvidenceSchema, allow_none=True)


class CorrectedSchema(Schema):
    """What the machine had found where a person corrected it, who that was, and when."""

    machine = fields.Raw(allow_none=True, metadata={"description": "The machine's value."})
    by = fields.String()
    at = Instant()


class LearnedSchema(Schema):
    """What the machine had found where an earlier correction knew better, and the record that taught it."""

    machine = fields.String(allow_none=True)
    recordId = fields.String()  # noqa: N815  as it is kept


class Corrected(fields.Dict):
    """What people corrected in a record, by field."""

    def _serialize(self, value: Any, attr: Any, obj: Any, **kwargs: Any) -> Any:  # noqa: ARG002
        return super()._serialize(by_field(obj), attr, obj, **kwargs)  # type: ignore[no-untyped-call]


class RecordSchema(Schema):
    """What the records of all kinds have in common; the names of counterparty and number are the kind's (see `record_of`)."""

    id = fields.UUID()
    kind = fields.String()
    status = fields.Enum(RecordStatus, by_value=True)
    entity_id = fields.UUID(data_key="entityId")
    document_id = fields.UUID(data_key="documentId")
    job_id = fields.UUID(data_key="jobId")
    iban = fields.String(allow_none=True)
    date = fields.Date(allow_none=True)
    due_date = fields.Date(data_key="dueDate", allow_none=True)
    currency = fields.String(allow_none=True)
    subtotal = fields.Integer(allow_none=True)
    tax_amount = fields.Integer(data_key="taxAmount", allow_none=True)
    total_amount = fields.Integer(data_key="totalAmount", allow_none=True)
    amount_due = fields.Integer(data_key="amountDue", allow_none=True)
    credit_note = fields.Boolean(data_key="creditNote")
    lines = fields.List(fields.Nested(LineSchema), data_key="lineItems")
    tax_breakdown = fields.List(fields.Nested(BandSchema), data_key="taxBreakdown")
    payment_terms = fields.Nested(TermsSchema, data_key="paymentTerms", allow_none=True)
    confidence = fields.Integer()
    field_confidence = fields.Dict(keys=fields.String(), values=fields.Integer(), data_key="fieldConfidence")
    evidence = fields.Dict(keys=fields.String(), values=fields.Nested(EvidenceSchema, allow_none=True))
    checks = fields.List(fields.Nested(FindingSchema))
    warnings = fields.List(fields.String())
    corrections = Corrected(keys=fields.String(), values=fields.Nested(CorrectedSchema))
    learned = fields.Dict(keys=fields.String(), values=fields.Nested(LearnedSchema), allow_none=True)
    counterparty_id = fields.UUID(data_key="counterpartyId", allow_none=True)
    duplicate_of = fields.UUID(data_key="duplicateOf", allow_none=True)
    reviewed_by = fields.String(data_key="reviewedBy", allow_none=True)
    reviewed_at = Instant(data_key="reviewedAt", allow_none=True)
    review_reason = fields.String(data_key="reviewReason", allow_none=True)
    engine = fields.String()
    model_version = fields.String(data_key="modelVersion")
    version = fields.Integer()
    created_at = Instant(data_key="createdAt")
    updated_at = Instant(data_key="updatedAt")


class UserSchema(Schema):
    """A person; who came by Clerk has no address here."""

    id = fields.UUID()
    email = fields.String(allow_none=True)


class TenantSchema(Schema):
    """A tenant somebody may act in, and as what."""

    id = fields.UUID()
    name = fields.String()
    role = fields.Enum(Role, by_value=True)


class SessionSchema(Schema):
    """Who somebody is, and what they may do in the tenant chosen; none is where they have several and did not say which."""

    user = fields.Nested(UserSchema, allow_none=True)
    key_id = fields.UUID(data_key="keyId", allow_none=True)
    tenants = fields.List(fields.Nested(TenantSchema))
    tenant_id = fields.UUID(data_key="tenantId", allow_none=True)
    role = fields.Enum(Role, by_value=True, allow_none=True)
    permissions = fields.List(fields.Enum(Permission, by_value=True))


class KeySchema(Schema):
    """An API key, without the key; no scopes: all that its role may do."""

    id = fields.UUID()
    name = fields.String()
    role = fields.Enum(Role, by_value=True)
    scopes = fields.List(fields.String(), allow_none=True)
    user_id = fields.UUID(data_key="userId", allow_none=True)
    created_at = Instant(data_key="createdAt")
    last_used_at = Instant(data_key="lastUsedAt", allow_none=True)
    expires_at = Instant(data_key="expiresAt", allow_none=True)
    revoked_at = Instant(data_key="revokedAt", allow_none=True)


class NewKeySchema(KeySchema):
    """An API key that was just made, with the key."""

    key = fields.String()


class KeyListSchema(Schema):
    """The API keys of a tenant."""

    items = fields.List(fields.Nested(KeySchema))


_JOB = JobSchema()
"""Made once: to make a schema costs as much as to use it."""


def job_json(job: Job) -> dict[str, Any]:
    """A job as the contract has it."""
    shown: dict[str, Any] = _JOB.dump(job)
    return shown


@functools.cache
def record_of(kind: Kind) -> type[Schema]:
    """The schema of a kind's record, with its names for the counterparty and the number."""
    names = {"counterparty_name": kind.party_key, "counterparty_tax_id": kind.tax_id_key, "number": kind.number_key}
    own = {key: fields.String(attribute=attribute, allow_none=True) for attribute, key in names.items()}
    return type(f"{kind.name.capitalize()}Schema", (RecordSchema,), own | {"__doc__": f"One {kind.name}."})


@functools.cache
def records_of(kind: Kind) -> type[Schema]:
    """The schema of a page of a kind's records."""
    own = {
        "items": fields.List(fields.Nested(record_of(kind))),
        "next_cursor": fields.String(data_key="nextCursor", allow_none=True),
    }
    return type(f"{kind.name.capitalize()}PageSchema", (Schema,), own | {"__doc__": f"A page of {kind.plural}."})


def is_over(job: Job) -> bool:
    """Whether nothing more will happen to a job by itself."""
    return job.status in TERMINAL
