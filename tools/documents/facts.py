"""What a generated document says: parties, dates, positions and sums, by a seeded random generator."""

import datetime as dt
import random
import re
import string
import tomllib
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import ROUND_HALF_UP, Decimal
from functools import cache
from pathlib import Path
from typing import Any

from stdnum import iban as iban_number
from stdnum.ch import uid as swiss
from stdnum.eu import vat as european
from stdnum.gb import vat as british
from stdnum.no import mva as norwegian

ZERO = Decimal(0)
_EXPONENTS = {"JPY": 0, "KWD": 3}
_VAT_BODIES = "DE:9 AT:U8 CH:E9 FR:11 BE:10 ES:B8 IT:11 NL:9B PT:9 PL:10 SE:10 DK:8 NO:9MVA FI:8 IE:7? GB:9"
_ENDS = {"NL": "01", "SE": "01"}
_IBAN_BODIES = (
    "DE:18 AT:16 CH:17 FR:23 BE:12 ES:20 IT:?22 NL:????10 PT:21 PL:24 SE:20 DK:14 NO:11 FI:14 IE:????14 GB:????14 KW:????22"
)


def _shapes(bodies: str) -> dict[str, str]:
    """Country -> what its numbers look like: # stands for a digit, ? for a letter."""
    pairs = (pair.split(":") for pair in bodies.split())
    return {country: re.sub(r"\d+", lambda count: "#" * int(count.group()), body.replace("~", "")) for country, body in pairs}


_IBAN_SHAPES = _shapes(_IBAN_BODIES)
_VAT_SHAPES = {country: country + body + _ENDS.get(country, "") for country, body in _shapes(_VAT_BODIES).items()}


@cache
def words() -> dict[str, Any]:
    """The contents of words.toml."""
    return tomllib.loads((Path(__file__).parent / "words.toml").read_text(encoding="utf-8"))


@dataclass
class Party:
    name: str
    address: list[str]
    phone: str
    host: str
    vat_id: str = ""
    iban: str = ""


@dataclass
class Item:
    description: str
    extra: str
    quantity: Decimal
    price: Decimal
    amount: Decimal


@dataclass
class Facts:
    """One document before it is drawn. Amounts are positive also for credit notes; `sign` says how they are printed."""

    country: str
    language: str
    currency: str
    seller: Party
    buyer: Party
    number: str
    issued: dt.date
    due: dt.date
    days: int
    rate: Decimal
    items: list[Item]
    discount: Decimal = ZERO
    discount_rate: Decimal = ZERO
    shipping: Decimal = ZERO
    prepaid: Decimal = ZERO
    credit: bool = False
    sign: int = 1
    styles: dict[str, str] = field(default_factory=dict)

    @property
    def unit(self) -> Decimal:
        return Decimal(1).scaleb(-_EXPONENTS.get(self.currency, 2))

    @property
    def line_total(self) -> Decimal:
        return sum((item.amount for item in self.items), ZERO)

    @property
    def net(self) -> Decimal:
        return self.line_total - self.discount + self.shipping

    @property
    def tax(self) -> Decimal:
        return (self.net * self.rate / 100).quantize(self.unit, ROUND_HALF_UP)

    @property
    def total(self) -> Decimal:
        return self.net + self.tax

    def say(self, name: str) -> str:
        """The phrase this document uses for something; the same wherever it is asked for."""
        return self.styles[name]

    def money(self, amount: Decimal, *, bare: bool = False) -> str:
        """An amount as this country's offices print it, with the currency unless bare."""
        text = _grouped(abs(self.sign * amount), self.styles["number"], self.unit)
        text = f"-{text}" if self.sign * amount < 0 else text
        return text if bare else self.styles["money"].format(text)

    def plain_number(self, number: Decimal) -> str:
        point = "," if re.search(r",\d\d$", self.styles["number"]) else "."
        return format(number.normalize(), "f").replace(".", point)

    def date(self, day: dt.date) -> str:
        month = words()[self.language]["months"][day.month - 1]
        text = self.styles["date"].replace("{month}", month).replace("{mon}", month[:3])
        return day.strftime(text)


