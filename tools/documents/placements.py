"""Where letterheads, addresses, facts and sums stand when no word announces them: each sort is one place of the seller
and one of the buyer; everything else is at random."""

from collections.abc import Callable
from typing import Any

from tools.documents.facts import ZERO, Facts, words
from tools.documents.layouts import RIGHT, Drawing
from tools.documents.pieces import Sort, issued, pairs, positions, sums
from tools.documents.sheet import MARGIN

_DEAR = {
    "de": ("Sehr geehrte Damen und Herren,", "wir erlauben uns, wie folgt zu berechnen:", "z. Hd. {}", ("Firma", "An")),
    "fr": ("Madame, Monsieur,", "Veuillez trouver ci-dessous le détail de nos prestations :", "À l'attention de {}", ("Société",)),
    "en": ("Dear Sir or Madam,", "please find below the charges for the work done:", "Attn: {}", ("To",)),
    "es": ("Estimados señores:", "adjuntamos el detalle de los servicios prestados:", "A/A {}", ()),
    "it": ("Gentile cliente,", "di seguito il dettaglio delle prestazioni:", "c.a. {}", ("Spett.le",)),
    "nl": ("Geachte heer, mevrouw,", "hierbij brengen wij u in rekening:", "t.a.v. {}", ()),
}
_PLEASE = {
    "de": "Bitte überweisen Sie den Betrag auf das unten genannte Konto.",
    "fr": "Merci de régler cette facture par virement.",
    "en": "Please pay into the account given below.",
}


def _address(d: Drawing, facts: Facts) -> list[str]:
    """The buyer as on an envelope: sometimes a line in front, sometimes a person under the firm."""
    said = _DEAR.get(facts.language, _DEAR["en"])
    rows = [facts.buyer.name, *facts.buyer.address]
    person = facts.styles["surnames"]
    if d.rng.random() < 0.3 and person not in facts.buyer.name:
        rows.insert(1, said[2].format(person))
    if said[3] and d.rng.random() < 0.3:
        rows.insert(0, d.rng.choice(said[3]))
    return rows


# --- sellers --------------------------------------------------------------------------------------------------------------


def _foot(d: Drawing) -> None:
    """Three small columns: the seller, how to reach it, its bank."""
    seller, sheet = d.facts.seller, d.sheet
    sheet.rule(MARGIN, RIGHT, 758)
    sheet.block(MARGIN, 770, [seller.name, *seller.address], 7)
    sheet.block(230, 770, [f"Tel. {seller.phone}", f"info@{seller.host}", f"www.{seller.host}"], 7)
    bank = [f"IBAN {seller.iban}"] if seller.iban else []
    sheet.block(390, 770, [*bank, *([f"{d.facts.say('vat')} {seller.vat_id}"] if seller.vat_id else [])], 7)
    d.printed |= {"iban"} if bank else set()
    d.printed |= {"seller_vat_id"} if seller.vat_id else set()


def _right(d: Drawing) -> None:
    seller = d.facts.seller
    d.sheet.block(400, 48, [seller.name, *seller.address, "", seller.phone, f"mail@{seller.host}"], 8.5, bold_first=True)


def _apart(d: Drawing) -> None:
    """The name large at the left, its address small at the right edge."""
    seller = d.facts.seller
    d.sheet.text(MARGIN, 62, seller.name, 17, bold=True, ink=d.sheet.ink)
    d.sheet.block(RIGHT, 52, [*seller.address, seller.phone, seller.host], 7.5, align="right")


def _logo(d: Drawing) -> None:
    """A brand in large print; who that is stands at the foot."""
    brand = max(d.facts.seller.name.split(), key=lambda word: (word in words()[d.facts.language]["surnames"], len(word)))
    d.sheet.text(MARGIN, 66, brand.upper(), 22, bold=True, ink=d.sheet.ink)
    _foot(d)


def _only_foot(d: Drawing) -> None:
    d.sheet.mark(d.rng.choice((MARGIN, RIGHT - 52)), 36)
    _foot(d)


def _left(d: Drawing) -> None:
    """A block as plain as that of the buyer."""
    seller = d.facts.seller
    d.sheet.block(MARGIN, 56, [seller.name, *seller.address, f"info@{seller.host}", seller.phone])


def _sidebar(d: Drawing) -> None:
    """Down the right edge, in small print."""
    seller = d.facts.seller
    vat = ["", seller.vat_id] if seller.vat_id else []
    rows = [seller.name, *seller.address, "", seller.phone, f"office@{seller.host}", *vat]
    d.sheet.mark(455, 40)
    d.sheet.block(455, 100, rows, 7, bold_first=True)


