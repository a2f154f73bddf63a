"""Receipts of tills, photographed: narrow paper, one typeface, a little turned, a little out of focus."""

import io
import random
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import numpy as np
import pypdfium2
from PIL import Image, ImageFilter

from tools.documents.facts import Facts, words
from tools.documents.sheet import Sheet

WIDTH = 227.0
COUNTRIES = {"en": ("GB", "US", "AU", "IE"), "de": ("DE", "AT"), "fr": ("FR",), "es": ("ES",), "it": ("IT",), "nl": ("NL",)}


def draw_till(facts: Facts, rng: random.Random) -> tuple[bytes, dict[str, Any]]:
    """The PDF of a receipt and its truth. Prices hold the tax."""
    facts.credit, facts.sign = False, 1
    said = words()["till"][facts.language]
    say = {name: rng.choice(phrases) for name, phrases in said.items() if name != "goods"}
    surname = rng.choice(words()[facts.language]["surnames"])
    shop = rng.choice((f"{say['shops']} {surname}", f"{surname} {say['shops']}", facts.seller.name))
    shop = shop.upper() if rng.random() < 0.5 else shop
    items = [(rng.choice(said["goods"]), Decimal(rng.uniform(0.5, 30)).quantize(Decimal("0.01"))) for _ in range(rng.randint(1, 9))]
    total = sum((price for _, price in items), Decimal(0))
    tax = (total * facts.rate / (100 + facts.rate)).quantize(Decimal("0.01"), ROUND_HALF_UP)
    sheet = Sheet(rng.choice(("typewriter", "typewriter", "sans")), "#202020", (WIDTH, 300.0 + 14 * len(items)))
    y = _head(sheet, facts, say, shop, rng)
    left, right = 14, WIDTH - 14
    for name, price in items:
        sheet.text(left, y, name, 9)
        sheet.text(right, y, facts.money(price, bare=True) + rng.choice(("", "", " A")), 9, align="right")
        y += 13
    sheet.rule(left, right, y - 4)
    sheet.text(left, y + 10, say["total"], 12, bold=True)
    sheet.text(right, y + 10, facts.money(total), 12, bold=True, align="right")
    y += 26
    for label, amount in _paid(say, total, rng):
        sheet.text(left, y, label, 9)
        sheet.text(right, y, facts.money(amount, bare=True), 9, align="right")
        y += 13
    sheet.text(left, y + 6, say["tax"].format(rate=facts.plain_number(facts.rate)), 8)
    sheet.text(right, y + 6, facts.money(tax, bare=True), 8, align="right")
    sheet.text(WIDTH / 2, y + 28, say["thanks"], 8, align="center")
    truth = {"document_type": "invoice", "seller_name": shop, "issue_date": facts.issued.isoformat(), "total": str(total)}
    return sheet.bytes(), truth | {"currency": facts.currency}


def _paid(say: dict[str, str], total: Decimal, rng: random.Random) -> list[tuple[str, Decimal]]:
    """How it was paid: with more than enough, with a gift card and the rest otherwise, or nothing is said."""
    how = rng.random()
    if how < 0.45:
        given = (total / 10 + 1).to_integral_value() * 10
        return [(say["cash"], given), (say["change"], given - total)]
    if how < 0.7 and total > 2:
        part = (total / 2).to_integral_value()
        return [(say["voucher"], -part), (say["rest"], total - part)]
    return []


def _head(sheet: Sheet, facts: Facts, say: dict[str, str], shop: str, rng: random.Random) -> float:
    middle = WIDTH / 2
    sheet.text(middle, 30, shop, 11, bold=True, align="center")
    y = sheet.block(middle, 44, [*facts.seller.address, facts.seller.phone], 8, align="center")
    if say["title"]:
        sheet.text(middle, y + 8, say["title"], 10, align="center")
        y += 16
    clock = f"{rng.randint(8, 21):02d}:{rng.randint(0, 59):02d}"
    shapes = ("%d/%m/%Y", "%d/%m/%y") if facts.country != "US" else ("%m/%d/%Y", "%m/%d/%y")
    shapes = ("%d.%m.%Y", "%d.%m.%y") if facts.language == "de" else ("%d-%m-%Y", "%d/%m/%Y") if facts.language == "nl" else shapes
    sheet.text(14, y + 8, f"{facts.issued.strftime(rng.choice(shapes))}  {clock}", 8)
    sheet.text(WIDTH - 14, y + 8, f"{rng.choice(('#', 'Nr. ', 'No '))}{rng.randint(100, 99999)}", 8, align="right")
    return y + 28


def photographed(pdf: bytes, rng: random.Random, dpi: int = 150) -> bytes:
    """The first page as a JPEG: turned by up to a degree and a half, blurred, unevenly lit, noisy."""
    document = pypdfium2.PdfDocument(pdf)
    try:
        image = document[0].render(scale=dpi / 72).to_pil().convert("RGB")
    finally:
        document.close()
    image = image.rotate(rng.uniform(-1.5, 1.5), expand=True, fillcolor="white", resample=Image.Resampling.BICUBIC)
    image = image.filter(ImageFilter.GaussianBlur(rng.uniform(0.2, 0.7)))
    pixels = np.asarray(image).astype(float)
    light = np.linspace(rng.uniform(0.75, 1), rng.uniform(0.85, 1), pixels.shape[1])[None, :, None]
    noise = np.random.default_rng(rng.randrange(1 << 30)).normal(0, rng.uniform(2, 7), pixels.shape)
    out = io.BytesIO()
    Image.fromarray(np.clip(pixels * light + noise, 0, 255).astype("uint8")).save(out, "JPEG", quality=rng.randint(55, 85))
    return out.getvalue()
