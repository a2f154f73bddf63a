"""The shapes of what is done with records and documents: corrections, decisions about them, exports, the log of decisions."""

from __future__ import annotations

import datetime as dt
import functools
from decimal import Decimal
from typing import Any

from marshmallow import Schema, ValidationError, fields, validate, validates_schema

from akount.api.schemas import NO_NUL, Input, Instant, RecordFilter
from akount.currencies import MAX_MINOR, exponent
from akount.dossiers import Dossier
from akount.kinds import Kind
from akount.readings import MAX_DIGITS, MAX_LINES, clean_text
from akount.routing import Route
from akount.webhooks import HELD, Event

FORMATS = ("csv", "json")
OLDEST, LATEST = dt.date(1900, 1, 1), dt.date(2199, 12, 31)


class Words(fields.String):
    """A text on one line, without control and direction characters. An empty one says that there is none, where there may be
    none."""

    def __init__(self, most: int, **more: Any) -> None:
        super().__init__(**more)
        self._most, self._length = most, validate.Length(0 if self.allow_none else 1, most)

    def _deserialize(self, value: Any, attr: Any, data: Any, **kwargs: Any) -> Any:
        text = clean_text(super()._deserialize(value, attr, data, **kwargs), self._most + 1)
        return self._length(text) or None


class Minor(fields.Integer):
    """An amount in the smallest unit of the record's currency."""

    def __init__(self, **more: Any) -> None:
        super().__init__(strict=True, allow_none=True, validate=validate.Range(-MAX_MINOR, MAX_MINOR), **more)


def _fits(number: Decimal) -> None:
    _, digits, power = number.as_tuple()
    if not isinstance(power, int) or number.adjusted() >= MAX_DIGITS or max(len(digits), -power) > MAX_DIGITS:
        raise ValidationError(f"Must have at most {MAX_DIGITS} digits.")


class Number(fields.Decimal):
    """A quantity or a unit price, as a decimal string."""

    def __init__(self, **more: Any) -> None:
        super().__init__(allow_none=True, allow_nan=False, validate=_fits, metadata={"type": "string"}, **more)


def _known_currency(code: str) -> None:
    if exponent(code) is None:
        raise ValidationError("Must be a currency of ISO 4217, such as EUR.")


class LineBody(Schema):
    """A line as a person has it; what is not named is not known."""

    description = Words(2000, required=True)
    quantity = Number(load_default=None)
    unit_price = Number(data_key="unitPrice", load_default=None)
    amount = Minor(load_default=None)
    tax_amount = Minor(data_key="taxAmount", load_default=None)
    tax_rate = Number(data_key="taxRate", load_default=None)


class CorrectionBody(Schema):
    """What a person has instead of the machine's values; what is not named stays, null takes a value away."""

    iban = Words(40, allow_none=True)
    date = fields.Date(allow_none=True, validate=validate.Range(OLDEST, LATEST))
    due_date = fields.Date(data_key="dueDate", allow_none=True, validate=validate.Range(OLDEST, LATEST))
    currency = fields.String(allow_none=True, validate=_known_currency)
    subtotal = Minor()
    tax_amount = Minor(data_key="taxAmount")
    total_amount = Minor(data_key="totalAmount")
    amount_due = Minor(data_key="amountDue")
    lines = fields.List(fields.Nested(LineBody), data_key="lineItems", validate=validate.Length(max=MAX_LINES))

    @validates_schema
    def _something(self, data: dict[str, Any], **_kwargs: Any) -> None:
        if not data:
            raise ValidationError("Name at least one value.")


@functools.cache
def correction_of(kind: Kind) -> type[Schema]:
    """What may be corrected in a kind's record, under its names for the counterparty and the number."""
    lengths = {"counterparty_name": 300, "counterparty_tax_id": 40, "number": 200}
    own = {kind.columns[column][1]: Words(most, attribute=column, allow_none=True) for column, most in lengths.items()}
    return type(f"{kind.name.capitalize()}CorrectionSchema", (CorrectionBody,), own | {"__doc__": CorrectionBody.__doc__})


