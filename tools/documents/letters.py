"""Letters of small offices: dotted lines, two languages, no tax or several rates, credits, the sums first."""

from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from tools.documents.facts import ZERO, words
from tools.documents.layouts import RIGHT, Drawing
from tools.documents.pieces import grid, issued, pairs, sums
from tools.documents.sheet import MARGIN

# --- letters ------------------------------------------------------------------------------------------------------------


def letter(d: Drawing) -> dict[str, Any]:
    """Of one who works alone: place and date, a sentence, positions with dotted leaders, no tax."""
    facts, rng, sheet = d.facts, d.rng, d.sheet
    facts.rate, facts.discount, facts.shipping, facts.prepaid = ZERO, ZERO, ZERO, ZERO
    sheet.block(MARGIN, 56, [facts.seller.name, *facts.seller.address, f"info@{facts.seller.host}"])
    sheet.y = sheet.block(MARGIN, 140, [facts.buyer.name, *facts.buyer.address]) + 20
    city = facts.seller.address[-1].split(",")[0].strip("0123456789 -")
    sheet.text(RIGHT, sheet.y, f"{city}, {issued(d, 'invoice_number')}", 9.5, align="right")
    sheet.y += 30
    label = facts.say("label_number")
    sheet.text(MARGIN, sheet.y, f"{label}{rng.choice((': ', ' '))}{facts.number}", 12, bold=True)
    sheet.y += 30
    for one in facts.items[:6]:
        money = facts.money(one.amount)
        room = RIGHT - MARGIN - sheet.measure(one.description + money, 10)
        dots = "." * max(3, int(room / sheet.measure(".", 10)) - 2)
        sheet.text(MARGIN, sheet.y, f"{one.description} {dots} {money}", 10)
        sheet.y += 17
    facts.items = facts.items[:6]
    sheet.text(MARGIN, sheet.y + 8, f"{facts.say('total')}{rng.choice((':', ''))} {facts.money(facts.total)}", 11, bold=True)
    sheet.y += 40
    sheet.text(MARGIN, sheet.y, facts.say("terms").format(days=facts.days), 9.5)
    sheet.text(MARGIN, sheet.y + 40, facts.seller.name, 10)
    if facts.seller.iban:
        sheet.text(MARGIN, 790, f"IBAN {facts.seller.iban}", 8)
        d.printed.add("iban")
    d.printed |= {"seller_name", "buyer_name", "total"}
    return {}


# --- two languages --------------------------------------------------------------------------------------------------------


def bilingual(d: Drawing) -> dict[str, Any]:
    """Every label in the language of the country and in English."""
    facts, rng, sheet = d.facts, d.rng, d.sheet
    english = {name: rng.choice(phrases) for name, phrases in words()["en"].items()}
    mark = rng.choice((" / ", " / ", "/", " - "))

    def both(name: str, of: str = "") -> str:
        return f"{facts.say(of or name)}{mark}{english[name]}"

    sheet.text(MARGIN, 60, facts.seller.name, 14, bold=True)
    sheet.block(MARGIN, 75, facts.seller.address, 8.5)
    sheet.text(RIGHT, 62, both("title") if not facts.credit else both("credit"), 13, align="right")
    sheet.text(MARGIN, 130, both("buyer"), 8.5, bold=True)
    sheet.block(MARGIN, 143, [facts.buyer.name, *facts.buyer.address])
    rows = [(both("number", "label_number"), facts.number), (both("date", "label_date"), issued(d, "invoice_number"))]
    if not facts.credit:
        rows.append((both("due"), facts.date(facts.due)))
        d.printed.add("due_date")
    if rng.random() < 0.5:
        pairs(d, 290, 130, rows, gap=180, size=8)
    else:
        for index, (label, value) in enumerate(rows):
            sheet.text(290, 130 + 28 * index, label, 7.5, ink="#606060")
            sheet.text(290, 141 + 28 * index, value, 10)
    sheet.y = 240
    under = rng.random() < 0.5
    titles = [
        facts.say(name) + (f"\n{english[name]}" if under else f"{mark}{english[name]}")
        for name in ("description", "quantity", "price", "amount")
    ]
    places = [(MARGIN, "left"), (330, "right"), (435, "right"), (RIGHT, "right")]
    if under:
        for title, (x, align) in zip(titles, places, strict=True):
            sheet.text(x, sheet.y, title.split("\n")[1], 7, align=align)
        sheet.y -= 10
        titles = [title.split("\n")[0] for title in titles]
        first = sheet.y
        for title, (x, align) in zip(titles, places, strict=True):
            sheet.text(x, first, title, 8, bold=True, align=align)
        sheet.y += 28
    else:
        for title, (x, align) in zip(titles, places, strict=True):
            sheet.text(x, sheet.y, title, 7, bold=True, align=align)
        sheet.y += 18
    for one in facts.items[:25]:
        row = (
            one.description,
            facts.plain_number(one.quantity),
            facts.money(facts.sign * one.price, bare=True),
            facts.money(one.amount, bare=True),
        )
        for value, (x, align) in zip(row, places, strict=True):
            sheet.text(x, sheet.y, value, 9, align=align)
        sheet.y += 15
    facts.items = facts.items[:25]
    sheet.y += 8
    rate = facts.plain_number(facts.rate)
    rows = (
        [(both("discount").format(rate=facts.plain_number(facts.discount_rate)), facts.money(-facts.discount))]
        if facts.discount
        else []
    )
    rows += [(both("shipping"), facts.money(facts.shipping))] if facts.shipping else []
    rows += [
        (both("net"), facts.money(facts.net)),
        (both("tax").format(rate=rate), facts.money(facts.tax)),
        (both("total"), facts.money(facts.total)),
    ]
    sums(d, rows, 290, size=9)
    if facts.seller.vat_id and facts.country not in ("CH", "NO"):
        sheet.text(MARGIN, 790, f"{facts.say('vat')}{mark}VAT ID: {facts.seller.vat_id}", 8)
        d.printed.add("seller_vat_id")
    d.printed |= {"seller_name", "buyer_name", "net", "tax", "total", "lines"}
    return {}


