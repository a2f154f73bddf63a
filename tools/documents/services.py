"""Documents of services: telephone, Swiss slips of payment, solicitors, computing by the month, tickets, Polish invoices."""

import datetime as dt
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from tools.documents.facts import ZERO
from tools.documents.layouts import RIGHT, Drawing
from tools.documents.pieces import dated, grid, issued, pairs, sums
from tools.documents.sheet import MARGIN


def telephone(d: Drawing) -> dict[str, Any]:
    """A German bill for telephone and internet: a letter with a window, sums beside the text, details on the second page."""
    facts, rng, sheet = d.facts, d.rng, d.sheet
    facts.discount = facts.shipping = facts.prepaid = ZERO
    sheet.mark(RIGHT - 52, 36)
    sheet.text(MARGIN, 128, f"{facts.seller.name}, {', '.join(facts.seller.address)}", 6.5)
    sheet.block(MARGIN, 146, [rng.choice(("Herrn", "Frau", "Firma")), facts.buyer.name, *facts.buyer.address], 10)
    rows = [
        ("Kundennummer", str(rng.randint(10**8, 10**9))),
        ("Rechnungsnummer", facts.number),
        (rng.choice(("Rechnungsdatum", "Datum")), issued(d, "invoice_number")),
        ("Buchungskonto", str(rng.randint(10**9, 10**10))),
    ]
    pairs(d, 360, 146, rows, gap=95)
    month = facts.date(facts.issued).split()[-2] if " " in facts.date(facts.issued) else f"{facts.issued:%m/%Y}"
    sheet.text(MARGIN, 260, f"Ihre Rechnung für {month}", 14, bold=True)
    sheet.y = 290
    rows = [
        ("Monatliche Beträge", facts.money(facts.net)),
        (rng.choice(("Summe (netto)", "Rechnungsbetrag ohne USt.", "Summe der Nettobeträge")), facts.money(facts.net)),
        (f"Umsatzsteuer {facts.plain_number(facts.rate)} %", facts.money(facts.tax)),
        (rng.choice(("Zu zahlender Betrag", "Rechnungsbetrag", "Gesamtbetrag")), facts.money(facts.total)),
    ]
    sums(d, rows, MARGIN)
    sheet.y += 16
    sheet.text(
        MARGIN, sheet.y, f"Den Betrag von {facts.money(facts.total)} buchen wir am {facts.date(facts.due)} von Ihrem Konto ab.", 9
    )
    sheet.block(
        MARGIN,
        770,
        [facts.seller.name, f"USt-IdNr. {facts.seller.vat_id}" if facts.seller.vat_id else "", f"IBAN {facts.seller.iban}"],
        7,
    )
    sheet.next_page()
    sheet.text(MARGIN, 60, "Einzelnachweis", 12, bold=True)
    for one in facts.items:
        sheet.y += 14
        sheet.text(MARGIN, sheet.y + 20, one.description, 9)
        sheet.text(RIGHT, sheet.y + 20, facts.money(one.amount), 9, align="right")
    d.printed |= {"seller_name", "buyer_name", "net", "tax", "total", "iban"} | (
        {"seller_vat_id"} if facts.seller.vat_id else set()
    )
    return {}


