"""Where each term of an electronic bill stands in CII and UBL, and the reading of a parsed tree by those tables.

The tables are paths of local names: `plain_names` takes the namespaces off a tree and gives the elements of ZUGFeRD 1.0
the names they have today, so that one table serves every version of a syntax.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Any

from akount.readings import DATE_FIELDS, MONEY_FIELDS, Evidence, Line, TaxBand, Value, clean_text

ENGINE = "einvoice"

Paths = tuple[str, ...]
"""Paths in order of preference; the first that has a text wins. `$currency` stands for the document's currency."""


@dataclass(frozen=True, slots=True)
class Syntax:
    """One XML language of bills: where its terms are."""

    name: str
    type_code: Paths
    fields: dict[str, Paths]
    lines: Paths
    line: dict[str, Paths]
    bands: Paths
    band: dict[str, Paths]
    credit_root: bool = False


_HEAD = "ExchangedDocument"
_TRADE = "SupplyChainTradeTransaction"
_DEAL = f"{_TRADE}/ApplicableHeaderTradeAgreement"
_PAY = f"{_TRADE}/ApplicableHeaderTradeSettlement"
_SUM = f"{_PAY}/SpecifiedTradeSettlementHeaderMonetarySummation"
_LINE_PAY = "SpecifiedLineTradeSettlement"
_LINE_SUM = f"{_LINE_PAY}/SpecifiedTradeSettlementLineMonetarySummation"
_NET_PRICE = "SpecifiedLineTradeAgreement/NetPriceProductTradePrice"

CII = Syntax(
    name="CII",
    type_code=(f"{_HEAD}/TypeCode",),
    fields={
        "invoice_number": (f"{_HEAD}/ID",),
        "issue_date": (f"{_HEAD}/IssueDateTime/DateTimeString", f"{_HEAD}/IssueDateTime/DateTime"),
        "due_date": (
            f"{_PAY}/SpecifiedTradePaymentTerms/DueDateDateTime/DateTimeString",
            f"{_PAY}/SpecifiedTradePaymentTerms/DueDateDateTime/DateTime",
        ),
        "currency": (f"{_PAY}/InvoiceCurrencyCode",),
        "seller_name": (
            f"{_DEAL}/SellerTradeParty/Name",
            f"{_DEAL}/SellerTradeParty/SpecifiedLegalOrganization/TradingBusinessName",
        ),
        "buyer_name": (f"{_DEAL}/BuyerTradeParty/Name", f"{_DEAL}/BuyerTradeParty/SpecifiedLegalOrganization/TradingBusinessName"),
        "seller_vat_id": (f"{_DEAL}/SellerTradeParty/SpecifiedTaxRegistration/ID[@schemeID='VA']",),
        "buyer_vat_id": (f"{_DEAL}/BuyerTradeParty/SpecifiedTaxRegistration/ID[@schemeID='VA']",),
        "iban": (f"{_PAY}/SpecifiedTradeSettlementPaymentMeans/PayeePartyCreditorFinancialAccount/IBANID",),
        "payment_terms": (f"{_PAY}/SpecifiedTradePaymentTerms/Description",),
        "line_total": (f"{_SUM}/LineTotalAmount",),
        "allowance_total": (f"{_SUM}/AllowanceTotalAmount",),
        "charge_total": (f"{_SUM}/ChargeTotalAmount",),
        "net": (f"{_SUM}/TaxBasisTotalAmount",),
        "tax": (f"{_SUM}/TaxTotalAmount[@currencyID=$currency]", f"{_SUM}/TaxTotalAmount"),
        "total": (f"{_SUM}/GrandTotalAmount[@currencyID=$currency]", f"{_SUM}/GrandTotalAmount"),
        "prepaid": (f"{_SUM}/TotalPrepaidAmount",),
        "rounding": (f"{_SUM}/RoundingAmount",),
        "amount_due": (f"{_SUM}/DuePayableAmount",),
    },
    lines=(f"{_TRADE}/IncludedSupplyChainTradeLineItem",),
    line={
        "description": (
            "SpecifiedTradeProduct/Name",
            "SpecifiedTradeProduct/Description",
            "AssociatedDocumentLineDocument/IncludedNote/Content",
        ),
        "quantity": ("SpecifiedLineTradeDelivery/BilledQuantity",),
        "unit_price": (f"{_NET_PRICE}/ChargeAmount",),
        "amount": (f"{_LINE_SUM}/LineTotalAmount",),
        "tax_rate": (f"{_LINE_PAY}/ApplicableTradeTax/RateApplicablePercent",),
        "tax_amount": (f"{_LINE_PAY}/ApplicableTradeTax/CalculatedAmount",),
    },
    bands=(f"{_PAY}/ApplicableTradeTax",),
    band={
        "name": ("TypeCode",),
        "rate": ("RateApplicablePercent",),
        "base": ("BasisAmount",),
        "amount": ("CalculatedAmount",),
    },
)