# --- taxes ------------------------------------------------------------------------------------------------------------------


def reverse_charge(d: Drawing) -> dict[str, Any]:
    """To a firm in another country: no tax, and a sentence that says why."""
    facts, sheet = d.facts, d.sheet
    facts.rate = facts.discount = facts.shipping = facts.prepaid = ZERO
    _plain_top(d)
    _plain_table(d)
    notes = {
        "de": "Steuerschuldnerschaft des Leistungsempfängers",
        "fr": "Autoliquidation",
        "nl": "Btw verlegd",
        "es": "Inversión del sujeto pasivo",
        "it": "Inversione contabile",
        "pl": "Odwrotne obciążenie",
    }
    note = notes.get(facts.language, "VAT reverse charged")
    rows = [
        (facts.say("net"), facts.money(facts.net)),
        (facts.say("tax").format(rate="0"), facts.money(ZERO)),
        (facts.say("total"), facts.money(facts.total)),
    ]
    sums(d, rows)
    sheet.text(MARGIN, sheet.y + 20, f"{note} (Art. 196, 2006/112/EC).", 9)
    d.printed |= {"net", "total"}
    return {}


def two_rates(d: Drawing) -> dict[str, Any]:
    """Positions of two rates of tax, and a table that adds each of them up."""
    facts, rng, sheet = d.facts, d.rng, d.sheet
    facts.discount = facts.shipping = facts.prepaid = ZERO
    rates = [facts.rate, Decimal(rng.choice((5, 10, 12))) if facts.rate > 15 else Decimal(20)]
    facts.items = [*facts.items, *facts.items[:1]][:20]
    of = [rates[index % 2] for index in range(len(facts.items))]
    bases = [sum((one.amount for one, rate in zip(facts.items, of, strict=True) if rate == wanted), ZERO) for wanted in rates]
    taxes = [(base * rate / 100).quantize(facts.unit, ROUND_HALF_UP) for base, rate in zip(bases, rates, strict=True)]
    _plain_top(d)
    _plain_table(d, [f"{facts.plain_number(rate)}%" for rate in of])
    net, tax = sum(bases, ZERO), sum(taxes, ZERO)
    money, say = facts.money, facts.say
    bare_tax = say("tax").format(rate="").replace("@", "").strip(" %()")
    if rng.random() < 0.5:
        columns = [("%", MARGIN, "left"), (say("net"), 200, "right"), (bare_tax, 300, "right"), (say("total"), 400, "right")]
        rows = [
            [f"{facts.plain_number(rate)} %", money(base, bare=True), money(part, bare=True), money(base + part, bare=True)]
            for rate, base, part in zip(rates, bases, taxes, strict=True)
        ]
        grid(d, columns, rows)
        sums(d, [(say("net"), money(net)), (bare_tax, money(tax)), (say("total"), money(net + tax))])
    else:
        each = [
            (f"{say('tax').format(rate=facts.plain_number(rate))}", money(part)) for rate, part in zip(rates, taxes, strict=True)
        ]
        sums(d, [(say("net"), money(net)), *each, (say("total"), money(net + tax))])
    sheet.text(MARGIN, 790, " · ".join([facts.seller.name, *facts.seller.address]), 7)
    d.printed |= {"net", "tax", "total"}
    return {"net": str(net), "tax": str(tax), "total": str(net + tax)}


def credit_minus(d: Drawing) -> dict[str, Any]:
    """A credit note of a large office: everything negative, the minus sometimes behind the number."""
    facts, rng = d.facts, d.rng
    facts.credit, facts.sign = True, -1
    facts.discount = facts.shipping = facts.prepaid = ZERO
    if rng.random() < 0.5:
        style = facts.styles["money"]
        facts.styles["money"] = style.replace("{}", "{}\0")
    _plain_top(d)
    _plain_table(d)
    rows = [
        (facts.say("net"), facts.money(facts.net)),
        (facts.say("tax").format(rate=facts.plain_number(facts.rate)), facts.money(facts.tax)),
        (facts.say("total"), facts.money(facts.total)),
    ]
    sums(d, [(label, _trailing(value)) for label, value in rows])
    d.printed |= {"net", "tax", "total"}
    return {}


