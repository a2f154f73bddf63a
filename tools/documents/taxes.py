"""Sums that are more than net, tax and total: tax withheld, tax told in another currency, tips and several payments."""

from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from tools.documents.facts import ZERO
from tools.documents.layouts import RIGHT, Drawing
from tools.documents.pieces import dated, issued, pairs, positions, sums
from tools.documents.sheet import MARGIN


def _part(amount: Decimal, rate: Decimal, unit: Decimal) -> Decimal:
    return (amount * rate / 100).quantize(unit, ROUND_HALF_UP)


def _top(d: Drawing) -> None:
    facts, sheet = d.facts, d.sheet
    facts.discount = facts.shipping = facts.prepaid = ZERO
    facts.items = facts.items[:8]
    vat = [f"{facts.say('vat')} {facts.seller.vat_id}"] if facts.seller.vat_id else []
    sheet.block(MARGIN, 56, [facts.seller.name, *facts.seller.address, *vat], bold_first=True)
    sheet.text(RIGHT, 58, d.title, 18, align="right")
    sheet.text(MARGIN, 140, facts.say("buyer"), 8.5, bold=True)
    sheet.block(MARGIN, 153, [facts.buyer.name, *facts.buyer.address])
    rows = [(facts.say("label_number"), facts.number), (facts.say("label_date"), issued(d, "invoice_number"))]
    pairs(d, 330, 140, rows)
    sheet.y = 240
    positions(d, quantity=350, price=440)
    d.printed |= {"seller_name", "buyer_name", "net", "tax", "total", "lines"} | ({"seller_vat_id"} if vat else set())


def withheld(d: Drawing) -> dict[str, Any]:
    """Of one who works alone in the south: tax is added, and income tax is kept back by the buyer."""
    facts, rng, money = d.facts, d.rng, d.facts.money
    _top(d)
    spanish = facts.language == "es"
    rate = Decimal(15 if spanish else 20)
    kept = _part(facts.net, rate, facts.unit)
    tax = facts.say("tax").format(rate=facts.plain_number(facts.rate))
    minus = rng.choice(("Retención IRPF (15 %)", "IRPF 15%")) if spanish else rng.choice(("Ritenuta d'acconto 20%", "R.A. 20%"))
    gross = rng.choice(("Total factura", "Importe total") if spanish else ("Totale fattura", "Totale documento"))
    due = rng.choice(("Total a pagar", "Líquido a percibir") if spanish else ("Netto a pagare", "Netto da pagare"))
    rows = [
        (facts.say("net"), money(facts.net)),
        (tax, money(facts.tax)),
        (gross, money(facts.total)),
        (minus, money(-kept)),
        (due, money(facts.total - kept)),
    ]
    sums(d, rows, 330)
    d.sheet.text(MARGIN, 780, f"IBAN {facts.seller.iban}", 8)
    d.printed |= {"iban", "amount_due"}
    return {"amount_due": str(facts.total - kept)}


def converted(d: Drawing) -> dict[str, Any]:
    """In a currency that is not that of the seller's country, with the tax told in that one as well."""
    facts, rng = d.facts, d.rng
    home = facts.currency
    facts.currency = rng.choice([code for code in ("USD", "CHF", "GBP", "EUR") if code != home])
    facts.styles["money"] = f"{facts.currency} {{}}"
    _top(d)
    rate = Decimal(rng.randint(7000, 13000)) / 10000
    at = [(amount * rate).quantize(facts.unit, ROUND_HALF_UP) for amount in (facts.net, facts.tax)]
    sums(
        d,
        [
            (facts.say("net"), facts.money(facts.net)),
            (facts.say("tax").format(rate=facts.plain_number(facts.rate)), facts.money(facts.tax)),
            (facts.say("total"), facts.money(facts.total)),
        ],
        330,
    )
    told = facts.say("tax").format(rate=facts.plain_number(facts.rate))
    say = f"1 {facts.currency} = {facts.plain_number(rate)} {home}"
    d.sheet.text(MARGIN, d.sheet.y + 12, f"{facts.say('net')} ({home}): {home} {facts.money(at[0], bare=True)}", 8.5)
    d.sheet.text(MARGIN, d.sheet.y + 25, f"{told} ({home}): {home} {facts.money(at[1], bare=True)}  ({say})", 8.5)
    return {}


def table_bill(d: Drawing) -> dict[str, Any]:
    """Of a restaurant by mail: a tip, two cards."""
    facts, rng, sheet, money = d.facts, d.rng, d.sheet, d.facts.money
    dated(d, "%m/%d/%Y" if facts.country == "US" else "%d/%m/%Y", "{mon} %-d, %Y", "%d {mon} %Y")
    facts.items = facts.items[:9]
    facts.discount = facts.shipping = facts.prepaid = ZERO
    tip = _part(facts.net, Decimal(rng.choice((10, 15, 18, 20))), facts.unit)
    total = facts.total + tip
    first = (total / 3).quantize(facts.unit)
    middle = sheet.width / 2
    sheet.text(middle, 54, facts.seller.name, 14, bold=True, align="center")
    sheet.text(middle, 68, ", ".join(facts.seller.address), 8, align="center")
    sheet.text(middle, 80, facts.seller.phone, 8, align="center")
    rows = [
        (rng.choice(("Check #", "Receipt no.", "Bill no.")), facts.number),
        (rng.choice(("Date", "Closed")), issued(d, "invoice_number")),
        ("Table", str(rng.randint(1, 40))),
        ("Guests", str(rng.randint(1, 8))),
    ]
    sheet.y = pairs(d, 180, 110, rows) + 14
    for one in facts.items:
        sheet.text(180, sheet.y, f"{facts.plain_number(one.quantity)} {one.description}", 9)
        sheet.text(420, sheet.y, money(one.amount, bare=True), 9, align="right")
        sheet.y += 13
    for label, value in (
        ("Subtotal", facts.net),
        ("Sales tax" if facts.country == "US" else "VAT", facts.tax),
        (rng.choice(("Tip", "Gratuity", "Service charge")), tip),
        (rng.choice(("Total", "Grand total", "Total paid")), total),
        ("Visa XXXX1881", first),
        ("Mastercard XXXX4444", total - first),
    ):
        sheet.text(180, sheet.y + 8, label, 9, bold="otal" in label)
        sheet.text(420, sheet.y + 8, money(value), 9, align="right")
        sheet.y += 14
    d.printed |= {"seller_name", "total"}
    return {"total": str(total)}
