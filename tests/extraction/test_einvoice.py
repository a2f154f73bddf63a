import datetime as dt
import io
from decimal import Decimal

import pytest
from pypdf import PdfReader, PdfWriter
from reportlab.pdfgen import canvas

from akount.errors import Unreadable
from akount.extraction.einvoice import EInvoice
from akount.extraction.engines import read_source
from akount.readings import Reading, Source

CII = """<?xml version="1.0" encoding="UTF-8"?>
<rsm:CrossIndustryInvoice xmlns:rsm="urn:un:unece:uncefact:data:standard:CrossIndustryInvoice:100"
 xmlns:ram="urn:un:unece:uncefact:data:standard:ReusableAggregateBusinessInformationEntity:100"
 xmlns:udt="urn:un:unece:uncefact:data:standard:UnqualifiedDataType:100">
 <rsm:ExchangedDocument><ram:ID>R-77</ram:ID><ram:TypeCode>{type}</ram:TypeCode>
  <ram:IssueDateTime><udt:DateTimeString format="102">{date}</udt:DateTimeString></ram:IssueDateTime></rsm:ExchangedDocument>
 <rsm:SupplyChainTradeTransaction>
  <ram:IncludedSupplyChainTradeLineItem>
   <ram:SpecifiedTradeProduct><ram:Name>Oak board</ram:Name></ram:SpecifiedTradeProduct>
   <ram:SpecifiedLineTradeAgreement><ram:NetPriceProductTradePrice><ram:ChargeAmount>25.00</ram:ChargeAmount>
   </ram:NetPriceProductTradePrice></ram:SpecifiedLineTradeAgreement>
   <ram:SpecifiedLineTradeDelivery><ram:BilledQuantity unitCode="C62">4</ram:BilledQuantity></ram:SpecifiedLineTradeDelivery>
   <ram:SpecifiedLineTradeSettlement>
    <ram:ApplicableTradeTax><ram:RateApplicablePercent>19</ram:RateApplicablePercent></ram:ApplicableTradeTax>
    <ram:SpecifiedTradeSettlementLineMonetarySummation><ram:LineTotalAmount>100.00</ram:LineTotalAmount>
    </ram:SpecifiedTradeSettlementLineMonetarySummation></ram:SpecifiedLineTradeSettlement>
  </ram:IncludedSupplyChainTradeLineItem>
  <ram:ApplicableHeaderTradeAgreement>
   <ram:SellerTradeParty><ram:Name>Holz &amp; Söhne KG</ram:Name>
    <ram:SpecifiedTaxRegistration><ram:ID schemeID="FC">201/113</ram:ID></ram:SpecifiedTaxRegistration>
    <ram:SpecifiedTaxRegistration><ram:ID schemeID="VA">DE136695976</ram:ID></ram:SpecifiedTaxRegistration></ram:SellerTradeParty>
   <ram:BuyerTradeParty><ram:Name>Möbelhaus Nord</ram:Name></ram:BuyerTradeParty>
  </ram:ApplicableHeaderTradeAgreement>
  <ram:ApplicableHeaderTradeSettlement>{currency}
   <ram:SpecifiedTradeSettlementPaymentMeans><ram:PayeePartyCreditorFinancialAccount><ram:IBANID>{iban}</ram:IBANID>
   </ram:PayeePartyCreditorFinancialAccount></ram:SpecifiedTradeSettlementPaymentMeans>
   <ram:ApplicableTradeTax><ram:CalculatedAmount>19.00</ram:CalculatedAmount><ram:TypeCode>VAT</ram:TypeCode>
    <ram:BasisAmount>100.00</ram:BasisAmount><ram:RateApplicablePercent>19</ram:RateApplicablePercent></ram:ApplicableTradeTax>
   <ram:SpecifiedTradeSettlementHeaderMonetarySummation>
    <ram:LineTotalAmount>100.00</ram:LineTotalAmount><ram:TaxBasisTotalAmount>100.00</ram:TaxBasisTotalAmount>
    <ram:TaxTotalAmount currencyID="PLN">81.70</ram:TaxTotalAmount><ram:TaxTotalAmount currencyID="EUR">19.00</ram:TaxTotalAmount>
    <ram:GrandTotalAmount>{total}</ram:GrandTotalAmount><ram:TotalPrepaidAmount>19.00</ram:TotalPrepaidAmount>
    <ram:DuePayableAmount>100.00</ram:DuePayableAmount>
   </ram:SpecifiedTradeSettlementHeaderMonetarySummation>
  </ram:ApplicableHeaderTradeSettlement>
 </rsm:SupplyChainTradeTransaction>
</rsm:CrossIndustryInvoice>"""
GOOD = {
    "type": "380",
    "date": "20240517",
    "currency": "<ram:InvoiceCurrencyCode>EUR</ram:InvoiceCurrencyCode>",
    "iban": "DE89 3704 0044 0532 0130 00",
    "total": "119.00",
}
UBL_CREDIT = """<CreditNote xmlns="urn:oasis:names:specification:ubl:schema:xsd:CreditNote-2"
 xmlns:cac="urn:oasis:names:specification:ubl:schema:xsd:CommonAggregateComponents-2"
 xmlns:cbc="urn:oasis:names:specification:ubl:schema:xsd:CommonBasicComponents-2">
 <cbc:ID>CN-1</cbc:ID><cbc:IssueDate>2024-02-05</cbc:IssueDate><cbc:DocumentCurrencyCode>SEK</cbc:DocumentCurrencyCode>
 <cac:AccountingSupplierParty><cac:Party><cac:PartyName><cbc:Name>Trading name</cbc:Name></cac:PartyName>
  <cac:PartyTaxScheme><cbc:CompanyID>Godkänd för F-skatt</cbc:CompanyID><cac:TaxScheme><cbc:ID>TAX</cbc:ID></cac:TaxScheme>
  </cac:PartyTaxScheme>
  <cac:PartyTaxScheme><cbc:CompanyID>SE123456789001</cbc:CompanyID><cac:TaxScheme><cbc:ID>VAT</cbc:ID></cac:TaxScheme>
  </cac:PartyTaxScheme>
  <cac:PartyLegalEntity><cbc:RegistrationName>Legal name AB</cbc:RegistrationName></cac:PartyLegalEntity></cac:Party>
  </cac:AccountingSupplierParty>
 <cac:TaxTotal><cbc:TaxAmount currencyID="SEK">25.00</cbc:TaxAmount></cac:TaxTotal>
 <cac:LegalMonetaryTotal><cbc:TaxExclusiveAmount currencyID="SEK">100.00</cbc:TaxExclusiveAmount>
  <cbc:PayableAmount currencyID="SEK">125.00</cbc:PayableAmount></cac:LegalMonetaryTotal>
 <cac:CreditNoteLine><cbc:CreditedQuantity>2</cbc:CreditedQuantity><cbc:LineExtensionAmount>130.00</cbc:LineExtensionAmount>
  <cac:Item><cbc:Name>Chair</cbc:Name></cac:Item></cac:CreditNoteLine>
 <cac:CreditNoteLine><cbc:CreditedQuantity>-1</cbc:CreditedQuantity><cbc:LineExtensionAmount>-30.00</cbc:LineExtensionAmount>
  <cac:Item><cbc:Name>Cushion</cbc:Name></cac:Item></cac:CreditNoteLine>
</CreditNote>"""
ZUGFERD_1 = """<rsm:CrossIndustryDocument
 xmlns:rsm="urn:ferd:CrossIndustryDocument:invoice:1p0" xmlns:ram="urn:ram" xmlns:udt="urn:udt">
 <rsm:HeaderExchangedDocument><ram:ID>Z-1</ram:ID><ram:TypeCode>380</ram:TypeCode>
  <ram:IssueDateTime><udt:DateTimeString>20130305</udt:DateTimeString></ram:IssueDateTime></rsm:HeaderExchangedDocument>
 <rsm:SpecifiedSupplyChainTradeTransaction>
  <ram:ApplicableSupplyChainTradeAgreement><ram:SellerTradeParty><ram:Name>Alt GmbH</ram:Name></ram:SellerTradeParty>
  </ram:ApplicableSupplyChainTradeAgreement>
  <ram:ApplicableSupplyChainTradeSettlement><ram:InvoiceCurrencyCode>EUR</ram:InvoiceCurrencyCode>
   <ram:SpecifiedTradeSettlementMonetarySummation><ram:TaxBasisTotalAmount>10.00</ram:TaxBasisTotalAmount>
    <ram:TaxTotalAmount>1.90</ram:TaxTotalAmount><ram:GrandTotalAmount>11.90</ram:GrandTotalAmount>
   </ram:SpecifiedTradeSettlementMonetarySummation></ram:ApplicableSupplyChainTradeSettlement>
  <ram:IncludedSupplyChainTradeLineItem><ram:SpecifiedTradeProduct><ram:Name>Paper</ram:Name></ram:SpecifiedTradeProduct>
   <ram:SpecifiedSupplyChainTradeDelivery><ram:BilledQuantity>5</ram:BilledQuantity></ram:SpecifiedSupplyChainTradeDelivery>
   <ram:SpecifiedSupplyChainTradeSettlement><ram:SpecifiedTradeSettlementMonetarySummation>
  <ram:LineTotalAmount>10.00</ram:LineTotalAmount>
   </ram:SpecifiedTradeSettlementMonetarySummation></ram:SpecifiedSupplyChainTradeSettlement>
  </ram:IncludedSupplyChainTradeLineItem>
 </rsm:SpecifiedSupplyChainTradeTransaction></rsm:CrossIndustryDocument>"""