def _trailing(value: str) -> str:
    """-12,00 with a mark behind it becomes 12,00-."""
    return value.replace("-", "").replace("\0", "-") if "\0" in value else value


def _plain_top(d: Drawing) -> None:
    """Seller, title, buyer and facts in the order that most letters have."""
    facts, rng, sheet = d.facts, d.rng, d.sheet
    sheet.text(MARGIN, 60, facts.seller.name, 13, bold=True)
    sheet.block(MARGIN, 75, facts.seller.address, 8.5)
    sheet.text(RIGHT, 62, d.title, 17, align="right")
    sheet.text(MARGIN, 130, facts.say("buyer") + ":", 8.5, bold=True)
    sheet.block(MARGIN, 143, [facts.buyer.name, *facts.buyer.address])
    dots = rng.random() < 0.5
    rows = [(facts.say("label_number"), facts.number), (facts.say("label_date"), issued(d, "invoice_number"))]
    if not facts.credit:
        rows.append((facts.say("due"), facts.date(facts.due)))
        d.printed.add("due_date")
    for index, (label, value) in enumerate(rows):
        filled = f"{label} {'.' * max(3, 34 - len(label))}: {value}" if dots else f"{label}: {value}"
        sheet.text(330, 130 + 14 * index, filled, 9)
    sheet.y = 240
    d.printed |= {"seller_name", "buyer_name"}


def _plain_table(d: Drawing, rates: list[str] | None = None) -> None:
    """Number of article, quantity with its unit, then the text: an order that is not the usual one."""
    facts, rng = d.facts, d.rng
    facts.items = facts.items[:22]
    say = facts.say
    units = {
        "de": ("Stk", "Std", "kg"),
        "fr": ("h", "kg", "u"),
        "es": ("ud", "h"),
        "it": ("pz", "h"),
        "nl": ("st", "uur"),
        "pl": ("szt.", "godz."),
    }
    unit = rng.choice(units.get(facts.language, ("pcs", "h", "kg")))
    code = {"de": "Art.-Nr.", "fr": "Réf.", "es": "Ref.", "it": "Cod.", "nl": "Art.", "pl": "Kod"}.get(facts.language, "Code")
    columns = [
        (code, MARGIN, "left"),
        (say("quantity"), 150, "right"),
        (say("description"), 168, "left"),
        (say("price"), 430, "right"),
        (say("amount"), RIGHT, "right"),
    ]
    rows = [
        [
            f"{rng.choice('ABKZ')}{rng.randint(1000, 9999)}",
            f"{facts.plain_number(one.quantity)} {unit}",
            f"{one.description}\n{one.extra}".strip(),
            _trailing(facts.money(facts.sign * one.price, bare=True)),
            _trailing(facts.money(one.amount, bare=True)),
        ]
        for one in facts.items
    ]
    if rates is not None:
        columns.insert(4, ("%", 462, "right"))
        for row, rate in zip(rows, rates, strict=True):
            row.insert(4, rate)
    grid(d, columns, rows)
    d.printed.add("lines")


# --- summaries first --------------------------------------------------------------------------------------------------------


def summary_first(d: Drawing) -> dict[str, Any]:
    """What is to be paid in a box above; the positions under it, their sum without a word for the total."""
    facts, rng, sheet = d.facts, d.rng, d.sheet
    facts.discount = facts.shipping = facts.prepaid = ZERO
    sheet.text(RIGHT, 60, facts.seller.name, 14, bold=True, align="right")
    sheet.block(RIGHT, 75, facts.seller.address, 8, align="right")
    sheet.block(MARGIN, 120, [facts.buyer.name, *facts.buyer.address], 10)
    sheet.text(MARGIN, 210, f"{d.title} {facts.number}", 14, bold=True)
    sheet.text(RIGHT, 210, f"{facts.say('label_date')}: {issued(d, 'invoice_number')}", 9, align="right")
    sheet.box(MARGIN, 226, RIGHT - MARGIN, 62, "#eef1f5")
    rows = [
        (facts.say("net"), facts.money(facts.net)),
        (facts.say("tax").format(rate=facts.plain_number(facts.rate)), facts.money(facts.tax)),
        (facts.say("total"), facts.money(facts.total)),
    ]
    sheet.y = 242
    sums(d, rows, MARGIN + 10)
    sheet.y = 320
    _plain_table(d)
    if facts.seller.iban:
        sheet.text(MARGIN, sheet.y + 10, f"IBAN: {facts.seller.iban}", 9)
        d.printed.add("iban")
    if rng.random() < 0.5 and not facts.credit:
        sheet.text(MARGIN, sheet.y + 24, f"{facts.say('due')}: {facts.date(facts.due)}", 9)
        d.printed.add("due_date")
    d.printed |= {"seller_name", "buyer_name", "net", "tax", "total"}
    return {}
