"""An invoice as data: Cross Industry Invoice."""

from datetime import date
from decimal import Decimal

from lxml import etree

from tools.samples.elements import Xml, serialised
from tools.samples.facts import Document, Line, Party

CII: dict[str | None, str] = {
    "rsm": "urn:un:unece:uncefact:data:standard:CrossIndustryInvoice:100",
    "ram": "urn:un:unece:uncefact:data:standard:ReusableAggregateBusinessInformationEntity:100",
    "udt": "urn:un:unece:uncefact:data:standard:UnqualifiedDataType:100",
}


def cii_xml(document: Document) -> bytes:
    x = Xml(CII)
    profile = x("ram:GuidelineSpecifiedDocumentContextParameter", x("ram:ID", "urn:cen.eu:en16931:2017"))
    issued = x("ram:IssueDateTime", cii_day(x, document.issued))
    transaction = x(
        "rsm:SupplyChainTradeTransaction",
        *(cii_line(x, document, position, item) for position, item in enumerate(document.lines, 1)),
        x("ram:ApplicableHeaderTradeAgreement", cii_party(x, "Seller", document.seller), cii_party(x, "Buyer", document.buyer)),
        x("ram:ApplicableHeaderTradeDelivery", cii_delivery(x, document)),
        cii_settlement(x, document),
    )
    header = x("rsm:ExchangedDocument", x("ram:ID", document.number), x("ram:TypeCode", "380"), issued)
    return serialised(x("rsm:CrossIndustryInvoice", x("rsm:ExchangedDocumentContext", profile), header, transaction))


def cii_day(x: Xml, day: date) -> "etree._Element":
    return x("udt:DateTimeString", f"{day:%Y%m%d}", format="102")


def cii_delivery(x: Xml, document: Document) -> "etree._Element":
    return x("ram:ActualDeliverySupplyChainEvent", x("ram:OccurrenceDateTime", cii_day(x, document.issued)))


def cii_line(x: Xml, document: Document, position: int, item: Line) -> "etree._Element":
    tax = (x("ram:TypeCode", "VAT"), x("ram:CategoryCode", "S"), x("ram:RateApplicablePercent", str(item.rate)))
    amount = x("ram:LineTotalAmount", str(document.amount(item)))
    return x(
        "ram:IncludedSupplyChainTradeLineItem",
        x("ram:AssociatedDocumentLineDocument", x("ram:LineID", str(position))),
        x("ram:SpecifiedTradeProduct", x("ram:Name", item.description)),
        x("ram:SpecifiedLineTradeAgreement", x("ram:NetPriceProductTradePrice", x("ram:ChargeAmount", str(item.price)))),
        x("ram:SpecifiedLineTradeDelivery", x("ram:BilledQuantity", str(item.quantity), unitCode=item.unit)),
        x(
            "ram:SpecifiedLineTradeSettlement",
            x("ram:ApplicableTradeTax", *tax),
            x("ram:SpecifiedTradeSettlementLineMonetarySummation", amount),
        ),
    )


def cii_party(x: Xml, role: str, party: Party | None) -> "etree._Element":
    assert party is not None
    address = x(
        "ram:PostalTradeAddress",
        x("ram:PostcodeCode", party.postcode),
        x("ram:LineOne", party.street),
        x("ram:CityName", party.city),
        x("ram:CountryID", party.code),
    )
    registration = x("ram:SpecifiedTaxRegistration", x("ram:ID", party.vat_id, schemeID="VA"))
    return x(f"ram:{role}TradeParty", x("ram:Name", party.name), address, registration)


def cii_settlement(x: Xml, document: Document) -> "etree._Element":
    assert document.due is not None
    account = x("ram:PayeePartyCreditorFinancialAccount", x("ram:IBANID", document.seller.iban))
    return x(
        "ram:ApplicableHeaderTradeSettlement",
        x("ram:PaymentReference", document.number),
        x("ram:InvoiceCurrencyCode", document.currency),
        x("ram:SpecifiedTradeSettlementPaymentMeans", x("ram:TypeCode", "58"), account),
        *(cii_tax(x, rate, base, tax) for rate, (base, tax) in document.taxes.items()),
        x("ram:SpecifiedTradePaymentTerms", x("ram:DueDateDateTime", cii_day(x, document.due))),
        x(
            "ram:SpecifiedTradeSettlementHeaderMonetarySummation",
            x("ram:LineTotalAmount", str(document.line_total)),
            x("ram:TaxBasisTotalAmount", str(document.net)),
            x("ram:TaxTotalAmount", str(document.tax), currencyID=document.currency),
            x("ram:GrandTotalAmount", str(document.total)),
            x("ram:DuePayableAmount", str(document.amount_due)),
        ),
    )


def cii_tax(x: Xml, rate: Decimal, base: Decimal, tax: Decimal) -> "etree._Element":
    return x(
        "ram:ApplicableTradeTax",
        x("ram:CalculatedAmount", str(tax)),
        x("ram:TypeCode", "VAT"),
        x("ram:BasisAmount", str(base)),
        x("ram:CategoryCode", "S"),
        x("ram:RateApplicablePercent", str(rate)),
    )
