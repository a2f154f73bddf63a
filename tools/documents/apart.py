"""Sorts of documents that are kept apart: they measure how well what nobody looked at is read, and no rule is made for them."""

import datetime as dt
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from tools.documents.facts import ZERO
from tools.documents.layouts import RIGHT, Drawing
from tools.documents.pieces import dated, grid, issued, pairs, positions, sums
from tools.documents.sheet import MARGIN


def part_payment(d: Drawing) -> dict[str, Any]:
    """Of a builder: what is done so far, and what was paid for it before."""
    facts, rng, sheet = d.facts, d.rng, d.sheet
    facts.discount = facts.shipping = ZERO
    facts.items = facts.items[:8]
    facts.prepaid = (facts.total / rng.choice((2, 3))).quantize(facts.unit)
    sheet.text(MARGIN, 54, facts.seller.name, 14, bold=True, ink=sheet.ink)
    sheet.text(MARGIN, 68, f"{' · '.join(facts.seller.address)} · Tel. {facts.seller.phone}", 8)
    sheet.block(MARGIN, 120, ["Bauherr:", facts.buyer.name, *facts.buyer.address], 10)
    sheet.text(
        MARGIN,
        205,
        f"{rng.choice(('Schlussrechnung', 'Abschlagsrechnung'))} Nr. {facts.number} vom {issued(d, 'invoice_number')}",
        12,
        bold=True,
    )
    sheet.text(MARGIN, 222, f"Bauvorhaben: Umbau {facts.buyer.address[0]}", 9)
    sheet.y = 250
    columns = [
        ("OZ", MARGIN, "left"),
        ("Menge", 130, "right"),
        ("EH", 140, "left"),
        ("Leistung", 170, "left"),
        ("EP", 450, "right"),
        ("GP", RIGHT, "right"),
    ]
    money, plain = facts.money, facts.plain_number
    rows = [
        [
            f"01.{index:02d}",
            plain(one.quantity),
            rng.choice(("m²", "Stk", "h", "psch")),
            one.description,
            money(one.price, bare=True),
            money(one.amount, bare=True),
        ]
        for index, one in enumerate(facts.items, 1)
    ]
    grid(d, columns, rows)
    rows = [
        ("Summe netto", money(facts.net)),
        (f"zzgl. MwSt. {plain(facts.rate)} %", money(facts.tax)),
        ("Gesamtsumme brutto", money(facts.total)),
        (rng.choice(("abzgl. erhaltene Zahlung", "abzgl. 1. Abschlagszahlung", "abzüglich Anzahlung")), money(-facts.prepaid)),
        (rng.choice(("Restbetrag", "Noch zu zahlen", "Zahlbetrag")), money(facts.total - facts.prepaid)),
    ]
    sums(d, rows, 300)
    sheet.text(MARGIN, 790, f"Steuernummer 71/{rng.randint(100, 999)}/{rng.randint(10000, 99999)} · IBAN {facts.seller.iban}", 7.5)
    d.printed |= {"seller_name", "buyer_name", "net", "tax", "total", "amount_due", "iban", "lines"}
    return {}


def timesheet(d: Drawing) -> dict[str, Any]:
    """Of an agency: a row for each day, hours and a rate, and the sums under it."""
    facts, rng, sheet = d.facts, d.rng, d.sheet
    dated(d, "%d/%m/%y" if facts.country != "US" else "%m/%d/%y", "%d-%b-%Y", "{mon} %-d, %Y")
    facts.discount = facts.shipping = facts.prepaid = ZERO
    facts.items = facts.items[:9]
    sheet.text(RIGHT, 58, "INVOICE", 20, align="right", bold=True)
    sheet.block(
        RIGHT,
        78,
        [f"No: {facts.number}", f"Dated: {issued(d, 'invoice_number')}", f"Payment due by: {facts.date(facts.due)}"],
        align="right",
    )
    sheet.block(MARGIN, 58, [facts.seller.name, *facts.seller.address, f"{facts.seller.host}"], bold_first=True)
    sheet.text(MARGIN, 150, rng.choice(("Client:", "Prepared for:", "Invoice to:")), 9, bold=True)
    sheet.block(MARGIN, 164, [facts.buyer.name, *facts.buyer.address])
    sheet.y = 240
    columns = [
        ("Week ending", MARGIN, "left"),
        ("Activity", 130, "left"),
        ("Hrs", 380, "right"),
        ("Rate", 450, "right"),
        ("Fee", RIGHT, "right"),
    ]
    money, plain = facts.money, facts.plain_number
    rows = [
        [
            facts.date(facts.issued - dt.timedelta(days=7 * index)),
            one.description,
            plain(one.quantity),
            money(one.price),
            money(one.amount),
        ]
        for index, one in enumerate(facts.items, 1)
    ]
    grid(d, columns, rows)
    tax = {"US": "Sales tax", "AU": "GST"}.get(facts.country, "VAT")
    sums(
        d,
        [
            ("Fees", money(facts.net)),
            (f"{tax} {plain(facts.rate)}%", money(facts.tax)),
            (rng.choice(("Invoice total", "Total to pay", "Total payable")), money(facts.total)),
        ],
        400,
    )
    d.printed |= {"seller_name", "buyer_name", "net", "tax", "total", "due_date", "lines"}
    return {}


