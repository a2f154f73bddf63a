"""How a generated document looks: heads, parties, facts, tables, sums and feet, combined at random.

Each piece takes the sheet and the facts, draws, moves `sheet.y` down and adds the names of the fields it printed.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass, field

from tools.documents.facts import Facts, Party
from tools.documents.sheet import MARGIN, Sheet

RIGHT = 545.0
BOTTOM = 730.0


@dataclass
class Drawing:
    """A document on its way to paper."""

    sheet: Sheet
    facts: Facts
    rng: random.Random
    printed: set[str] = field(default_factory=set)
    later: list[str] = field(default_factory=list)
    """What of the seller is still to be told at the foot: "name", "address"."""
    chosen: dict[str, str] = field(default_factory=dict)
    """Which piece was taken of each sort."""
    buyer_right: bool = False

    @property
    def title(self) -> str:
        return self.facts.say("credit" if self.facts.credit else "title")


Piece = Callable[[Drawing], None]

# --- heads -------------------------------------------------------------------------------------------------------------


def head_name_left(d: Drawing) -> None:
    d.sheet.text(MARGIN, 60, d.facts.seller.name, d.rng.choice((13, 16, 18)), bold=True, ink=d.sheet.ink)
    y = d.sheet.block(MARGIN, 78, [*d.facts.seller.address, f"{d.facts.say('phone')} {d.facts.seller.phone}"])
    d.sheet.text(RIGHT, 62, d.title, 20, align="right")
    d.sheet.y = y + 20
    d.printed.add("seller_name")


def head_block_right(d: Drawing) -> None:
    d.sheet.mark(MARGIN, 45)
    y = d.sheet.block(
        RIGHT, 60, [d.facts.seller.name, *d.facts.seller.address, f"www.{d.facts.seller.host}"], bold_first=True, align="right"
    )
    d.sheet.text(MARGIN, y + 14, d.title, 18, bold=True)
    d.sheet.y = y + 40
    d.printed.add("seller_name")


def head_centred(d: Drawing) -> None:
    middle = d.sheet.width / 2
    d.sheet.text(middle, 60, d.facts.seller.name, 15, bold=True, align="center")
    d.sheet.text(middle, 76, ", ".join(d.facts.seller.address), 8, align="center")
    d.sheet.text(middle, 88, f"{d.facts.say('phone')} {d.facts.seller.phone} · info@{d.facts.seller.host}", 8, align="center")
    d.sheet.rule(MARGIN, RIGHT, 98)
    d.sheet.text(middle, 122, d.title, 16, bold=True, align="center")
    d.sheet.y = 145
    d.printed.add("seller_name")


def head_letter(d: Drawing) -> None:
    d.sheet.mark(470, 40)
    d.sheet.text(MARGIN, 130, d.rng.choice((" · ", ", ", " - ")).join([d.facts.seller.name, *d.facts.seller.address]), 6.5)
    d.sheet.block(MARGIN, 148, [d.facts.buyer.name, *d.facts.buyer.address], 10)
    d.sheet.text(MARGIN, 240, d.title, 15, bold=True)
    d.sheet.y = 262
    d.printed |= {"seller_name", "buyer_name"}
    d.later += ["name", "address"]


def head_band(d: Drawing) -> None:
    d.sheet.box(0, 0, d.sheet.width, 70, d.sheet.ink)
    d.sheet.text(MARGIN, 44, d.facts.seller.name, 18, bold=True, ink="#ffffff")
    d.sheet.text(RIGHT, 44, d.title, 14, align="right", ink="#ffffff")
    d.sheet.y = 95
    d.printed.add("seller_name")
    d.later.append("address")


def head_title_first(d: Drawing) -> None:
    d.sheet.text(MARGIN, 66, d.title, 24, bold=True, ink=d.sheet.ink)
    y = d.sheet.block(360, 56, [d.facts.seller.name, *d.facts.seller.address, d.facts.seller.phone], 8.5)
    d.sheet.y = max(y, 90) + 20
    d.printed.add("seller_name")


def head_mark_only(d: Drawing) -> None:
    d.sheet.mark(MARGIN, 40)
    d.sheet.text(RIGHT, 62, d.title, 18, align="right", bold=True)
    d.sheet.y = 105
    d.later += ["name", "address"]
    d.printed.add("seller_name")


def head_total_first(d: Drawing) -> None:
    d.sheet.text(MARGIN, 60, d.facts.seller.name, 11, bold=True)
    d.sheet.block(MARGIN, 75, d.facts.seller.address, 8)
    d.sheet.text(MARGIN, 130, f"{d.title} {d.facts.number}", 13, bold=True)
    d.sheet.text(MARGIN, 160, d.facts.money(d.facts.total - d.facts.prepaid), 22, bold=True, ink=d.sheet.ink)
    d.sheet.y = 190
    d.printed.add("seller_name")


HEADS: dict[str, Piece] = {
    "left": head_name_left, "right": head_block_right, "centred": head_centred, "letter": head_letter, "band": head_band,
    "title": head_title_first, "mark": head_mark_only, "total": head_total_first,
}  # fmt: skip

# --- parties -----------------------------------------------------------------------------------------------------------


def _party_rows(party: Party, *, vat: str = "") -> list[str]:
    return [party.name, *party.address, *([vat] if vat else [])]


def parties_buyer(d: Drawing) -> None:
    if "buyer_name" in d.printed:
        return
    x = d.rng.choice((MARGIN, MARGIN, 330))
    d.buyer_right = x != MARGIN
    d.sheet.text(x, d.sheet.y, d.facts.say("buyer") + d.rng.choice(("", ":")), 8.5, bold=d.rng.random() < 0.5)
    d.sheet.y = d.sheet.block(x, d.sheet.y + 13, _party_rows(d.facts.buyer)) + 16
    d.printed.add("buyer_name")


def parties_both(d: Drawing) -> None:
    if "buyer_name" in d.printed:
        return
    left, right = (d.facts.seller, d.facts.buyer) if d.rng.random() < 0.7 else (d.facts.buyer, d.facts.seller)
    labels = {id(d.facts.seller): d.facts.say("seller"), id(d.facts.buyer): d.facts.say("buyer")}
    bottom = 0.0
    for x, party in ((MARGIN, left), (310, right)):
        d.sheet.text(x, d.sheet.y, labels[id(party)] + d.rng.choice((":", "")), 9, bold=True)
        vat = f"{d.facts.say('vat')} {party.vat_id}" if party.vat_id and d.facts.country not in ("CH", "NO") else ""
        bottom = max(bottom, d.sheet.block(x, d.sheet.y + 14, _party_rows(party, vat=vat)))
        if vat and party is d.facts.seller:
            d.printed.add("seller_vat_id")
    d.sheet.y = bottom + 16
    d.printed |= {"buyer_name", "seller_name"}


def parties_window(d: Drawing) -> None:
    """An address without a word in front, as it looks through the window of an envelope."""
    if "buyer_name" in d.printed:
        return
    d.sheet.y = d.sheet.block(MARGIN, d.sheet.y + 10, _party_rows(d.facts.buyer), 10) + 24
    d.printed.add("buyer_name")


def parties_shipping(d: Drawing) -> None:
    if "buyer_name" in d.printed:
        return
    d.sheet.text(MARGIN, d.sheet.y, d.facts.say("buyer"), 9, bold=True)
    other = {
        "en": "Ship to",
        "de": "Lieferadresse",
        "fr": "Adresse de livraison",
        "nl": "Afleveradres",
        "es": "Dirección de entrega",
    }
    d.sheet.text(310, d.sheet.y, other.get(d.facts.language, d.facts.say("delivery")), 9, bold=True)
    d.sheet.block(310, d.sheet.y + 14, [d.facts.buyer.name, *d.facts.buyer.address])
    d.sheet.y = d.sheet.block(MARGIN, d.sheet.y + 14, _party_rows(d.facts.buyer)) + 18
    d.printed.add("buyer_name")


PARTIES: dict[str, Piece] = {
    "buyer": parties_buyer, "both": parties_both, "window": parties_window, "shipping": parties_shipping,
}  # fmt: skip

# --- facts -------------------------------------------------------------------------------------------------------------


def _pairs(d: Drawing) -> list[tuple[str, str]]:
    facts, rng = d.facts, d.rng
    pairs = [(facts.say("label_number"), facts.number), (facts.say("label_date"), facts.date(facts.issued))]
    d.printed |= {"invoice_number", "issue_date"}
    if rng.random() < 0.6 and not facts.credit:
        pairs.append((facts.say("due"), facts.date(facts.due)))
        d.printed.add("due_date")
    if rng.random() < 0.45:
        pairs.append((facts.say("client_no"), str(rng.randint(1000, 99999))))
    if rng.random() < 0.35:
        pairs.append((facts.say("order"), rng.choice(("PO-", "B", "", "4500")) + str(rng.randint(1000, 99999))))
    if rng.random() < 0.3:
        pairs.append((facts.say("delivery"), facts.date(facts.issued.replace(day=max(1, facts.issued.day - 3)))))
    if rng.random() < 0.4:
        rng.shuffle(pairs)
    return pairs


def _beside_or_below(d: Drawing, rise: float) -> float:
    """How far down facts on the right start: beside the buyer's block if there is room."""
    taken = d.chosen["party"] in ("both", "shipping") or d.chosen["head"] in ("letter", "right", "title")
    return d.sheet.y if taken or d.buyer_right else max(120.0, d.sheet.y - rise)


