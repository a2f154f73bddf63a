"""Documents as certain trades send them: software by the month, utilities, hotels, marketplaces, American offices."""

import datetime as dt
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from tools.documents.facts import ZERO, words
from tools.documents.layouts import RIGHT, Drawing
from tools.documents.pieces import dated, grid, issued, pairs, sums, tax_name
from tools.documents.sheet import MARGIN

# --- subscriptions ----------------------------------------------------------------------------------------------------


def subscription(d: Drawing) -> dict[str, Any]:
    """Of a software service: pairs without colons, two blocks of addresses, what is due in large print."""
    facts, rng, sheet = d.facts, d.rng, d.sheet
    dated(d, "{month} %-d, %Y", "{mon} %-d, %Y")
    paid = rng.random() < 0.4
    facts.number = (
        f"{rng.choice('ABCDEF')}{rng.randint(10, 99)}{rng.choice('KQRX')}{rng.randint(1000, 9999)}-{rng.randint(1, 40):04d}"
    )
    sheet.text(MARGIN, 62, "Receipt" if paid else "Invoice", 18, bold=True)
    sheet.mark(RIGHT - 52, 40)
    day, due = issued(d, "invoice_number"), facts.date(facts.issued if paid else facts.due)
    rows = [("Invoice number", facts.number), ("Date of issue", day), ("Date due", due)]
    if paid:
        rows = [
            ("Invoice number", facts.number),
            ("Receipt number", f"{rng.randint(1000, 9999)}-{rng.randint(1000, 9999)}"),
            ("Date paid", day),
        ]
    else:
        d.printed.add("due_date")
    y = pairs(d, MARGIN, 92, rows, bold=rng.random() < 0.5) + 14
    sheet.block(
        MARGIN, y, [facts.seller.name, *facts.seller.address, facts.seller.phone, f"billing@{facts.seller.host}"], bold_first=True
    )
    sheet.y = (
        sheet.block(260, y, ["Bill to", facts.buyer.name, *facts.buyer.address, f"ap@{facts.buyer.host}"], bold_first=True) + 26
    )
    code = f" {facts.currency}" if rng.random() < 0.5 else ""
    due_words = f"{facts.money(facts.total)}{code} " + (f"paid on {day}" if paid else f"due {due}")
    sheet.text(MARGIN, sheet.y, due_words, 14, bold=True)
    if not paid:
        sheet.text(MARGIN, sheet.y + 16, "Pay online", 9, ink="#3355cc")
    sheet.y += 40
    end = facts.date(facts.issued + dt.timedelta(days=30))
    columns = [("Description", MARGIN, "left"), ("Qty", 350, "right"), ("Unit price", 435, "right"), ("Amount", RIGHT, "right")]
    items = [
        [f"{one.description}\n{day} – {end}", facts.plain_number(one.quantity), facts.money(one.price), facts.money(one.amount)]
        for one in facts.items
    ]
    grid(d, columns, items)
    rate = facts.plain_number(facts.rate)
    tail = [("Amount paid", facts.money(facts.total))] if paid else [("Amount due", facts.money(facts.total) + code)]
    sums(
        d,
        [
            ("Subtotal", facts.money(facts.net)),
            ("Total excluding tax", facts.money(facts.net)),
            (f"{tax_name(d)} ({rate}%)", facts.money(facts.tax)),
            ("Total", facts.money(facts.total)),
            *tail,
        ],
    )
    sheet.text(MARGIN, 800, f"{facts.number} · {due_words}", 7)
    sheet.text(RIGHT, 800, "Page 1 of 1", 7, align="right")
    d.printed |= {"seller_name", "buyer_name", "net", "tax", "total", "lines"}
    return {}


# --- bills that go on from month to month -------------------------------------------------------------------------------