def nordic(d: Drawing) -> dict[str, Any]:
    """Facts in two columns over a rule, the seller and the numbers of payment in three columns at the foot."""
    facts, rng, sheet = d.facts, d.rng, d.sheet
    facts.discount = facts.shipping = facts.prepaid = ZERO
    facts.items = facts.items[:12]
    say, money = facts.say, facts.money
    sheet.mark(MARGIN, 36)
    sheet.text(330, 60, say("title"), 18, bold=True)
    rows = [
        (say("client_no"), str(rng.randint(1000, 9999))),
        (say("label_number"), facts.number),
        (say("label_date"), issued(d, "invoice_number")),
        (say("due"), facts.date(facts.due)),
    ]
    pairs(d, 330, 84, rows, gap=120)
    sheet.block(MARGIN, 150, [facts.buyer.name, *facts.buyer.address], 10)
    sheet.rule(MARGIN, RIGHT, 214)
    sheet.y = 236
    positions(d, quantity=350, price=440)
    sums(
        d,
        [
            (say("net"), money(facts.net)),
            (say("tax").format(rate=facts.plain_number(facts.rate)), money(facts.tax)),
            (say("total"), money(facts.total)),
        ],
        330,
    )
    sheet.rule(MARGIN, RIGHT, 752)
    sheet.block(MARGIN, 766, [facts.seller.name, *facts.seller.address], 7)
    sheet.block(230, 766, [facts.seller.phone, f"post@{facts.seller.host}"], 7)
    sheet.block(400, 766, [f"IBAN {facts.seller.iban}", f"BIC {rng.choice(('NDEASESS', 'DNBANOKK', 'OKOYFIHH'))}"], 7)
    d.printed |= {"seller_name", "buyer_name", "net", "tax", "total", "due_date", "iban", "lines"}
    return {}


def boutique(d: Drawing) -> dict[str, Any]:
    """Of a web shop: prices with tax, the tax told as a part of the total."""
    facts, rng, sheet = d.facts, d.rng, d.sheet
    facts.discount = facts.prepaid = ZERO
    facts.items = facts.items[:7]
    unit, money = facts.unit, facts.money
    facts.shipping = Decimal(rng.choice((390, 495, 690))) * unit
    total = facts.line_total + facts.shipping
    net = (total / (1 + facts.rate / 100)).quantize(unit, ROUND_HALF_UP)
    say = {
        "fr": ("Commande", "Livraison", "Sous-total", "Total TTC", "dont TVA"),
        "nl": ("Bestelling", "Verzending", "Subtotaal", "Totaal incl. btw", "waarvan btw"),
        "it": ("Ordine", "Spedizione", "Subtotale", "Totale", "di cui IVA"),
        "es": ("Pedido", "Envío", "Subtotal", "Total", "IVA incluido"),
        "de": ("Bestellung", "Versand", "Zwischensumme", "Gesamtsumme", "inkl. MwSt."),
    }[facts.language]
    sheet.text(sheet.width / 2, 56, facts.seller.name, 18, align="center")
    sheet.text(MARGIN, 100, f"{facts.say('title')} {facts.number}", 13, bold=True)
    sheet.text(MARGIN, 116, f"{facts.say('label_date')} : {issued(d, 'invoice_number')}", 9)
    sheet.text(MARGIN, 130, f"{say[0]} : #{rng.randint(10000, 99999)}", 9)
    sheet.text(330, 100, facts.say("buyer"), 9, bold=True)
    sheet.block(330, 114, [facts.buyer.name, *facts.buyer.address])
    sheet.y = 190
    columns = [
        (facts.say("description"), MARGIN, "left"),
        (facts.say("price"), 370, "right"),
        (facts.say("quantity"), 440, "right"),
        (facts.say("amount"), RIGHT, "right"),
    ]
    grid(
        d,
        columns,
        [[one.description, money(one.price), facts.plain_number(one.quantity), money(one.amount)] for one in facts.items],
    )
    sums(d, [(say[2], money(facts.line_total)), (say[1], money(facts.shipping)), (say[3], money(total))], 340)
    sheet.text(340, sheet.y, f"{say[4]} ({facts.plain_number(facts.rate)} %)", 8)
    sheet.text(RIGHT - 3, sheet.y, money(total - net), 8, align="right")
    sheet.text(
        sheet.width / 2, 790, f"{facts.seller.name} | {' | '.join(facts.seller.address)} | {facts.seller.vat_id}", 7, align="center"
    )
    d.printed |= {"seller_name", "buyer_name", "tax", "total", "lines"} | ({"seller_vat_id"} if facts.seller.vat_id else set())
    return {"tax": str(total - net), "total": str(total)}