class DecisionBody(Schema):
    """Why, if somebody wants to say so."""

    reason = fields.String(load_default="", validate=[validate.Length(max=1000), NO_NUL])


class ReasonBody(Schema):
    """Why: it stands in the audit log."""

    reason = fields.String(required=True, validate=[validate.Length(3, 1000), NO_NUL])


class ExportQuery(RecordFilter):
    """Which records to take out, and how."""

    format = fields.String(load_default="csv", validate=validate.OneOf(FORMATS))


class DocumentSchema(Schema):
    """A document; of one that was erased only the tombstone is left."""

    id = fields.UUID(attribute="document.id")
    kind = fields.String(attribute="document.kind")
    entity_id = fields.UUID(attribute="document.entity_id", data_key="entityId")
    filename = fields.String(attribute="document.filename")
    media_type = fields.String(attribute="document.media_type", data_key="mediaType")
    size = fields.Integer(attribute="document.size")
    sha256 = fields.Method("_sha256", allow_none=True, metadata={"type": ["string", "null"]})
    uploaded_by = fields.UUID(attribute="document.uploaded_by", data_key="uploadedBy", allow_none=True)
    created_at = Instant(attribute="document.created_at", data_key="createdAt")
    erased_at = Instant(attribute="document.erased_at", data_key="erasedAt", allow_none=True)
    erased_by = fields.String(attribute="document.erased_by", data_key="erasedBy", allow_none=True)
    job_id = fields.UUID(attribute="job.id", data_key="jobId")
    job_status = fields.String(attribute="job.status", data_key="jobStatus")
    record_id = fields.Method("_record_id", data_key="recordId", allow_none=True, metadata={"type": ["string", "null"]})

    def _sha256(self, found: Dossier) -> str | None:
        return None if found.document.erased_at else found.document.sha256

    def _record_id(self, found: Dossier) -> str | None:
        return str(found.record.id) if found.record else None


class DecisionFilter(Input):
    """Which decisions of the machine are meant."""

    since = fields.Date(data_key="from", load_default=None)
    until = fields.Date(data_key="to", load_default=None)
    routing = fields.String(load_default=None, validate=validate.OneOf([*Route]))


class DecisionQuery(DecisionFilter):
    """Which decisions of the machine to list."""

    cursor = fields.String(load_default=None, validate=validate.Length(max=500))
    limit = fields.Integer(load_default=50, validate=validate.Range(1, 200))


class DecisionSchema(Schema):
    """What the machine decided about a document, and on what grounds; cost in millionths of a US dollar."""

    id = fields.UUID()
    created_at = Instant(data_key="createdAt")
    document_id = fields.UUID(data_key="documentId")
    job_id = fields.UUID(data_key="jobId")
    record_id = fields.UUID(data_key="recordId", allow_none=True)
    input_hash = fields.String(data_key="inputHash")
    engine = fields.String()
    engine_version = fields.String(data_key="engineVersion")
    confidence = fields.Integer()
    extracted = fields.Dict(keys=fields.String())
    routing = fields.String()
    reason = fields.String()
    consent = fields.Dict(keys=fields.String(), values=fields.Boolean())
    duration_ms = fields.Integer(data_key="durationMs")
    cost = fields.Integer()


class DecisionPageSchema(Schema):
    """A page of the log of decisions."""

    items = fields.List(fields.Nested(DecisionSchema))
    next_cursor = fields.String(data_key="nextCursor", allow_none=True)


class RoutingBody(Schema):
    """Lines of the tenant's own; what is not named stays, null goes back to the service's. The limit is in units of the
    record's currency."""

    auto_create_confidence = fields.Integer(
        data_key="autoCreateConfidence", strict=True, allow_none=True, validate=validate.Range(0, 100)
    )
    auto_create_limit = fields.Integer(data_key="autoCreateLimit", strict=True, allow_none=True, validate=validate.Range(0, 10**12))