def swiss(d: Drawing) -> dict[str, Any]:
    """With the slip of a payment at the foot, where account, amount and both parties stand again."""
    facts, sheet = d.facts, d.sheet
    facts.discount = facts.shipping = facts.prepaid = ZERO
    facts.items = facts.items[:8]
    facts.currency = "CHF"
    facts.styles["money"] = d.rng.choice(("CHF {}", "{} CHF"))
    sheet.block(MARGIN, 56, [facts.seller.name, *facts.seller.address, facts.seller.phone], bold_first=True)
    sheet.block(340, 130, [facts.buyer.name, *facts.buyer.address], 10)
    sheet.text(MARGIN, 210, f"Rechnung Nr. {facts.number}", 14, bold=True)
    sheet.text(MARGIN, 228, f"{facts.seller.address[-1].split(' ', 1)[-1]}, {issued(d, 'invoice_number')}", 9)
    sheet.y = 262
    columns = [("Bezeichnung", MARGIN, "left"), ("Menge", 340, "right"), ("Preis", 430, "right"), ("Total", RIGHT, "right")]
    rows = [
        [one.description, facts.plain_number(one.quantity), facts.money(one.price, bare=True), facts.money(one.amount, bare=True)]
        for one in facts.items
    ]
    grid(d, columns, rows)
    sums(
        d,
        [
            ("Zwischentotal", facts.money(facts.net)),
            (f"MWST {facts.plain_number(facts.rate)} %", facts.money(facts.tax)),
            ("Rechnungstotal", facts.money(facts.total)),
        ],
    )
    sheet.text(MARGIN, sheet.y + 16, f"Zahlbar bis {facts.date(facts.due)}", 9)
    sheet.rule(0, sheet.width, 560)
    amount = facts.money(facts.total, bare=True).replace("'", " ").replace("’", " ")
    for x, title in ((20, "Empfangsschein"), (200, "Zahlteil")):
        sheet.text(x, 580, title, 11, bold=True)
    for x, y in ((20, 600), (370, 580)):
        sheet.text(x, y, "Konto / Zahlbar an", 6.5, bold=True)
        low = sheet.block(x, y + 11, [facts.seller.iban, facts.seller.name, *facts.seller.address], 8) + 8
        sheet.text(x, low, "Zahlbar durch", 6.5, bold=True)
        sheet.block(x, low + 11, [facts.buyer.name, *facts.buyer.address], 8)
    for x in (20, 200):
        sheet.text(x, 770, "Währung", 6.5, bold=True)
        sheet.text(x + 50, 770, "Betrag", 6.5, bold=True)
        sheet.text(x, 783, "CHF", 9)
        sheet.text(x + 50, 783, amount, 9)
    d.printed |= {"seller_name", "buyer_name", "net", "tax", "total", "iban", "due_date", "lines"}
    return {}


def solicitor(d: Drawing) -> dict[str, Any]:
    """Fees and disbursements in prose, sums in two columns."""
    facts, rng, sheet = d.facts, d.rng, d.sheet
    dated(d, "%-d {month} %Y", "%d %b %Y")
    facts.items = facts.items[:5]
    facts.discount = facts.shipping = facts.prepaid = ZERO
    sheet.text(RIGHT, 60, facts.seller.name, 15, align="right", bold=True)
    sheet.block(RIGHT, 76, [*facts.seller.address, f"T {facts.seller.phone}"], 8, align="right")
    sheet.block(MARGIN, 120, [facts.buyer.name, *facts.buyer.address], 10)
    rows = [
        ("Our Ref", f"JH/{rng.randint(1000, 9999)}/1"),
        ("Invoice No", facts.number),
        ("Date / Tax Point", issued(d, "invoice_number")),
    ]
    pairs(d, 350, 140, rows)
    sheet.text(MARGIN, 230, "Re: Advice on a lease", 11, bold=True)
    sheet.block(
        MARGIN,
        250,
        [
            "To our professional charges in connection with the above,",
            "including correspondence, meetings and attendance as set out below.",
        ],
    )
    sheet.y = 290
    for one in facts.items:
        for line in sheet.wrapped(f"{one.description}, {facts.plain_number(one.quantity)} hours", 300, 9):
            sheet.text(MARGIN, sheet.y, line, 9)
            sheet.y += 12
        sheet.text(RIGHT, sheet.y - 12, facts.money(one.amount), 9, align="right")
        sheet.y += 6
    sheet.y += 10
    sums(
        d,
        [
            ("Total fees", facts.money(facts.net)),
            (f"VAT @ {facts.plain_number(facts.rate)}%", facts.money(facts.tax)),
            ("Total amount now due", facts.money(facts.total)),
        ],
    )
    sheet.text(MARGIN, 790, f"VAT Registration No. {facts.seller.vat_id}" if facts.seller.vat_id else "Terms strictly 30 days", 7.5)
    d.printed |= {"seller_name", "buyer_name", "net", "tax", "total"} | ({"seller_vat_id"} if facts.seller.vat_id else set())
    return {}