def _grouped(amount: Decimal, shape: str, unit: Decimal) -> str:
    """12345.6 as the shape shows it for 1234.50."""
    thousands = shape[1] if not shape[1].isdigit() else ""
    point = "" if shape.endswith("234") else "," if re.search(r",\d+$", shape) else "."
    text = f"{amount.quantize(unit):,}"
    return text.replace(",", "\0").replace(".", point).replace("\0", thousands)


def _filled(rng: random.Random, shape: str) -> str:
    return "".join(rng.choice(string.digits) if c == "#" else rng.choice("ABCDEFGHKLMNRSTW") if c == "?" else c for c in shape)


def _valid(rng: random.Random, shape: str, is_valid: Callable[[str], bool]) -> str:
    while True:
        text = _filled(rng, shape)
        if is_valid(text):
            return text


def vat_id(rng: random.Random, country: str) -> str:
    """A tax id with right check digits; empty for a country without."""
    if country not in _VAT_SHAPES:
        return ""
    checks = {"GB": british.is_valid, "NO": lambda text: norwegian.is_valid(text[2:]), "CH": swiss.is_valid}
    return _valid(rng, _VAT_SHAPES[country], checks.get(country, european.is_valid))


def iban(rng: random.Random, country: str) -> str:
    """An IBAN with right check digits; empty for a country without."""
    if country not in _IBAN_SHAPES:
        return ""
    while True:
        body = _filled(rng, _IBAN_SHAPES[country])
        digits = "".join(str(int(char, 36)) for char in f"{body}{country}00")
        number = f"{country}{98 - int(digits) % 97:02d}{body}"
        if iban_number.is_valid(number):
            return number


def party(rng: random.Random, country: str, *, person: bool = False) -> Party:
    """A company, or a person, of that country."""
    land = words()["country"][country]
    said = words()[land["language"]]
    surname, trade, legal = rng.choice(said["surnames"]), rng.choice(said["trades"]), rng.choice(land["legal"])
    shapes = (f"{surname} {trade} {legal}", f"{trade} {surname} {legal}", f"{surname} {legal}" if legal else f"{trade} {surname}")
    name = f"{rng.choice(said['first'])} {surname}" if person else " ".join(rng.choice(shapes).split())
    post, city = rng.choice(land["cities"])
    street = rng.choice(land["streets"])
    address = land["layout"].format(street=street, no=rng.randint(1, 180), post=post, city=city).split("|")
    bare = "".join(c for c in unicodedata.normalize("NFD", surname.lower()) if c.isascii() and c.isalpha())
    host = f"{bare}{rng.choice(('', '-' + country.lower()))}.example"
    return Party(name, address, land["dial"] + str(rng.randint(100, 9999)), host, vat_id(rng, land["vat"]), iban(rng, land["iban"]))


def _number(rng: random.Random, day: dt.date) -> str:
    serial = rng.randint(3, 99999)
    shapes = (
        f"{serial:05d}", f"{day.year}-{serial:04d}", f"INV-{serial}", f"{day.year}/{serial}", f"RE{day.year}{serial:05d}",
        f"{rng.choice('ABFKRX')}{serial}", f"{day:%y%m}-{serial}", f"{serial}/{day.month:02d}/{day.year}",
        f"{rng.choice('AFR')}-{day:%y}-{serial:05d}",
        f"{serial + 100000}",
    )  # fmt: skip
    return rng.choice(shapes)