class RoutingSchema(Schema):
    """The lines between the ways of a record, as they hold for the tenant."""

    auto_create_confidence = fields.Integer(data_key="autoCreateConfidence")
    review_confidence = fields.Integer(data_key="reviewConfidence")
    limit = fields.Integer(data_key="autoCreateLimit")


class UsageSchema(Schema):
    """The tenant's plan and what is used of this month; no documents allowed named: any number."""

    plan = fields.String(allow_none=True)
    documents = fields.Integer(attribute="allowance.documents", allow_none=True)
    used = fields.Integer()
    max_bytes = fields.Integer(attribute="allowance.size", data_key="maxBytes")
    resets_at = Instant(data_key="resetsAt")


class EntitySchema(Schema):
    """A set of books of the tenant, such as one of its companies."""

    id = fields.UUID()
    name = fields.String()
    created_at = Instant(data_key="createdAt")


class EntityListSchema(Schema):
    """The entities of a tenant."""

    items = fields.List(fields.Nested(EntitySchema))


class WebhookBody(Schema):
    """A webhook that is wanted."""

    url = fields.String(required=True, validate=validate.Length(1, 2000))
    events = fields.List(fields.Enum(Event, by_value=True), load_default=lambda: [*Event], validate=validate.Length(1, len(Event)))


class NewSecretBody(Schema):
    """For how many hours the secret before signs along; 0: it ends at once, as it should when somebody else knows it."""

    overlap = fields.Integer(data_key="overlapHours", load_default=24, strict=True, validate=validate.Range(0, 168))


class WebhookSchema(Schema):
    """A webhook, without its secret."""

    id = fields.UUID()
    url = fields.String()
    events = fields.List(fields.String())
    previous_until = Instant(data_key="previousSecretUntil", allow_none=True)
    paused_at = Instant(data_key="pausedAt", allow_none=True)
    created_by = fields.String(data_key="createdBy")
    created_at = Instant(data_key="createdAt")


class NewWebhookSchema(WebhookSchema):
    """A webhook with the secret that its messages are signed with."""

    secret = fields.String()


class WebhookListSchema(Schema):
    """The webhooks of a tenant."""

    items = fields.List(fields.Nested(WebhookSchema))


class DeliveryQuery(Input):
    """Which page of deliveries."""

    cursor = fields.String(load_default=None, validate=validate.Length(max=500))
    limit = fields.Integer(load_default=50, validate=validate.Range(1, 200))


class Due(Instant):
    """When something is tried next; null while it is held back."""

    def _serialize(self, value: dt.datetime | None, attr: Any, obj: Any, **kwargs: Any) -> str | None:
        return super()._serialize(None if value == HELD else value, attr, obj, **kwargs)


class DeliverySchema(Schema):
    """A message to a webhook, and how far it is."""

    id = fields.UUID()
    event = fields.String()
    record_id = fields.UUID(data_key="recordId")
    status = fields.String()
    attempts = fields.Integer()
    due_at = Due(data_key="nextAttemptAt", allow_none=True)
    last_status = fields.Integer(data_key="lastStatus", allow_none=True)
    last_error = fields.String(data_key="lastError", allow_none=True)
    created_at = Instant(data_key="createdAt")
    ended_at = Instant(data_key="endedAt", allow_none=True)


class DeliveryPageSchema(Schema):
    """A page of deliveries."""

    items = fields.List(fields.Nested(DeliverySchema))
    next_cursor = fields.String(data_key="nextCursor", allow_none=True)


class ConsentChangeSchema(Schema):
    """One time that somebody gave or took back consent: what held from then on."""

    at = Instant(attribute="created_at")
    by = fields.String(attribute="actor")
    role = fields.String()
    address = fields.String()
    consent = fields.String(attribute="reason", metadata={"description": "What held from then on, in words."})


class ConsentHistorySchema(Schema):
    """The history of the acting user's consent, the latest first."""

    items = fields.List(fields.Nested(ConsentChangeSchema))
