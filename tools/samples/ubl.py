"""An invoice as data: UBL 2.1."""

from decimal import Decimal

from lxml import etree

from tools.samples.elements import Xml, serialised
from tools.samples.facts import Document, Line, Party

UBL: dict[str | None, str] = {
    None: "urn:oasis:names:specification:ubl:schema:xsd:Invoice-2",
    "cac": "urn:oasis:names:specification:ubl:schema:xsd:CommonAggregateComponents-2",
    "cbc": "urn:oasis:names:specification:ubl:schema:xsd:CommonBasicComponents-2",
}


def ubl_xml(document: Document) -> bytes:
    x = Xml(UBL)
    assert document.due is not None
    account = x("cac:PayeeFinancialAccount", x("cbc:ID", document.seller.iban), x("cbc:Name", document.seller.name))
    means = x("cac:PaymentMeans", x("cbc:PaymentMeansCode", "30"), x("cbc:PaymentID", document.number), account)
    root = x(
        "Invoice",
        x("cbc:CustomizationID", "urn:cen.eu:en16931:2017#compliant#urn:fdc:peppol.eu:2017:poacc:billing:3.0"),
        x("cbc:ProfileID", "urn:fdc:peppol.eu:2017:poacc:billing:01:1.0"),
        x("cbc:ID", document.number),
        x("cbc:IssueDate", document.issued.isoformat()),
        x("cbc:DueDate", document.due.isoformat()),
        x("cbc:InvoiceTypeCode", "380"),
        x("cbc:Note", "Bedankt voor uw bezoek aan ons grachtenpand."),
        x("cbc:DocumentCurrencyCode", document.currency),
        x("cbc:BuyerReference", "LARK-EVENTS"),
        ubl_party(x, "Supplier", document.seller),
        ubl_party(x, "Customer", document.buyer),
        means,
        x("cac:PaymentTerms", x("cbc:Note", "Betaling binnen 21 dagen")),
        *ubl_sums(x, document),
        *(ubl_line(x, document, position, item) for position, item in enumerate(document.lines, 1)),
    )
    return serialised(root)


def ubl_party(x: Xml, role: str, party: Party | None) -> "etree._Element":
    assert party is not None
    address = x(
        "cac:PostalAddress",
        x("cbc:StreetName", party.street),
        x("cbc:CityName", party.city),
        x("cbc:PostalZone", party.postcode),
        x("cac:Country", x("cbc:IdentificationCode", party.code)),
    )
    scheme = "9944" if party.code == "NL" else "9935"
    legal = x("cac:PartyLegalEntity", x("cbc:RegistrationName", party.name), x("cbc:CompanyID", party.registration))
    return x(
        f"cac:Accounting{role}Party",
        x(
            "cac:Party",
            x("cbc:EndpointID", party.vat_id, schemeID=scheme),
            x("cac:PartyName", x("cbc:Name", party.name)),
            address,
            x("cac:PartyTaxScheme", x("cbc:CompanyID", party.vat_id), x("cac:TaxScheme", x("cbc:ID", "VAT"))),
            legal,
        ),
    )


def ubl_category(x: Xml, name: str, rate: Decimal) -> "etree._Element":
    return x(name, x("cbc:ID", "S"), x("cbc:Percent", str(rate)), x("cac:TaxScheme", x("cbc:ID", "VAT")))


def ubl_sums(x: Xml, document: Document) -> list["etree._Element"]:
    def money(name: str, amount: Decimal) -> "etree._Element":
        return x(f"cbc:{name}", str(amount), currencyID=document.currency)

    allowance = x(
        "cac:AllowanceCharge",
        x("cbc:ChargeIndicator", "false"),
        x("cbc:AllowanceChargeReason", "Relatiekorting"),
        money("Amount", document.allowance),
        ubl_category(x, "cac:TaxCategory", document.allowance_rate),
    )
    subtotals = [
        x("cac:TaxSubtotal", money("TaxableAmount", base), money("TaxAmount", tax), ubl_category(x, "cac:TaxCategory", rate))
        for rate, (base, tax) in document.taxes.items()
    ]
    sums = [("LineExtensionAmount", document.line_total), ("TaxExclusiveAmount", document.net)]
    sums += [("TaxInclusiveAmount", document.total), ("AllowanceTotalAmount", document.allowance)]
    sums += [("PrepaidAmount", document.prepaid), ("PayableAmount", document.amount_due)]
    totals = x("cac:LegalMonetaryTotal", *(money(name, amount) for name, amount in sums))
    return [allowance, x("cac:TaxTotal", money("TaxAmount", document.tax), *subtotals), totals]


def ubl_line(x: Xml, document: Document, position: int, item: Line) -> "etree._Element":
    return x(
        "cac:InvoiceLine",
        x("cbc:ID", str(position)),
        x("cbc:InvoicedQuantity", str(item.quantity), unitCode=item.unit),
        x("cbc:LineExtensionAmount", str(document.amount(item)), currencyID=document.currency),
        x("cac:Item", x("cbc:Name", item.description), ubl_category(x, "cac:ClassifiedTaxCategory", item.rate)),
        x("cac:Price", x("cbc:PriceAmount", str(item.price), currencyID=document.currency)),
    )