def _items(rng: random.Random, said: dict[str, Any], unit: Decimal, count: int) -> list[Item]:
    items = []
    for _ in range(count):
        quantity = Decimal(rng.choice(("1", "1", "2", "3", "5", "10", "12", "1.5", "7.5", "24")))
        scale = rng.choice((10, 50, 100, 100, 900)) * (100 if unit == 1 else 1)
        price = (Decimal(rng.uniform(1, scale))).quantize(unit) + unit
        extra = rng.choice(said["extra"]) if rng.random() < 0.25 else ""
        items.append(Item(rng.choice(said["goods"]), extra, quantity, price, (quantity * price).quantize(unit, ROUND_HALF_UP)))
    return items


def make_facts(rng: random.Random, country: str) -> Facts:
    """A document of a seller in that country; most buyers are of the same country."""
    land = words()["country"][country]
    language, currency = land["language"], land["currency"]
    said = words()[language]
    day = dt.date(2019, 1, 1) + dt.timedelta(days=rng.randint(0, 2500))
    days = rng.choice((7, 8, 10, 14, 15, 20, 21, 30, 30, 45, 60))
    unit = Decimal(1).scaleb(-_EXPONENTS.get(currency, 2))
    count = rng.choice((1, 1, 2, 2, 3, 4, 5, 6, 8)) if rng.random() < 0.92 else rng.randint(28, 60)
    seller = party(rng, country, person=rng.random() < 0.08)
    buyer = party(rng, country, person=rng.random() < 0.25)
    styles = {name: rng.choice(phrases) for name, phrases in said.items() if name not in ("months", "first")}
    styles |= {
        name: rng.choice(land[many]) for name, many in (("number_shape", "number"), ("money", "money"), ("date_shape", "dates"))
    }
    styles["label_number"], styles["label_date"] = styles["number"], styles["date"]
    styles["number"], styles["date"] = styles.pop("number_shape"), styles.pop("date_shape")
    facts = Facts(
        country, language, currency, seller, buyer, _number(rng, day), day, day + dt.timedelta(days=days), days,
        Decimal(rng.choice(land["rates"])), _items(rng, said, unit, count), styles=styles,
    )  # fmt: skip
    _adjust(rng, facts)
    return facts


def _adjust(rng: random.Random, facts: Facts) -> None:
    """Some give a discount, charge for shipping, were paid in part, or are credit notes."""
    if rng.random() < 0.12:
        facts.discount_rate = Decimal(rng.choice(("5", "10", "3")))
        facts.discount = (facts.line_total * facts.discount_rate / 100).quantize(facts.unit)
    if rng.random() < 0.12:
        facts.shipping = Decimal(rng.uniform(4, 30)).quantize(facts.unit) * (100 if facts.unit == 1 else 1)
    facts.credit = rng.random() < 0.07
    facts.sign = rng.choice((1, -1)) if facts.credit else 1
    if rng.random() < 0.1 and not facts.credit:
        facts.prepaid = (facts.total / rng.choice((2, 3, 4))).quantize(facts.unit)


def truth_of(facts: Facts, printed: set[str]) -> dict[str, Any]:
    """What a reader should find: of the facts those whose names were printed."""
    sign = -1 if facts.credit else 1
    values: dict[str, Any] = {
        "seller_name": facts.seller.name,
        "buyer_name": facts.buyer.name,
        "invoice_number": facts.number,
        "issue_date": facts.issued.isoformat(),
        "due_date": facts.due.isoformat(),
        "currency": facts.currency,
        "net": str(sign * facts.net),
        "tax": str(sign * facts.tax),
        "total": str(sign * facts.total),
        "amount_due": str(sign * (facts.total - facts.prepaid)),
        "seller_vat_id": facts.seller.vat_id,
        "iban": facts.seller.iban,
        "lines": [
            {
                "description": one.description,
                "quantity": str(one.quantity),
                "unit_price": str(one.price),
                "amount": str(sign * one.amount),
            }
            for one in facts.items
        ],
    }
    kept = {name: value for name, value in values.items() if name in printed and value}
    return {"document_type": "credit_note" if facts.credit else "invoice"} | kept