_SELLER = "AccountingSupplierParty/Party"
_BUYER = "AccountingCustomerParty/Party"
_TOTALS = "LegalMonetaryTotal"


def _ubl(name: str, line: str, quantity: str, *, credit: bool) -> Syntax:
    return Syntax(
        name=name,
        type_code=("InvoiceTypeCode", "CreditNoteTypeCode"),
        fields={
            "invoice_number": ("ID",),
            "issue_date": ("IssueDate",),
            "due_date": ("DueDate", "PaymentMeans/PaymentDueDate", "PaymentTerms/PaymentDueDate"),
            "currency": ("DocumentCurrencyCode",),
            "seller_name": (f"{_SELLER}/PartyLegalEntity/RegistrationName", f"{_SELLER}/PartyName/Name"),
            "buyer_name": (f"{_BUYER}/PartyLegalEntity/RegistrationName", f"{_BUYER}/PartyName/Name"),
            "seller_vat_id": (f"{_SELLER}/PartyTaxScheme[normalize-space(TaxScheme/ID)='VAT']/CompanyID",),
            "buyer_vat_id": (f"{_BUYER}/PartyTaxScheme[normalize-space(TaxScheme/ID)='VAT']/CompanyID",),
            "iban": ("PaymentMeans/PayeeFinancialAccount/ID",),
            "payment_terms": ("PaymentTerms/Note",),
            "line_total": (f"{_TOTALS}/LineExtensionAmount",),
            "allowance_total": (f"{_TOTALS}/AllowanceTotalAmount",),
            "charge_total": (f"{_TOTALS}/ChargeTotalAmount",),
            "net": (f"{_TOTALS}/TaxExclusiveAmount",),
            "tax": ("TaxTotal/TaxAmount[@currencyID=$currency]", "TaxTotal/TaxAmount"),
            "total": (f"{_TOTALS}/TaxInclusiveAmount",),
            "prepaid": (f"{_TOTALS}/PrepaidAmount",),
            "rounding": (f"{_TOTALS}/PayableRoundingAmount",),
            "amount_due": (f"{_TOTALS}/PayableAmount",),
        },
        lines=(line,),
        line={
            "description": ("Item/Name", "Item/Description", "Note"),
            "quantity": (quantity,),
            "unit_price": ("Price/PriceAmount",),
            "amount": ("LineExtensionAmount",),
            "tax_rate": ("Item/ClassifiedTaxCategory/Percent", "TaxTotal/TaxSubtotal/TaxCategory/Percent"),
            "tax_amount": ("TaxTotal/TaxAmount",),
        },
        bands=("TaxTotal/TaxSubtotal",),
        band={
            "name": ("TaxCategory/TaxScheme/ID",),
            "rate": ("TaxCategory/Percent", "Percent"),
            "base": ("TaxableAmount",),
            "amount": ("TaxAmount",),
        },
        credit_root=credit,
    )


UBL_BILL = _ubl("UBL", "InvoiceLine", "InvoicedQuantity", credit=False)
UBL_CREDIT = _ubl("UBL credit note", "CreditNoteLine", "CreditedQuantity", credit=True)

ROOTS: dict[tuple[str, str], Syntax] = {
    ("urn:un:unece:uncefact:data:standard:CrossIndustryInvoice:100", "CrossIndustryInvoice"): CII,
    ("urn:ferd:CrossIndustryDocument:invoice:1p0", "CrossIndustryDocument"): CII,
    ("urn:ferd:invoice:rc:comfort", "CrossIndustryDocument"): CII,
    ("urn:oasis:names:specification:ubl:schema:xsd:Invoice-2", "Invoice"): UBL_BILL,
    ("urn:oasis:names:specification:ubl:schema:xsd:CreditNote-2", "CreditNote"): UBL_CREDIT,
}
"""(namespace, local name) of the root → its syntax."""