def utility(d: Drawing) -> dict[str, Any]:
    """Water, power or telephone: what was owed before and paid, then this month's charges."""
    facts, rng, sheet = d.facts, d.rng, d.sheet
    dated(d)
    before = (facts.total * Decimal(rng.uniform(0.6, 1.6))).quantize(facts.unit)
    sheet.text(MARGIN, 60, facts.seller.name, 17, bold=True, ink=sheet.ink)
    sheet.block(MARGIN, 76, [f"www.{facts.seller.host}", f"Customer service {facts.seller.phone}"], 8)
    rows = [
        (rng.choice(("Account number", "Your account number", "Customer ID")), str(rng.randint(10**8, 10**9))),
        (rng.choice(("Bill number", "Invoice number", "Invoice no.")), facts.number),
        (rng.choice(("Bill date", "Statement date", "Date of bill")), issued(d, "invoice_number", "due_date")),
        (
            rng.choice(("Billing period", "Period")),
            f"{facts.date(facts.issued - dt.timedelta(days=33))} to {facts.date(facts.issued - dt.timedelta(days=3))}",
        ),
        (rng.choice(("Payment due", "Due date", "Pay by")), facts.date(facts.due)),
    ]
    pairs(d, 330, 60, rows)
    sheet.block(MARGIN, 150, [facts.buyer.name, *facts.buyer.address], 10)
    sheet.y = 230
    sheet.text(MARGIN, sheet.y, rng.choice(("Your bill at a glance", "Account summary", "Bill summary")), 12, bold=True)
    sheet.y += 20
    zero = facts.money(ZERO)
    sums(
        d,
        [
            (rng.choice(("Previous balance", "Balance from last bill", "Amount of last bill")), facts.money(before)),
            (rng.choice(("Payment received - thank you", "Payments received", "Payment received")), facts.money(-before)),
            (rng.choice(("Balance forward", "Balance brought forward", "Remaining balance")), zero),
            (rng.choice(("Total new charges", "New charges", "Charges for this period")), facts.money(facts.total)),
            (rng.choice(("Total amount due", "Amount due", "Total due", "Please pay")), facts.money(facts.total)),
        ],
        MARGIN,
    )
    sheet.y += 24
    sheet.text(MARGIN, sheet.y, "Charges in detail", 11, bold=True)
    sheet.y += 18
    for one in facts.items:
        sheet.text(MARGIN, sheet.y, f"{one.description}  {facts.plain_number(one.quantity)} units at {facts.money(one.price)}", 9)
        sheet.text(RIGHT - 3, sheet.y, facts.money(one.amount), 9, align="right")
        sheet.y += 13
    rate = facts.plain_number(facts.rate)
    detail = [
        (rng.choice(("Total before tax", "Net charges", "Subtotal")), facts.money(facts.net)),
        (f"{tax_name(d)} at {rate}%", facts.money(facts.tax)),
        (rng.choice(("Total charges", "Total current charges", "Total for this bill")), facts.money(facts.total)),
    ]
    sums(d, detail, MARGIN)
    sheet.text(MARGIN, 780, f"{facts.seller.name}, {', '.join(facts.seller.address)}", 7)
    d.printed |= {"seller_name", "buyer_name", "net", "tax", "total"}
    return {}


# --- hotels -----------------------------------------------------------------------------------------------------------