def cloud(d: Drawing) -> dict[str, Any]:
    """A machine's summary for a month: long dashes, "in" and the currency, no unit prices."""
    facts, rng, sheet = d.facts, d.rng, d.sheet
    dated(d, "{mon} %-d, %Y", "%-d {mon} %Y", "%Y-%m-%d")
    facts.discount = facts.shipping = facts.prepaid = ZERO
    facts.number = str(rng.randint(10**9, 10**10 - 1))
    sheet.text(MARGIN, 60, "Invoice", 22)
    sheet.text(MARGIN, 80, f"Invoice number: {facts.number}", 9)
    sheet.block(
        400,
        60,
        [facts.seller.name, *facts.seller.address, *([f"VAT number: {facts.seller.vat_id}"] if facts.seller.vat_id else [])],
        8.5,
    )
    sheet.block(MARGIN, 120, ["Bill to", facts.buyer.name, *facts.buyer.address], bold_first=True)
    sheet.text(MARGIN, 220, "Details", 12, bold=True)
    pairs(
        d,
        MARGIN,
        238,
        [
            ("Invoice number", facts.number),
            ("Invoice date", issued(d, "invoice_number")),
            ("Billing ID", f"{rng.randint(1000, 9999)}-{rng.randint(1000, 9999)}"),
        ],
    )
    begin = facts.issued - dt.timedelta(days=30)
    sheet.text(330, 220, f"Summary for {facts.date(begin)} - {facts.date(facts.issued)}", 9, bold=True)
    sheet.y = 240
    money, code = facts.money, facts.currency
    sums(
        d,
        [
            (f"Subtotal in {code}", money(facts.net)),
            (f"VAT ({facts.plain_number(facts.rate)}%)", money(facts.tax)),
            (f"Total in {code}", money(facts.total)),
        ],
        330,
    )
    sheet.y = 340
    columns = [
        ("Subscription", MARGIN, "left"),
        ("Interval", 300, "left"),
        ("Quantity", 460, "right"),
        (f"Amount({code})", RIGHT, "right"),
    ]
    rows = [
        [one.description, f"{begin:%b %d} - {facts.issued:%b %d}", facts.plain_number(one.quantity), money(one.amount, bare=True)]
        for one in facts.items
    ]
    grid(d, columns, rows)
    sums(
        d,
        [
            (f"Subtotal in {code}", money(facts.net)),
            (f"VAT ({facts.plain_number(facts.rate)}%)", money(facts.tax)),
            (f"Total in {code}", money(facts.total)),
        ],
    )
    d.printed |= {"seller_name", "buyer_name", "net", "tax", "total", "lines"} | (
        {"seller_vat_id"} if facts.seller.vat_id else set()
    )
    return {}


def rail(d: Drawing) -> dict[str, Any]:
    """A ticket with its receipt: times, seats, fares and fees; paid by card."""
    facts, rng, sheet = d.facts, d.rng, d.sheet
    dated(d, "%d %b %Y", "%d-%b-%y", "{month} %-d, %Y")
    unit = facts.unit
    fare, fee = (Decimal(rng.randint(low, high)) * unit for low, high in ((2900, 39000), (150, 900)))
    total = fare + fee
    sheet.text(MARGIN, 60, facts.seller.name, 15, bold=True, ink=sheet.ink)
    sheet.text(RIGHT, 60, rng.choice(("E-ticket receipt", "Receipt", "Ticket and receipt")), 13, align="right")
    travel = facts.issued + dt.timedelta(days=12)
    rows = [
        ("Booking reference", "".join(rng.choice("ABCDEFGHKLMN23456789") for _ in range(6))),
        ("Receipt number", facts.number),
        (rng.choice(("Date of issue", "Issued on")), issued(d, "invoice_number")),
        ("Passenger", facts.buyer.name),
    ]
    sheet.y = pairs(d, MARGIN, 92, rows) + 12
    columns = [
        ("Date", MARGIN, "left"),
        ("From - To", 130, "left"),
        ("Departs", 330, "left"),
        ("Arrives", 400, "left"),
        ("Seat", 480, "left"),
    ]
    back = travel + dt.timedelta(days=4)
    grid(
        d,
        columns,
        [
            [facts.date(travel), "Northport - Eastham", "07:45", "10:12", "12A"],
            [facts.date(back), "Eastham - Northport", "18:30", "20:55", "3C"],
        ],
    )
    sums(
        d,
        [
            ("Fare", facts.money(fare)),
            (rng.choice(("Booking fee", "Service fee", "Carrier fees")), facts.money(fee)),
            (rng.choice(("Total", "Total paid", "Total price")), facts.money(total)),
        ],
        MARGIN,
    )
    sheet.text(MARGIN, sheet.y + 6, f"Paid by Visa ending 4242: {facts.money(total)}", 9)
    sheet.text(MARGIN, 780, f"{facts.seller.name} · {', '.join(facts.seller.address)} · help@{facts.seller.host}", 7)
    d.printed |= {"seller_name", "total"}
    return {"total": str(total)}


