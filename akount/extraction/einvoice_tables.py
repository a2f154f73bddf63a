"""Where each term of an electronic bill stands in CII and UBL: paths of local names, for trees without namespaces."""

from __future__ import annotations

from dataclasses import dataclass

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