def read(xml: str) -> Reading:
    return EInvoice().read(Source(xml.encode(), "application/xml"), lambda _share: None)


def cii(**changes: str) -> str:
    return CII.format(**{**GOOD, **changes})


def refusal(xml: str | bytes) -> Unreadable:
    data = xml if isinstance(xml, bytes) else xml.encode()
    with pytest.raises(Unreadable) as caught:
        read_source(Source(data, "application/xml"))
    return caught.value


def pdf_with(attachment: bytes, *printed: str) -> bytes:
    page = io.BytesIO()
    drawing = canvas.Canvas(page)
    for number, line in enumerate(printed):
        drawing.drawString(60, 780 - 20 * number, line)
    drawing.save()
    writer = PdfWriter(clone_from=PdfReader(page))
    writer.add_attachment("factur-x.xml", attachment)
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


def test_cii_gives_every_term() -> None:
    reading = read(cii())
    assert {name: value.value for name, value in reading.fields.items()} == {
        "invoice_number": "R-77",
        "issue_date": dt.date(2024, 5, 17),
        "currency": "EUR",
        "seller_name": "Holz & Söhne KG",
        "buyer_name": "Möbelhaus Nord",
        "seller_vat_id": "DE136695976",
        "iban": "DE89370400440532013000",
        "line_total": Decimal("100.00"),
        "net": Decimal("100.00"),
        "tax": Decimal("19.00"),
        "total": Decimal("119.00"),
        "prepaid": Decimal("19.00"),
        "amount_due": Decimal("100.00"),
    }
    assert all(value.confidence == 99 for value in reading.fields.values())
    assert reading.warnings == ()
    (line,) = reading.lines
    assert (line.description, line.quantity, line.unit_price, line.amount, line.tax_rate) == (
        "Oak board",
        Decimal(4),
        Decimal("25.00"),
        Decimal("100.00"),
        Decimal(19),
    )
    assert [(band.rate, band.base, band.amount) for band in reading.tax_bands] == [
        (Decimal(19), Decimal("100.00"), Decimal("19.00"))
    ]


