"""The sorts of whole documents, and in which countries each is drawn.

`APART` are for measuring only: rules and confidence are not made for them, and whoever mends rules does not look at them.
"""

import random
from typing import Any

from tools.documents import apart, letters, services, taxes, trades
from tools.documents.facts import Facts
from tools.documents.layouts import Drawing
from tools.documents.pieces import Sort
from tools.documents.placements import placed
from tools.documents.sheet import Sheet

ENGLISH, EUROPE = ("US", "GB", "IE", "AU"), ("DE", "AT", "FR", "BE", "ES", "IT", "NL", "PT", "PL", "SE", "DK", "FI", "IE")
Sorts = dict[str, tuple[Sort, tuple[str, ...]]]
SORTS: Sorts = {
    "subscription": (trades.subscription, ENGLISH),
    "utility": (trades.utility, ENGLISH),
    "folio": (trades.folio, ("GB", "US", "DE", "AT", "IE")),
    "marketplace": (trades.marketplace, ("GB", "DE", "IE", "AT")),
    "american": (trades.american, ("US",)),
    "letter": (letters.letter, (*EUROPE, "GB", "US")),
    "bilingual": (letters.bilingual, EUROPE[:-1]),
    "reverse": (letters.reverse_charge, EUROPE),
    "rates": (letters.two_rates, (*EUROPE, "GB")),
    "credit": (letters.credit_minus, (*EUROPE, "GB", "US")),
    "summary": (letters.summary_first, (*EUROPE, "GB")),
    "telephone": (services.telephone, ("DE", "AT")),
    "swiss": (services.swiss, ("CH",)),
    "solicitor": (services.solicitor, ("GB", "IE", "AU")),
    "cloud": (services.cloud, ("IE", "GB", "AU")),
    "rail": (services.rail, ("GB", "US", "IE")),
    "polish": (services.polish, ("PL",)),
    "right_window": (placed("right", "window"), ("DE", "GB", "SE", "PL")),
    "apart_facing": (placed("apart", "facing"), ("FR", "IT", "US")),
    "logo_window": (placed("logo", "window"), ("DE", "GB", "IT", "DK")),
    "foot_facing": (placed("foot", "facing"), ("FR", "DE", "IE")),
    "left_level": (placed("left", "level"), ("GB", "ES", "DE")),
    "left_low": (placed("left", "low"), ("US", "FR", "NL")),
    "withheld": (taxes.withheld, ("ES", "IT")),
    "converted": (taxes.converted, ("GB", "US", "DE", "NL")),
    "table_bill": (taxes.table_bill, ("US", "GB")),
}
APART: Sorts = {
    "part_payment": (apart.part_payment, ("DE", "AT")),
    "timesheet": (apart.timesheet, ("GB", "US", "AU", "IE")),
    "nordic": (apart.nordic, ("SE", "DK", "NO", "FI")),
    "boutique": (apart.boutique, ("FR", "NL", "IT", "ES", "DE")),
    "sidebar_window": (placed("sidebar", "window"), ("AT", "NL", "FI")),
    "centre_low": (placed("centre", "low"), ("BE", "AU", "NO", "PT")),
    "logo_facing": (placed("logo", "facing"), ("BE", "AT", "ES")),
    "apart_window": (placed("apart", "window"), ("NL", "IE", "PT", "PL")),
    "foot_window": (placed("foot", "window"), ("AT", "US", "SE", "NO")),
    "centre_level": (placed("centre", "facing"), ("CH", "AU", "FI")),
}


def draw_sort(sort: Sort, facts: Facts, rng: random.Random) -> tuple[bytes, set[str], dict[str, Any]]:
    """The PDF, the names of the fields printed, and what replaces values of the truth."""
    face = rng.choice(("sans", "sans", "sans", "serif", "wide"))
    drawing = Drawing(Sheet(face, rng.choice(("#1f3a5f", "#7a1f2b", "#303030"))), facts, rng)
    facts.credit, facts.sign = False, 1
    if facts.styles["money"] == "{}":
        facts.styles["money"] = f"{{}} {facts.currency}"
    facts.items = facts.items[:12]
    facts.prepaid = min(facts.prepaid, facts.net)
    changes = sort(drawing)
    drawing.printed.add("currency")
    return drawing.sheet.bytes(), drawing.printed, changes