def facts_lines(d: Drawing) -> None:
    x = d.rng.choice((MARGIN, 340))
    y = d.sheet.y if x == MARGIN else _beside_or_below(d, 70)
    y = d.sheet.block(x, y, [f"{label}{d.rng.choice((':', ': ', ''))} {value}" for label, value in _pairs(d)])
    d.sheet.y = max(d.sheet.y, y) + 18


def facts_columns(d: Drawing) -> None:
    y = _beside_or_below(d, 70) if d.rng.random() < 0.6 else d.sheet.y
    colon = d.rng.choice(("", ":"))
    for label, value in _pairs(d):
        d.sheet.text(330, y, label + colon, 9, bold=True)
        d.sheet.text(450, y, value, 9)
        y += 13
    d.sheet.y = max(d.sheet.y, y) + 18


def facts_band(d: Drawing) -> None:
    pairs = _pairs(d)[:5]
    step = (RIGHT - MARGIN) / len(pairs)
    filled = d.rng.random() < 0.4
    if filled:
        d.sheet.box(MARGIN, d.sheet.y - 10, RIGHT - MARGIN, 16, "#e4e8ee")
    for index, (label, value) in enumerate(pairs):
        d.sheet.text(MARGIN + 3 + index * step, d.sheet.y, label, 7.5, bold=True)
        d.sheet.text(MARGIN + 3 + index * step, d.sheet.y + 14, value, 9)
    d.sheet.y += 40