def polish(d: Drawing) -> dict[str, Any]:
    """Parties side by side; net, tax and gross for each position; the sum of the rates under the table; the total in words."""
    facts, rng, sheet = d.facts, d.rng, d.sheet
    facts.discount = facts.shipping = facts.prepaid = ZERO
    facts.items = facts.items[:8]
    sheet.text(MARGIN, 56, f"Faktura VAT nr {facts.number}", 14, bold=True)
    city = facts.seller.address[-1].split(" ", 1)[-1]
    sheet.block(
        RIGHT,
        56,
        [
            f"Miejsce wystawienia: {city}",
            f"Data wystawienia: {issued(d, 'invoice_number')}",
            f"Termin płatności: {facts.date(facts.due)}",
        ],
        align="right",
    )
    for x, title, one in ((MARGIN, "Sprzedawca", facts.seller), (310, "Nabywca", facts.buyer)):
        sheet.text(x, 120, title, 9, bold=True)
        sheet.block(x, 134, [one.name, *one.address, f"NIP: {one.vat_id}"])
    sheet.y = 220
    titles = ("Lp.", "Nazwa towaru lub usługi", "Ilość", "Cena netto", "Wartość netto", "VAT", "Kwota VAT", "Wartość brutto")
    places = (
        (MARGIN, "left"),
        (72, "left"),
        (255, "right"),
        (310, "right"),
        (380, "right"),
        (410, "right"),
        (475, "right"),
        (RIGHT, "right"),
    )
    rate = f"{facts.plain_number(facts.rate)}%"
    bare = lambda amount: facts.money(amount, bare=True)  # noqa: E731
    parts = [(one.amount * facts.rate / 100).quantize(facts.unit, ROUND_HALF_UP) for one in facts.items]
    rows = [
        [
            str(index),
            one.description,
            facts.plain_number(one.quantity),
            bare(one.price),
            bare(one.amount),
            rate,
            bare(tax),
            bare(one.amount + tax),
        ]
        for index, (one, tax) in enumerate(zip(facts.items, parts, strict=True), 1)
    ]
    tax = sum(parts, ZERO)
    total = facts.net + tax
    rows.append(["", "", "", "Razem", bare(facts.net), "", bare(tax), bare(total)])
    grid(d, [(title, x, align) for title, (x, align) in zip(titles, places, strict=True)], rows)
    sheet.text(MARGIN, sheet.y + 12, f"Do zapłaty: {facts.money(total)}", 12, bold=True)
    sheet.text(MARGIN, sheet.y + 28, f"Słownie: {rng.choice(('sto', 'dwieście', 'tysiąc'))} złotych", 8)
    sheet.text(MARGIN, sheet.y + 42, f"Konto: {facts.seller.iban}", 9)
    d.printed |= {"seller_name", "buyer_name", "net", "tax", "total", "due_date", "seller_vat_id", "iban", "lines"}
    return {"net": str(facts.net), "tax": str(tax), "total": str(total)}
