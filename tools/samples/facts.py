"""What the sample documents say: parties, lines, and the sums and taxes that follow from them."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import ROUND_HALF_UP, Decimal


@dataclass(frozen=True)
class Party:
    name: str
    street: str
    postcode: str
    city: str
    country: str  # as printed
    code: str  # ISO 3166
    vat_id: str = ""
    iban: str = ""
    registration: str = ""

    @property
    def address(self) -> list[str]:
        if self.code in {"IE", "GB"}:
            return [self.street, self.city, self.postcode, self.country]
        return [self.street, f"{self.postcode} {self.city}".strip(), self.country]


@dataclass(frozen=True)
class Line:
    description: str
    quantity: Decimal
    unit: str  # UN/ECE recommendation 20
    price: Decimal
    rate: Decimal


@dataclass(frozen=True)
class Document:
    """One document; sums and taxes follow from its lines."""

    file: str
    queue: str  # the route the demo uploads it by: "bill" or "invoice"
    seller: Party
    buyer: Party | None
    number: str
    issued: date
    due: date | None
    currency: str
    lines: Sequence[Line]
    draw: Callable[["Document"], bytes] = field(repr=False)
    kind: str = "invoice"
    document_type: str = "invoice"
    allowance: Decimal = Decimal(0)
    allowance_rate: Decimal = Decimal(0)
    prepaid: Decimal = Decimal(0)
    gross: bool = False  # the lines' prices hold the tax, as in a shop

    def round(self, amount: Decimal) -> Decimal:
        unit = Decimal(1) if self.currency == "JPY" else Decimal("0.01")
        return amount.quantize(unit, ROUND_HALF_UP)

    def amount(self, line: Line) -> Decimal:
        return self.round(line.quantity * line.price)

    @property
    def line_total(self) -> Decimal:
        return sum((self.amount(line) for line in self.lines), Decimal(0))

    @property
    def taxes(self) -> dict[Decimal, tuple[Decimal, Decimal]]:
        """For each rate, the highest first, the amount taxed and the tax."""
        return {rate: self._tax_at(rate) for rate in sorted({line.rate for line in self.lines}, reverse=True)}

    def _tax_at(self, rate: Decimal) -> tuple[Decimal, Decimal]:
        listed = sum((self.amount(line) for line in self.lines if line.rate == rate), Decimal(0))
        if self.gross:
            tax = self.round(listed * rate / (100 + rate))
            return listed - tax, tax
        base = listed - (self.allowance if rate == self.allowance_rate else 0)
        return base, self.round(base * rate / 100)

    @property
    def net(self) -> Decimal:
        return sum((base for base, _ in self.taxes.values()), Decimal(0))

    @property
    def tax(self) -> Decimal:
        return sum((tax for _, tax in self.taxes.values()), Decimal(0))

    @property
    def total(self) -> Decimal:
        return self.net + self.tax

    @property
    def amount_due(self) -> Decimal:
        return self.total - self.prepaid

    def truth(self) -> dict[str, object]:
        """What a reader should find; what the document does not hold is left out."""
        said: dict[str, object] = {
            "document_type": self.document_type,
            "seller_name": self.seller.name,
            "buyer_name": self.buyer.name if self.buyer else "",
            "invoice_number": self.number,
            "issue_date": self.issued.isoformat(),
            "due_date": self.due.isoformat() if self.due else "",
            "currency": self.currency,
            "net": str(self.net),
            "tax": str(self.tax),
            "total": str(self.total),
            "amount_due": str(self.amount_due) if self.due else "",
            "line_total": str(self.line_total),
            "allowance_total": str(self.allowance or ""),
            "prepaid": str(self.prepaid or ""),
            "seller_vat_id": self.seller.vat_id,
            "iban": self.seller.iban if self.document_type == "invoice" else "",
            "lines": [self._line_truth(line) for line in self.lines],
            "line_count": len(self.lines),
        }
        return {name: value for name, value in said.items() if value != ""}

    def _line_truth(self, line: Line) -> dict[str, str]:
        return {
            "description": line.description,
            "quantity": str(line.quantity),
            "unit_price": str(line.price),
            "amount": str(self.amount(line)),
        }

    def record(self) -> dict[str, object]:
        name, _, ending = self.file.rpartition(".")
        input_type = {"jpg": "jpg", "xml": "UBL-Invoice"}.get(ending, "pdf")
        about = {"id": f"samples/{name}", "file": self.file, "kind": self.kind, "input_type": input_type, "queue": self.queue}
        return about | {"truth": self.truth()}


def line(description: str, quantity: str | int, price: str, rate: str, unit: str = "C62") -> Line:
    return Line(description, Decimal(quantity), unit, Decimal(price), Decimal(rate))


def grouped(amount: Decimal, thousands: str = ",", point: str = ".") -> str:
    """Write an amount with its own decimals, in the given marks."""
    return f"{amount:,}".translate({ord(","): thousands, ord("."): point})


def german(amount: Decimal) -> str:
    return grouped(amount, ".", ",")


def french(amount: Decimal) -> str:
    return grouped(amount, "\N{NO-BREAK SPACE}", ",")


def spaced(iban: str) -> str:
    return " ".join(re.findall(".{1,4}", iban))


LARKFIELD = Party(
    "Larkfield Studio Ltd",
    "12 Mill Lane",
    "D08 XX00",
    "Dublin 8",
    "Ireland",
    "IE",
    vat_id="IE9999106WH",
    iban="IE15DEMO99999912345678",
    registration="000417",
)
