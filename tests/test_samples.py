"""The sample documents are what their maker makes, and what truth.jsonl says of them holds."""

import io
import json
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path

import numpy as np
import pypdfium2
import pytest
from facturx import get_facturx_xml_from_pdf, xml_check_xsd
from lxml import etree
from PIL import Image
from stdnum import iban
from stdnum.ch import vat as swiss_vat
from stdnum.eu import vat as european_vat
from stdnum.gb import vat as british_vat

from tools.samples.__main__ import make_samples

ROOT = Path(__file__).parent.parent
SAMPLES = ROOT / "samples"
RECORDS = [json.loads(record) for record in (SAMPLES / "truth.jsonl").read_text(encoding="utf-8").splitlines()]
PICTURES = {"hardware-receipt-photo-eur.jpg", "credit-note-scan-eur.pdf"}
every_record = pytest.mark.parametrize("record", RECORDS, ids=lambda record: record["id"])


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("samples")
    make_samples(directory)
    return directory


def picture(path: Path) -> np.ndarray:
    if path.suffix == ".jpg":
        return np.asarray(Image.open(io.BytesIO(path.read_bytes())).convert("L"), dtype=float)
    document = pypdfium2.PdfDocument(path.read_bytes())
    try:
        return np.asarray(document[0].render(scale=1).to_pil().convert("L"), dtype=float)
    finally:
        document.close()


def sum_of(values: list[str]) -> Decimal:
    return sum(map(Decimal, values), Decimal(0))


def test_the_folder_holds_the_documents_on_record_and_stays_small():
    files = {path.name for path in SAMPLES.iterdir()}
    assert files >= {record["file"] for record in RECORDS}
    assert len(RECORDS) == 8
    assert {record["queue"] for record in RECORDS} == {"bill", "invoice"}
    assert sum(path.stat().st_size for path in SAMPLES.iterdir()) < 1_500_000


def test_making_the_samples_again_gives_the_same_bytes(made: Path):
    for path in made.iterdir():
        if path.name not in PICTURES:
            assert path.read_bytes() == (SAMPLES / path.name).read_bytes(), path.name


@pytest.mark.parametrize("name", sorted(PICTURES))
def test_making_the_pictures_again_gives_the_same_pictures(made: Path, name: str):
    # Not the same bytes: those depend on how the installed libraries were built (JPEG coder, font rasteriser,
    # vector arithmetic), and one rounded pixel changes all that follows it in the file.
    difference = np.abs(picture(made / name) - picture(SAMPLES / name))
    assert difference.mean() < 1


def test_making_the_samples_twice_on_one_machine_gives_the_same_bytes(made: Path, tmp_path: Path):
    make_samples(tmp_path)
    for path in made.iterdir():
        assert path.read_bytes() == (tmp_path / path.name).read_bytes(), path.name


@every_record
def test_the_arithmetic_adds_up(record: dict):
    truth = record["truth"]
    unit = Decimal(truth["total"]).as_tuple().exponent
    for line in truth["lines"]:
        product = Decimal(line["quantity"]) * Decimal(line["unit_price"])
        assert product.quantize(Decimal(1).scaleb(unit), ROUND_HALF_UP) == Decimal(line["amount"])
    listed = sum_of([line["amount"] for line in truth["lines"]])
    assert listed == Decimal(truth["line_total"])
    assert Decimal(truth["net"]) + Decimal(truth["tax"]) == Decimal(truth["total"])
    # A shop's prices hold the tax.
    expected = truth["total"] if record["kind"] == "receipt" else truth["net"]
    assert listed - Decimal(truth.get("allowance_total", 0)) == Decimal(expected)
    if "amount_due" in truth:
        assert Decimal(truth["amount_due"]) == Decimal(truth["total"]) - Decimal(truth.get("prepaid", 0))


@every_record
def test_account_and_tax_numbers_pass_their_check_digits(record: dict):
    truth = record["truth"]
    if "iban" in truth:
        assert iban.is_valid(truth["iban"])
    if number := truth.get("seller_vat_id"):
        check = {"CH": swiss_vat, "GB": british_vat}.get(number[:2], european_vat)
        assert check.is_valid(number)


@pytest.mark.parametrize(
    "record", [record for record in RECORDS if record["file"].endswith(".pdf")], ids=lambda record: record["id"]
)
def test_a_digital_pdf_prints_what_is_on_record_and_a_scan_holds_no_text(record: dict):
    document = pypdfium2.PdfDocument((SAMPLES / record["file"]).read_bytes())
    try:
        printed = "".join(page.get_textpage().get_text_range() for page in document)
    finally:
        document.close()
    if record["file"] in PICTURES:
        assert printed == ""
        return
    truth = record["truth"]
    expected = [
        truth["seller_name"],
        truth["buyer_name"],
        truth["invoice_number"],
        *(line["description"] for line in truth["lines"]),
    ]
    assert [words for words in expected if words not in printed] == []
    digits = "".join(filter(str.isdigit, printed))
    for name in ("net", "total"):
        assert truth[name].replace(".", "") in digits


def test_the_hybrid_pdf_holds_a_valid_invoice_with_the_same_total():
    truth = next(record["truth"] for record in RECORDS if "facturx" in record["file"])
    name, xml = get_facturx_xml_from_pdf((SAMPLES / "guesthouse-facturx-eur.pdf").read_bytes())
    assert name == "factur-x.xml"
    assert xml_check_xsd(xml, flavor="factur-x", level="en16931")
    assert etree.fromstring(xml).xpath("string(//*[local-name()='GrandTotalAmount'])") == truth["total"]


def test_the_ubl_invoice_is_valid_and_holds_the_same_sums():
    truth = next(record["truth"] for record in RECORDS if record["file"].endswith(".xml"))
    root = etree.parse(SAMPLES / "canal-house-ubl-eur.xml").getroot()
    assert xml_check_xsd(root, flavor="ubl")
    names = {"TaxExclusiveAmount": "net", "TaxInclusiveAmount": "total", "PayableAmount": "amount_due", "PrepaidAmount": "prepaid"}
    for name, key in names.items():
        assert root.xpath(f"string(//*[local-name()='LegalMonetaryTotal']/*[local-name()='{name}'])") == truth[key]
    assert root.xpath("count(//*[local-name()='InvoiceLine'])") == truth["line_count"]