_NAMES_OF_ZUGFERD_1 = {
    "HeaderExchangedDocument": "ExchangedDocument",
    "SpecifiedSupplyChainTradeTransaction": "SupplyChainTradeTransaction",
    "ApplicableSupplyChainTradeAgreement": "ApplicableHeaderTradeAgreement",
    "ApplicableSupplyChainTradeSettlement": "ApplicableHeaderTradeSettlement",
    "SpecifiedSupplyChainTradeAgreement": "SpecifiedLineTradeAgreement",
    "SpecifiedSupplyChainTradeDelivery": "SpecifiedLineTradeDelivery",
    "SpecifiedSupplyChainTradeSettlement": "SpecifiedLineTradeSettlement",
    "ApplicablePercent": "RateApplicablePercent",
}
_SUMMATION_OF_ZUGFERD_1 = "SpecifiedTradeSettlementMonetarySummation"

CREDIT_TYPES = frozenset({"81", "83", "261", "262", "296", "308", "381", "396", "420", "458", "532"})
"""UNTDID 1001 codes of documents that give money back."""

_REQUIRED = {
    "invoice_number": "The document has no number.",
    "issue_date": "The document has no date of issue.",
    "currency": "The document does not name its currency.",
    "seller_name": "The document does not name the seller.",
    "total": "The document has no total.",
}
_DECIMAL = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)\Z")
_IBAN = re.compile(r"[A-Z]{2}\d{2}[A-Z0-9]{10,30}\Z")
SURE, DOUBTFUL = 99, 50


@dataclass(slots=True)
class Terms:
    """What a tree says, and what is wrong with it."""

    fields: dict[str, Value] = field(default_factory=dict)
    lines: list[Line] = field(default_factory=list)
    bands: list[TaxBand] = field(default_factory=list)
    credit_note: bool = False
    warnings: list[str] = field(default_factory=list)


def plain_names(root: Any) -> None:
    """Take the namespaces off every element, in place, and give those of ZUGFeRD 1.0 their names of today."""
    for element in root.iter("{*}*"):
        name = element.tag.rpartition("}")[2]
        if name == _SUMMATION_OF_ZUGFERD_1:
            header = element.getparent().tag == "ApplicableHeaderTradeSettlement"
            name = f"SpecifiedTradeSettlement{'Header' if header else 'Line'}MonetarySummation"
        element.tag = _NAMES_OF_ZUGFERD_1.get(name, name)


def read_terms(root: Any, syntax: Syntax) -> Terms:
    """The terms of a tree that went through `plain_names`. Credits come out negative, quantities and prices as given."""
    terms = Terms()
    currency = _first(root, syntax.fields["currency"])
    for name, paths in syntax.fields.items():
        found = _field(name, _first(root, paths, currency), terms.warnings)
        if found is not None:
            terms.fields[name] = found
    terms.lines = [_line(element, syntax, terms.warnings) for element in _elements(root, syntax.lines)]
    terms.bands = [_band(element, syntax, terms.warnings) for element in _elements(root, syntax.bands)]
    _complete_total(terms)
    _compare_total(terms)
    terms.warnings += [sentence for name, sentence in _REQUIRED.items() if name not in terms.fields]
    terms.credit_note = syntax.credit_root or _first(root, syntax.type_code) in CREDIT_TYPES
    if terms.credit_note:
        _negate(terms)
    return terms


def _first(element: Any, paths: Paths, currency: str = "") -> str:
    for path in paths:
        for found in element.xpath(path, currency=currency):
            text = clean_text(found.text or "")
            if text:
                return text
    return ""


def _elements(root: Any, paths: Paths) -> Iterator[Any]:
    for path in paths:
        yield from root.xpath(path)


def _field(name: str, raw: str, warnings: list[str]) -> Value | None:
    if not raw:
        return None
    evidence = Evidence(1, None, raw, ENGINE)
    if name in MONEY_FIELDS:
        number, sure = _number(raw, name, warnings)
        return None if number is None else Value(number, SURE if sure else DOUBTFUL, evidence)
    if name in DATE_FIELDS:
        date = _date(raw, name, warnings)
        return None if date is None else Value(date, SURE, evidence)
    if name == "currency":
        return _currency(raw, evidence, warnings)
    if name == "iban":
        return _iban(raw, evidence, warnings)
    return Value(raw, SURE, evidence)


def _number(raw: str, name: str, warnings: list[str]) -> tuple[Decimal | None, bool]:
    """The number and whether it is written as XML Schema wants it; a decimal comma is understood, but not trusted."""
    text = raw
    if not _DECIMAL.match(raw):
        warnings.append(f"{_words(name)} is not a valid amount: {raw[:40]!r}.")
        text = raw.replace(".", "").replace(",", ".") if "," in raw else raw
    try:
        number = Decimal(text.replace(" ", ""))
    except InvalidOperation:
        return None, False
    return (number, text == raw) if number.is_finite() and number.adjusted() < 18 else (None, False)