def folio(d: Drawing) -> dict[str, Any]:
    """Of a hotel: a line for each night, the payment among them, a balance of nothing."""
    facts, rng, sheet = d.facts, d.rng, d.sheet
    german = facts.language == "de"
    if not german:
        dated(d, "%d %b %Y", "%m/%d/%y" if facts.country == "US" else "%d/%m/%y", "%d-%b-%y")
    say = words()["folio"]["de" if german else "en"]
    unit = facts.unit
    night = Decimal(rng.randint(6900, 24900)) * unit
    nights = rng.randint(1, 4)
    breakfast = Decimal(rng.randint(900, 2400)) * unit
    gross = nights * (night + breakfast)
    net = (gross / (1 + facts.rate / 100)).quantize(unit, ROUND_HALF_UP)
    sheet.text(sheet.width / 2, 58, facts.seller.name, 15, bold=True, align="center")
    sheet.text(sheet.width / 2, 72, " · ".join([*facts.seller.address, facts.seller.phone]), 8, align="center")
    sheet.block(MARGIN, 110, [facts.buyer.name, *facts.buyer.address])
    arrival = facts.issued - dt.timedelta(days=nights)
    rows = [
        (say["number"], facts.number),
        (say["date"], issued(d, "invoice_number")),
        (say["room"], str(rng.randint(101, 620))),
        (say["arrival"], facts.date(arrival)),
        (say["departure"], facts.date(facts.issued)),
    ]
    pairs(d, 350, 110, rows, gap=90)
    sheet.y = 220
    money = facts.money
    items = []
    for index in range(nights):
        day = facts.date(arrival + dt.timedelta(days=index))
        items += [[day, say["night"], money(night, bare=True), ""], [day, say["breakfast"], money(breakfast, bare=True), ""]]
    items.append([facts.date(facts.issued), rng.choice(("Visa", "Mastercard")) + " XXXX 4242", "", money(gross, bare=True)])
    columns = [
        (say["date"], MARGIN, "left"),
        (say["text"], 130, "left"),
        (say["charges"], 440, "right"),
        (say["credits"], RIGHT, "right"),
    ]
    grid(d, columns, items)
    sums(d, [(say["total"], money(gross)), (say["balance"], money(ZERO))])
    sheet.y += 14
    columns = [(say["rate"], MARGIN, "left"), (say["net"], 200, "right"), (say["tax"], 300, "right"), (say["gross"], 400, "right")]
    tax = gross - net
    grid(
        d, columns, [[f"{facts.plain_number(facts.rate)} %", money(net, bare=True), money(tax, bare=True), money(gross, bare=True)]]
    )
    d.printed |= {"seller_name", "buyer_name", "net", "tax", "total"}
    return {"net": str(net), "tax": str(tax), "total": str(gross)}


# --- marketplaces -------------------------------------------------------------------------------------------------------


def marketplace(d: Drawing) -> dict[str, Any]:
    """Sold by one through another: prices with and without tax, two addresses, an order beside the number."""
    facts, rng, sheet = d.facts, d.rng, d.sheet
    german = facts.language == "de"
    say = words()["market"]["de" if german else "en"]
    if not german:
        dated(d, "%d {month} %Y", "{month} %d, %Y", "%Y/%m/%d")
    unit = facts.unit
    facts.shipping = ZERO
    sheet.text(MARGIN, 60, say["title"], 20, bold=True)
    sheet.text(MARGIN, 82, say["paid"], 10, bold=True)
    y = sheet.block(
        350, 58, [f"{say['sold']} {facts.seller.name}", *([f"{say['vat']} {facts.seller.vat_id}"] if facts.seller.vat_id else [])]
    )
    gross = [(one, (one.price * (1 + facts.rate / 100)).quantize(unit, ROUND_HALF_UP)) for one in facts.items]
    for one in facts.items:
        one.quantity = Decimal(rng.choice((1, 1, 2, 3)))
    totals = [(price * one.quantity).quantize(unit) for one, price in gross]
    total = sum(totals, ZERO)
    net = (total / (1 + facts.rate / 100)).quantize(unit, ROUND_HALF_UP)
    rows = [(say["date"], issued(d, "invoice_number")), (say["number"], facts.number), (say["payable"], facts.money(total))]
    pairs(d, 350, y + 6, rows, gap=105, bold=True)
    sheet.y = 150
    shop = [facts.buyer.name, *facts.buyer.address]
    for x, title, block in (
        (MARGIN, say["billing"], shop),
        (215, say["shipping"], shop),
        (380, say["seller"], [facts.seller.name, *facts.seller.address]),
    ):
        sheet.text(x, sheet.y, title, 8.5, bold=True)
        sheet.block(x, sheet.y + 13, block, 8.5)
    sheet.y += 84
    ordered = facts.date(facts.issued - dt.timedelta(days=2))
    order = f"{rng.randint(100, 999)}-{rng.randint(10**6, 10**7)}-{rng.randint(10**6, 10**7)}"
    sheet.block(MARGIN, sheet.y, [f"{say['ordered']} {ordered}", f"{say['order']} {order}"])
    sheet.y += 44
    rate = f"{facts.plain_number(facts.rate)}%"
    columns = [
        (say["text"], MARGIN, "left"),
        (say["quantity"], 285, "right"),
        (say["net_price"], 355, "right"),
        (say["rate"], 400, "right"),
        (say["gross_price"], 475, "right"),
        (say["amount"], RIGHT, "right"),
    ]
    items = [
        [
            f"{one.description}\nASIN: B{rng.randint(10**8, 10**9)}",
            facts.plain_number(one.quantity),
            facts.money(one.price),
            rate,
            facts.money(price),
            facts.money(amount),
        ]
        for (one, price), amount in zip(gross, totals, strict=True)
    ]
    grid(d, columns, items)
    for one, amount in zip(facts.items, totals, strict=True):
        one.amount = amount
    sums(d, [(say["total"], facts.money(total))])
    sheet.y += 10
    columns = [(say["rate"], 300, "right"), (say["net"], 420, "right"), (say["tax"], RIGHT, "right")]
    grid(d, columns, [[rate, facts.money(net), facts.money(total - net)], [say["sum"], facts.money(net), facts.money(total - net)]])
    d.printed |= {"seller_name", "buyer_name", "net", "tax", "total", "lines"} | (
        {"seller_vat_id"} if facts.seller.vat_id else set()
    )
    return {"net": str(net), "tax": str(total - net), "total": str(total)}