def test_zugferd_1_is_read_by_the_same_table() -> None:
    reading = read(ZUGFERD_1)
    assert (reading.get("total"), reading.get("net"), reading.get("seller_name")) == (
        Decimal("11.90"),
        Decimal("10.00"),
        "Alt GmbH",
    )
    assert [(line.quantity, line.amount) for line in reading.lines] == [(Decimal(5), Decimal("10.00"))]


def test_credits_are_negative_and_quantities_stay() -> None:
    reading = read(UBL_CREDIT)
    assert reading.credit_note
    assert (reading.get("net"), reading.get("tax"), reading.get("total")) == (Decimal(-100), Decimal(-25), Decimal(-125))
    assert [(line.quantity, line.amount) for line in reading.lines] == [(Decimal(2), Decimal(-130)), (Decimal(-1), Decimal(30))]


def test_a_cii_credit_note_is_told_by_its_type() -> None:
    assert read(cii(type="381")).get("total") == Decimal("-119.00")


def test_the_registered_name_and_the_vat_id_win() -> None:
    reading = read(UBL_CREDIT)
    assert (reading.get("seller_name"), reading.get("seller_vat_id")) == ("Legal name AB", "SE123456789001")


@pytest.mark.parametrize(
    ("changes", "word", "missing"),
    [
        ({"currency": ""}, "currency", "currency"),
        ({"iban": "DE89370400440532013001"}, "check digits", None),
        ({"date": "20240231"}, "date", "issue_date"),
        ({"total": "120.00"}, "BR-CO-15", None),
    ],
)
def test_what_is_not_valid_is_said(changes: dict[str, str], word: str, missing: str | None) -> None:
    reading = read(cii(**changes))
    assert any(word in warning for warning in reading.warnings)
    assert missing is None or missing not in reading.fields