def facts_grid(d: Drawing) -> None:
    pairs = _pairs(d)
    for index, (label, value) in enumerate(pairs):
        x, y = 300 + (index % 2) * 125, d.sheet.y + (index // 2) * 30
        d.sheet.box(x, y, 125, 30)
        d.sheet.text(x + 4, y + 10, label, 6.5, ink="#606060")
        d.sheet.text(x + 4, y + 23, value, 9.5)
    d.sheet.y += 30 * ((len(pairs) + 1) // 2) + 22


def facts_right(d: Drawing) -> None:
    y = d.sheet.y
    for label, value in _pairs(d):
        d.sheet.text(415, y, label, 9, align="right")
        d.sheet.text(RIGHT, y, value, 9, align="right")
        y += 13
    d.sheet.y = y + 16


FACTS: dict[str, Piece] = {
    "lines": facts_lines, "columns": facts_columns, "band": facts_band, "grid": facts_grid, "right": facts_right,
}  # fmt: skip

# --- table -------------------------------------------------------------------------------------------------------------


def table(d: Drawing) -> None:
    """Positions under a heading; goes on over pages. Columns, rules and shading differ."""
    facts, sheet, rng = d.facts, d.sheet, d.rng
    bare = facts.styles["money"] == "{}" or rng.random() < 0.7
    heading = facts.say("amount") + (f" ({facts.currency})" if bare and facts.styles["money"] == "{}" else "")
    columns: list[tuple[str, float, str]] = [("description", MARGIN + 2, "left")]
    count_first = rng.random() < 0.25
    simple = rng.random() < 0.12
    numbered = not count_first and rng.random() < 0.3
    if count_first:
        columns = [("quantity", MARGIN + 26, "right"), ("description", MARGIN + 44, "left")]
    if numbered:
        columns = [("position", MARGIN + 2, "left"), ("description", MARGIN + 32, "left")]
    if not simple:
        columns += [] if count_first else [("quantity", 345, "right")]
        columns += [("price", 425, "right")]
        columns += [("rate", 462, "right")] if rng.random() < 0.35 else []
    columns.append(("amount", RIGHT - 3, "right"))
    titles = {"position": {"de": "Pos."}.get(facts.language, "#"), "rate": {"de": "USt.", "fr": "TVA"}.get(facts.language, "%")}
    titles |= {name: facts.say(name) for name in ("description", "quantity", "price")} | {"amount": heading}
    shaded = rng.random() < 0.4

    def head() -> None:
        if shaded:
            sheet.box(MARGIN, sheet.y - 11, RIGHT - MARGIN, 16, "#dfe5ec")
        for name, x, align in columns:
            sheet.text(x, sheet.y, titles[name], 8.5, bold=True, align=align)
        sheet.rule(MARGIN, RIGHT, sheet.y + 5)
        sheet.y += 19

    head()
    for number, item in enumerate(facts.items, 1):
        if sheet.y > BOTTOM - 20:
            sheet.next_page()
            head()
        values = {
            "position": str(number),
            "quantity": facts.plain_number(item.quantity),
            "price": facts.money(facts.sign * item.price, bare=bare),
            "rate": facts.plain_number(facts.rate) + "%",
            "amount": facts.money(item.amount, bare=bare),
        }
        x_of = {name: x for name, x, _ in columns}
        rows = sheet.wrapped(item.description, 230 if not simple else 380, 9) + ([item.extra] if item.extra else [])
        for name, x, align in columns:
            if name != "description":
                sheet.text(x, sheet.y, values[name], 9, align=align)
        for row in rows:
            sheet.text(x_of["description"], sheet.y, row, 9)
            sheet.y += 11.5
        sheet.y += 4.5
        if rng.random() < 0.1:
            sheet.rule(MARGIN, RIGHT, sheet.y - 9)
    sheet.rule(MARGIN, RIGHT, sheet.y - 6)
    d.printed.add("lines")


# --- sums --------------------------------------------------------------------------------------------------------------


def _sums(d: Drawing) -> list[tuple[str, str]]:
    facts = d.facts
    rows = []
    if facts.discount:
        rows.append((facts.say("discount").format(rate=facts.plain_number(facts.discount_rate)), facts.money(-facts.discount)))
    if facts.shipping:
        rows.append((facts.say("shipping"), facts.money(facts.shipping)))
    rows.append((facts.say("net"), facts.money(facts.net)))
    rows.append((facts.say("tax").format(rate=facts.plain_number(facts.rate)), facts.money(facts.tax)))
    rows.append((facts.say("total"), facts.money(facts.total)))
    if facts.prepaid:
        rows.append((facts.say("prepaid"), facts.money(-facts.prepaid)))
        rows.append((facts.say("amount_due"), facts.money(facts.total - facts.prepaid)))
        d.printed.add("amount_due")
    d.printed |= {"net", "tax", "total"}
    return rows


def sums_right(d: Drawing) -> None:
    x, align = d.rng.choice(
        ((340.0, "left"), (440.0, "right"), (390.0, "left"), (MARGIN, "left"))[: 3 if d.chosen["sums"] == "rates" else 4]
    )
    colon = d.rng.choice(("", "", ":"))
    d.sheet.y += 10
    for label, value in _sums(d):
        strong = label in (d.facts.say("total"), d.facts.say("amount_due"))
        if strong and d.rng.random() < 0.5:
            d.sheet.rule(340, RIGHT, d.sheet.y - 10)
        d.sheet.text(x, d.sheet.y, label + colon, 9.5, bold=strong, align=align)
        d.sheet.text(RIGHT - 3, d.sheet.y, value, 9.5, bold=strong, align="right")
        d.sheet.y += 15


def sums_beside(d: Drawing) -> None:
    """Headings in a row, the amounts under them, where there is room for that."""
    rows = _sums(d)
    if len(rows) > 4:
        sums_right(d)
        return
    step = (RIGHT - MARGIN) / len(rows)
    d.sheet.y += 14
    for index, (label, value) in enumerate(rows):
        x = MARGIN + (index + 1) * step - 4
        d.sheet.text(x, d.sheet.y, label, 8, bold=True, align="right")
        d.sheet.text(x, d.sheet.y + 14, value, 9, align="right")
    d.sheet.y += 36


def sums_with_rates(d: Drawing) -> None:
    """A table of the rates on the left, the sums on the right."""
    facts, y = d.facts, d.sheet.y + 10
    for x, text in (
        (MARGIN, "%"),
        (140, facts.say("net")),
        (250, facts.say("vat")[:3] if facts.language == "en" else facts.say("tax").format(rate="").strip(" %()")),
    ):
        d.sheet.text(x, y, text, 7.5, bold=True)
    for x, text in (
        (MARGIN, facts.plain_number(facts.rate) + " %"),
        (140, facts.money(facts.net, bare=True)),
        (250, facts.money(facts.tax, bare=True)),
    ):
        d.sheet.text(x, y + 12, text, 8.5)
    sums_right(d)


SUMS: dict[str, Piece] = {"right": sums_right, "right2": sums_right, "beside": sums_beside, "rates": sums_with_rates}

# --- foot --------------------------------------------------------------------------------------------------------------


def foot(d: Drawing) -> None:
    """Terms, bank, tax id, and whatever of the seller the head did not tell, in lines or columns."""
    facts, sheet, rng = d.facts, d.sheet, d.rng
    if sheet.y > BOTTOM - 40:
        sheet.next_page()
    if rng.random() < 0.6:
        sheet.text(MARGIN, sheet.y + 24, facts.say("terms").format(days=facts.days), 9)
    if rng.random() < 0.5:
        sheet.text(MARGIN, sheet.y + 38, facts.say("thanks"), 9)
    about = [facts.seller.name] if "name" in d.later else []
    about += facts.seller.address if "address" in d.later else []
    bank: list[str] = []
    if facts.seller.iban and rng.random() < 0.75:
        number = facts.seller.iban
        spaced = " ".join(number[at : at + 4] for at in range(0, len(number), 4))
        bank = [
            f"IBAN{rng.choice((': ', ' '))}{rng.choice((number, spaced, spaced))}",
            f"BIC: {rng.choice(('MARKDEF1', 'TESTGB2L', 'ABNANL2A'))}XXX",
        ]
        d.printed.add("iban")
    tax: list[str] = []
    if facts.seller.vat_id and rng.random() < 0.75 and facts.country not in ("CH", "NO"):
        tax = [f"{facts.say('vat')}{rng.choice((': ', ' '))}{facts.seller.vat_id}"]
        d.printed.add("seller_vat_id")
    contact = [f"{facts.say('phone')} {facts.seller.phone}", f"info@{facts.seller.host}"]
    if rng.random() < 0.5:
        for index, rows in enumerate(part for part in (about, contact, bank + tax) if part):
            sheet.block(MARGIN + index * 170, 775, rows, 7)
    else:
        rows = [" · ".join(part) for part in (about, contact + tax, bank) if part]
        middle = rng.random() < 0.5
        sheet.block(sheet.width / 2 if middle else MARGIN, 785, rows, 7.5, align="center" if middle else "left")


def draw(facts: Facts, rng: random.Random) -> tuple[bytes, set[str], str]:
    """The PDF, the names of the fields printed, and the family: which pieces it was made of."""
    face = rng.choice(("sans", "sans", "sans", "serif", "wide", "typewriter"))
    drawing = Drawing(Sheet(face, rng.choice(("#1f3a5f", "#7a1f2b", "#0b6e5b", "#303030"))), facts, rng)
    chosen = {
        name: rng.choice(list(pieces)) for name, pieces in (("head", HEADS), ("party", PARTIES), ("facts", FACTS), ("sums", SUMS))
    }
    drawing.chosen = chosen
    HEADS[chosen["head"]](drawing)
    PARTIES[chosen["party"]](drawing)
    FACTS[chosen["facts"]](drawing)
    table(drawing)
    if drawing.sheet.y > BOTTOM - 90:
        drawing.sheet.next_page()
    SUMS[chosen["sums"]](drawing)
    foot(drawing)
    drawing.printed.add("currency")
    return drawing.sheet.bytes(), drawing.printed, f"{chosen['head']}-{chosen['facts']}"
