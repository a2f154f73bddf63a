"""The two kinds of document as data: everything in which a bill and an invoice differ, and nowhere else."""

from __future__ import annotations

from dataclasses import dataclass

from akount.checks import Finding, examine
from akount.errors import NotFound
from akount.readings import Reading

WEIGHTY = ("total", "currency", "issue_date")
"""The fields that no record can be trusted without, whatever its kind."""

DOUBTING = frozenset({"totals_add_up", "currency_known", "date_plausible", "due_after_date"})
"""The checks whose failure says that one of those fields may be wrong."""


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of document. Code receives a Kind and asks it; it never compares one."""

    name: str
    plural: str
    "its part of the API's paths"
    queue: str
    counterparty_role: str
    party: str
    "the field of a reading that names the counterparty"
    party_tax_id: str
    party_key: str
    "what the API calls the counterparty's name"
    tax_id_key: str
    number_key: str
    "what the API calls the document's number"

    @property
    def required(self) -> tuple[str, ...]:
        """The fields of a reading that a record of this kind cannot do without."""
        return (*WEIGHTY, self.party)

    @property
    def party_is_paid(self) -> bool:
        """Whether the bank account on a document is the counterparty's: it is the seller's."""
        return self.party == "seller_name"

    @property
    def columns(self) -> dict[str, tuple[str, str]]:
        """A column of a record → the field of a reading it holds, and what the API calls it."""
        return {
            "counterparty_name": (self.party, self.party_key),
            "counterparty_tax_id": (self.party_tax_id, self.tax_id_key),
            "number": ("invoice_number", self.number_key),
            "iban": ("iban", "iban"),
            "date": ("issue_date", "date"),
            "due_date": ("due_date", "dueDate"),
            "currency": ("currency", "currency"),
            "subtotal": ("net", "subtotal"),
            "tax_amount": ("tax", "taxAmount"),
            "total_amount": ("total", "totalAmount"),
            "amount_due": ("amount_due", "amountDue"),
        }

    def examine(self, reading: Reading) -> tuple[Finding, ...]:
        """Every finding about a reading of this kind."""
        return examine(reading, self.required)

    def confidence(self, reading: Reading, findings: tuple[Finding, ...]) -> int:
        """How likely all that matters of the record is right, 0-100: as likely as the weakest of its required fields and number.

        Their confidences are probabilities; docs/reading.md shows how well they hold. A missing required field or sums that
        do not add up leave it below the line for review (60 and 80, S6). Other checks that fail say little about what
        matters; routing heeds every one of them."""
        known = [reading.fields[name].confidence for name in self.required if name in reading.fields]
        missing = len(self.required) - len(known)
        known += [reading.fields["invoice_number"].confidence] if "invoice_number" in reading.fields else []
        weakest = min(known, default=0)
        failed = {f.code for f in findings if not f.passed and f.code in DOUBTING}
        ceilings = [weakest, 100 - 25 * missing]
        if "total" not in reading.fields:
            ceilings.append(30)
        if "invoice_number" not in reading.fields:
            ceilings.append(79)
        if failed:
            ceilings.append(75)
        return max(0, min(ceilings))


KINDS: dict[str, Kind] = {
    kind.name: kind
    for kind in (
        Kind("bill", "bills", "bill-scan", "vendor", "seller_name", "seller_vat_id", "vendor", "vendorTaxId", "billNumber"),
        Kind(
            "invoice",
            "invoices",
            "invoice-scan",
            "client",
            "buyer_name",
            "buyer_vat_id",
            "clientName",
            "clientTaxId",
            "invoiceNumber",
        ),
    )
}
DEFAULT_KIND = "bill"
"""What a file is read as when nobody says; receipts are bills."""

QUEUES: tuple[str, ...] = tuple(kind.queue for kind in KINDS.values())


def kind_named(name: str) -> Kind:
    """The kind of that name. Raises NotFound."""
    try:
        return KINDS[name]
    except KeyError:
        raise NotFound(f"There is no kind of document {name[:40]!r}.") from None