def _date(raw: str, name: str, warnings: list[str]) -> dt.date | None:
    digits = re.match(r"(\d{4})-?(\d{2})-?(\d{2})", raw)
    try:
        return dt.date(*(int(part) for part in digits.groups())) if digits else _no_date(raw, name, warnings)
    except ValueError:
        return _no_date(raw, name, warnings)


def _no_date(raw: str, name: str, warnings: list[str]) -> None:
    warnings.append(f"{_words(name)} is not a date: {raw[:40]!r}.")


def _currency(raw: str, evidence: Evidence, warnings: list[str]) -> Value | None:
    if re.fullmatch(r"[A-Z]{3}", raw):
        return Value(raw, SURE, evidence)
    warnings.append(f"The currency is not an ISO 4217 code: {raw[:40]!r}.")
    return None


def _iban(raw: str, evidence: Evidence, warnings: list[str]) -> Value | None:
    """None for an account number that is not shaped like an IBAN: such accounts are common outside Europe."""
    from stdnum import iban

    compact = re.sub(r"[\s.-]", "", raw).upper()
    if not _IBAN.match(compact):
        return None
    if iban.is_valid(compact):
        return Value(compact, SURE, evidence)
    warnings.append(f"The check digits of the IBAN {compact} are wrong; compare it with the seller's known account before paying.")
    return Value(compact, DOUBTFUL, evidence)


def _numbers(element: Any, table: dict[str, Paths], names: Iterable[str], warnings: list[str]) -> dict[str, Decimal | None]:
    found = {name: _first(element, table[name]) for name in names}
    return {name: _number(raw, name, warnings)[0] if raw else None for name, raw in found.items()}


def _line(element: Any, syntax: Syntax, warnings: list[str]) -> Line:
    description = _first(element, syntax.line["description"])
    names = ("quantity", "unit_price", "amount", "tax_rate", "tax_amount")
    numbers = _numbers(element, syntax.line, names, warnings)
    return Line(description, **numbers, confidence=SURE, evidence=Evidence(1, None, description, ENGINE))


def _band(element: Any, syntax: Syntax, warnings: list[str]) -> TaxBand:
    numbers = _numbers(element, syntax.band, ("rate", "base", "amount"), warnings)
    return TaxBand(_first(element, syntax.band["name"]), **numbers)


def _complete_total(terms: Terms) -> None:
    """Older profiles may leave out the total; then it is the net amount and the tax, or what is to be paid and was paid."""
    values = {name: value.value for name, value in terms.fields.items() if name in MONEY_FIELDS}
    if "total" in values:
        return
    net, tax, due = values.get("net"), values.get("tax"), values.get("amount_due")
    if isinstance(net, Decimal) and isinstance(tax, Decimal):
        total = net + tax
    elif isinstance(due, Decimal):
        total = due + Decimal(values.get("prepaid") or 0)
    else:
        return
    terms.fields["total"] = Value(total, 90, Evidence(1, None, format(total, "f"), ENGINE))


def _compare_total(terms: Terms) -> None:
    net, tax, total = (terms.fields[name].value if name in terms.fields else None for name in ("net", "tax", "total"))
    if isinstance(net, Decimal) and isinstance(tax, Decimal) and isinstance(total, Decimal) and net + tax != total:
        terms.warnings.append(f"Net {net:f} and tax {tax:f} do not make the total {total:f} (rule BR-CO-15).")


def _negate(terms: Terms) -> None:
    """A credit note states what is given back as positive amounts. One with a negative total already has our sign."""
    total = terms.fields.get("total")
    if total is not None and isinstance(total.value, Decimal) and total.value < 0:
        terms.warnings.append("The credit note has a negative total; it was taken as money given back.")
        return
    for name, value in terms.fields.items():
        if isinstance(value.value, Decimal):
            terms.fields[name] = Value(-value.value, value.confidence, value.evidence)
    terms.lines = [
        Line(
            one.description,
            one.quantity,
            one.unit_price,
            _minus(one.amount),
            one.tax_rate,
            _minus(one.tax_amount),
            one.confidence,
            one.evidence,
        )
        for one in terms.lines
    ]
    terms.bands = [TaxBand(band.name, band.rate, _minus(band.base), _minus(band.amount)) for band in terms.bands]


def _minus(number: Decimal | None) -> Decimal | None:
    return None if number is None else -number if number else number


def _words(name: str) -> str:
    return name.replace("_", " ").capitalize()