def test_a_decimal_comma_is_understood_but_not_trusted() -> None:
    reading = read(cii(total="1.119,00"))
    assert reading.fields["total"].value == Decimal("1119.00")
    assert reading.fields["total"].confidence < 60
    assert reading.warnings


@pytest.mark.parametrize(
    ("xml", "code"),
    [
        (cii()[:900], "malformed_xml"),
        ("no xml at all", "malformed_xml"),
        ('<Order xmlns="urn:oasis:names:specification:ubl:schema:xsd:Order-2"/>', "not_an_invoice"),
        ("<CrossIndustryInvoice/>", "not_an_invoice"),
        ('<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/hostname">]><a>&x;</a>', "xml_doctype"),
        ('<!DOCTYPE a [<!ENTITY x "ha">' + "".join(f'<!ENTITY x{n} "&x;&x;">' for n in range(9)) + "]><a>&x8;</a>", "xml_doctype"),
    ],
)
def test_what_cannot_be_read_is_refused_with_its_code(xml: str, code: str) -> None:
    assert refusal(xml).code == code


def test_xml_in_a_pdf_is_found_and_placed_on_the_page() -> None:
    data = pdf_with(cii().encode(), "Rechnung R-77", "Datum 17.05.2024", "Netto 100,00 EUR", "MwSt 19,00 EUR", "Gesamt 119,00 EUR")
    reading = read_source(Source(data, "application/pdf"))
    assert reading.engine == "einvoice"
    assert reading.warnings == ()
    evidence = reading.fields["total"].evidence
    assert evidence is not None and evidence.box is not None and evidence.page == 1
    assert evidence.box[0] == pytest.approx(60 / 595, abs=0.12)


def test_xml_that_says_something_else_than_the_page_is_reported() -> None:
    data = pdf_with(cii().encode(), "Rechnung R-78", "Datum 17.05.2024", "Netto 200,00 EUR", "MwSt 38,00 EUR", "Gesamt 238,00 EUR")
    warnings = " ".join(read_source(Source(data, "application/pdf")).warnings)
    assert "invoice number" in warnings
    assert "total" in warnings
    assert "issue date" not in warnings


def test_a_pdf_whose_attachment_is_damaged_is_read_from_its_pages() -> None:
    data = pdf_with(
        b"<broken", "Rechnung Nr. 4711", "Datum: 17.05.2024", "Netto 100,00 EUR", "MwSt 19% 19,00 EUR", "Gesamtbetrag 119,00 EUR"
    )
    reading = read_source(Source(data, "application/pdf"))
    assert reading.engine == "textlayer"
    assert [(refusal.engine, refusal.code) for refusal in reading.refusals] == [("einvoice", "malformed_xml")]
