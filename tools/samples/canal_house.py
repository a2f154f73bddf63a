"""An invoice in Dutch that is data only, with an allowance and a prepayment."""

from datetime import date
from decimal import Decimal

from tools.samples.facts import LARKFIELD, Document, Party, line
from tools.samples.ubl import ubl_xml


def canal_house() -> Document:
    return Document(
        file="canal-house-ubl-eur.xml",
        queue="bill",
        seller=Party(
            "Grachtzicht Evenementen B.V.",
            "Prinsengracht 9999",
            "1000 XX",
            "Amsterdam",
            "Nederland",
            "NL",
            vat_id="NL999990007B01",
            iban="NL93DEMO0123456789",
            registration="00000417",
        ),
        buyer=LARKFIELD,
        number="2025-00873",
        issued=date(2025, 5, 20),
        due=date(2025, 6, 10),
        currency="EUR",
        lines=[
            line("Zaalhuur Tuinkamer, hele dag", 1, "875.00", "21", "DAY"),
            line("Beamer en geluidsinstallatie", 2, "120.00", "21"),
            line("Lunchbuffet", 34, "24.75", "9"),
            line("Koffie en thee, onbeperkt", 34, "8.95", "9"),
            line("Gastvrouw", "6.5", "38.40", "21", "HUR"),
        ],
        draw=ubl_xml,
        allowance=Decimal("75.00"),
        allowance_rate=Decimal(21),
        prepaid=Decimal("500.00"),
    )