def _centre(d: Drawing) -> None:
    seller = d.facts.seller
    d.sheet.text(d.sheet.width / 2, 54, seller.name, 15, bold=True, align="center")
    d.sheet.text(d.sheet.width / 2, 68, " | ".join([*seller.address, seller.phone, seller.host]), 7, align="center")


SELLERS: dict[str, Callable[[Drawing], None]] = {
    "right": _right, "apart": _apart, "logo": _logo, "foot": _only_foot, "left": _left, "sidebar": _sidebar, "centre": _centre,
}  # fmt: skip
BUYERS = {"window": (MARGIN, 140), "facing": (320, 140), "low": (MARGIN, 205), "level": (300, 56)}
"""Where the address of the buyer begins. `level` is beside the seller's."""

# --- the rest -------------------------------------------------------------------------------------------------------------


def _told(d: Drawing, buyer: str) -> None:
    """Number and date: as pairs in the free corner, in one line, or with the place."""
    facts, rng, sheet = d.facts, d.rng, d.sheet
    free = MARGIN if buyer == "facing" else 320
    day, number = issued(d, "invoice_number"), facts.number
    way = rng.choice(("pairs", "line", "place"))
    if way == "pairs":
        sheet.text(MARGIN, 300, d.title, 15, bold=True)
        rows = [
            (f"{facts.say('label_number')}:", number),
            (f"{facts.say('label_date')}:", day),
            (f"{facts.say('client_no')}:", str(rng.randint(1000, 99999))),
            (f"{facts.say('due')}:", facts.date(facts.due)),
        ]
        d.printed.add("due_date")
        pairs(d, free if buyer != "level" else MARGIN, 215 if buyer != "low" else 140, rows, gap=105, size=8.5)
    elif way == "line":
        sheet.text(MARGIN, 300, f"{facts.say('label_number')} {number}", 13, bold=True)
        sheet.text(RIGHT, 300, f"{facts.say('label_date')}: {day}", 9, align="right")
    else:
        city = facts.seller.address[-1].split(",")[0].strip("0123456789 -")
        sheet.text(RIGHT, 280, f"{city}, {day}", 9, align="right")
        sheet.text(MARGIN, 302, f"{d.title} {facts.say('label_number')} {number}", 12, bold=True)
    sheet.y = 326


def _charged(d: Drawing) -> None:
    """What was done: a table, or lines with their amounts after a sentence."""
    facts, rng, sheet, money = d.facts, d.rng, d.sheet, d.facts.money
    dear = _DEAR.get(facts.language, _DEAR["en"])
    if rng.random() < 0.5:
        sheet.text(MARGIN, sheet.y, dear[0], 9.5)
        sheet.text(MARGIN, sheet.y + 14, dear[1], 9.5)
        sheet.y += 38
    if rng.random() < 0.6:
        sheet.y += 6
        positions(d, quantity=330, price=420, amount=500)
        d.printed.add("lines")
        return
    for one in facts.items:
        sheet.text(MARGIN, sheet.y, one.description, 10)
        sheet.text(440, sheet.y, money(one.amount), 10, align="right")
        sheet.y += 16
    sheet.y += 10
    d.printed.add("lines")


def _summed(d: Drawing) -> None:
    """At the right, or as plain lines at the left."""
    facts, sheet, money = d.facts, d.sheet, d.facts.money
    rows = [
        (facts.say("net"), money(facts.net)),
        (facts.say("tax").format(rate=facts.plain_number(facts.rate)), money(facts.tax)),
        (facts.say("total"), money(facts.total)),
    ]
    if d.rng.random() < 0.6:
        sums(d, rows, 300)
    else:
        pairs(d, MARGIN, sheet.y, rows, gap=150, size=10)
        sheet.y += 50
    sheet.text(MARGIN, sheet.y + 14, _PLEASE.get(facts.language, facts.say("terms").format(days=facts.days)), 9)
    d.printed |= {"net", "tax", "total", "seller_name", "buyer_name"}


def placed(seller: str, buyer: str) -> Sort:
    """The sort with the seller and the buyer in those places."""

    def draw(d: Drawing) -> dict[str, Any]:
        d.facts.discount = d.facts.shipping = d.facts.prepaid = ZERO
        d.facts.items = d.facts.items[:7]
        SELLERS[seller](d)
        x, y = BUYERS[buyer]
        d.sheet.block(x, y, _address(d, d.facts), d.rng.choice((9, 10)))
        _told(d, buyer)
        _charged(d)
        _summed(d)
        return {}

    return draw