# --- offices of the United States -------------------------------------------------------------------------------------------


def american(d: Drawing) -> dict[str, Any]:
    """As bookkeeping software prints it: a band of orders and terms, credits, a balance."""
    facts, rng, sheet = d.facts, d.rng, d.sheet
    dated(d, "%-m/%-d/%Y", "%m/%d/%y", "{mon} %-d, %Y")
    facts.discount = facts.shipping = ZERO
    sheet.block(MARGIN, 56, [facts.seller.name, *facts.seller.address, facts.seller.phone], bold_first=True)
    sheet.text(RIGHT, 60, "Invoice", 22, bold=True, align="right")
    for x, label, value in ((400, "Date", issued(d, "invoice_number")), (480, "Invoice #", facts.number)):
        sheet.box(x, 72, 80, 32)
        sheet.text(x + 6, 83, label, 8.5)
        sheet.text(x + 6, 98, value, 9)
    for x, title in ((MARGIN, "Bill To"), (310, "Ship To")):
        sheet.text(x, 140, title, 9, bold=True)
        sheet.block(x, 154, [facts.buyer.name, *facts.buyer.address])
    band = [
        ("P.O. No.", str(rng.randint(1000, 99999))),
        ("Terms", f"Net {facts.days}"),
        ("Due Date", facts.date(facts.due)),
        ("Rep", "JB"),
        ("Ship Via", "Ground"),
    ]
    for index, (label, value) in enumerate(band):
        sheet.text(MARGIN + 100 * index, 222, label, 8)
        sheet.text(MARGIN + 100 * index, 236, value, 9)
    sheet.y = 264
    columns = [
        ("Item Code", MARGIN, "left"),
        ("Description", 130, "left"),
        ("Quantity", 370, "right"),
        ("Price Each", 450, "right"),
        ("Amount", RIGHT, "right"),
    ]
    items = [
        [
            f"{one.description[:3].upper()}-{rng.randint(1, 99):02d}",
            one.description,
            facts.plain_number(one.quantity),
            facts.money(one.price, bare=True),
            facts.money(one.amount, bare=True),
        ]
        for one in facts.items[:20]
    ]
    facts.items = facts.items[:20]
    grid(d, columns, items)
    paid = facts.prepaid
    rows = [
        ("Subtotal", facts.money(facts.net)),
        (f"Sales Tax ({facts.plain_number(facts.rate)}%)", facts.money(facts.tax)),
        ("Total", facts.money(facts.total)),
        ("Payments/Credits", facts.money(-paid)),
        ("Balance Due", facts.money(facts.total - paid)),
    ]
    sums(d, rows, 380)
    sheet.text(MARGIN, 780, f"{facts.seller.phone}   {facts.seller.host}", 8)
    d.printed |= {"seller_name", "buyer_name", "net", "tax", "total", "lines", "due_date", "amount_due"}
    return {}
