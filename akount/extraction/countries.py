"""Which country a document comes from, by what names one: tax id, IBAN, dialling code, domain, the end of an address."""

from __future__ import annotations

import re
from collections import Counter
from functools import cache

from akount.extraction.layout import Document

_EURO = ("AT", "BE", "CY", "DE", "EE", "ES", "FI", "FR", "GR", "HR", "IE", "IT", "LT", "LU", "LV", "MT", "NL", "PT", "SI", "SK")
_OTHERS = (
    "SE:SEK NO:NOK DK:DKK PL:PLN CZ:CZK HU:HUF RO:RON GB:GBP CH:CHF US:USD AU:AUD NZ:NZD CA:CAD JP:JPY IN:INR SG:SGD MY:MYR BR:BRL "
    "ZA:ZAR IS:ISK KW:KWD AE:AED TR:TRY MX:MXN LI:CHF"
)
MONEY = dict.fromkeys(_EURO, "EUR") | {pair[:2]: pair[3:] for pair in _OTHERS.split()}
"""Country -> its money."""
_CODES = (
    "46:SE 47:NO 45:DK 48:PL 420:CZ 36:HU 40:RO 44:GB 41:CH 61:AU 64:NZ 81:JP 91:IN 65:SG 60:MY 55:BR 27:ZA 354:IS 965:KW "
    "971:AE 90:TR 52:MX 43:AT 32:BE 49:DE 34:ES 358:FI 33:FR 30:GR 353:IE 39:IT 352:LU 31:NL 351:PT 386:SI 421:SK 385:HR 423:LI"
)
_DIALS = dict(pair.split(":") for pair in _CODES.split())
_IBAN = re.compile(r"(?<![A-Z0-9])([A-Z]{2})\d{2} ?(?:[A-Z0-9]{4} ?){3,}")
_TAX_ID = re.compile(r"(?<![A-Z0-9])([A-Z]{2,3})[ .-]?[A-Z]?\d[\d .-]{6,}")
_DIAL = re.compile(r"(?:\+|\b00)(\d{2,3})(?=[\s(./-]|\d{5})")
_DOMAIN = re.compile(r"(?:@|www\.)[\w.-]+\.([a-z]{2})\b")
_STATES = (
    "AL|AK|AZ|AR|CA|CO|CT|DE|DC|FL|GA|HI|ID|IL|IN|IA|KS|KY|LA|ME|MD|MA|MI|MN|MS|MO|MT|NE|NV|NH|NJ|NM|NY|NC|ND|OH|OK|OR|PA|RI|SC|SD|"
    "TN|TX|UT|VT|VA|WA|WV|WI|WY"
)
_PLACES = {
    "US": rf"(?<![A-Z])(?:{_STATES})[ .]{{1,2}}\d{{5}}(?:-\d{{4}})?(?!\d)",
    "SG": r"(?i:\bsingapore\b)",
    "GB": r"\bUK (?:LTD|PLC|LIMITED|Ltd|plc|Limited)\b|(?<![A-Z0-9])[A-Z]{1,2}\d[A-Z\d]? \d[ABD-HJLNP-UW-Z]{2}(?![A-Z0-9])",
    "CA": r"(?<![A-Z0-9])[ABCEGHJ-NPR-TVXY]\d[A-Z] ?\d[A-Z]\d(?![A-Z0-9])|(?m:[a-z]{3}(?:,\s?AB|,? (?:BC|MB|ON|QC|PQ))$)|"
    r"(?i:\b(?:alberta|ontario|manitoba|saskatchewan|british columbia|nova scotia)\b)",
    "AU": r"(?<![A-Z])(?:NSW|VIC|QLD|TAS|ACT)(?: \d{4}|(?![A-Z]))|(?<![A-Z])(?:SA|WA|NT) \d{4}(?!\d)",
    "MY": r"(?i:\b(?:selangor|johor|penang|pulau pinang|perak|melaka|sabah|sarawak|negeri sembilan)\b)",
    "IN": r"\d{2}[A-Z]{5}\d{4}[A-Z][1-9A-Z]Z[0-9A-Z]",
}
"""How addresses end in a country, or the shape of its tax ids where no letters of the country stand in front."""
_MARKS = {
    "SE": r"\b(?:bankgiro|plusgiro|momsreg|godkänd för f-skatt|organisationsnummer|öre|belopp|förfallo\w*|köpare|säljare|"
    r"att betala|kvitto|delsumma)\b",
    "NO": r"\b(?:mva|foretaksregisteret|forfallsdato|kjøper|beløp)\b",
    "DK": r"\b(?:cvr|forfaldsdato|køber|beløb|ekskl|stk\. pris)\b",
}


@cache
def _marks() -> dict[str, re.Pattern[str]]:
    return {country: re.compile(pattern, re.IGNORECASE) for country, pattern in _MARKS.items()}


@cache
def _places() -> dict[str, re.Pattern[str]]:
    return {country: re.compile(pattern) for country, pattern in _PLACES.items()}


def votes(document: Document) -> Counter[str]:
    """Country -> how much speaks for it; ids and accounts weigh more than telephones."""
    found: Counter[str] = Counter()
    text = document.text
    for pattern, weight in ((_IBAN, 3), (_TAX_ID, 3)):
        for code in pattern.findall(text):
            country = "GR" if code == "EL" else "CH" if code == "CHE" else code
            found[country] += weight if country in MONEY else 0
    for dialled in _DIAL.findall(text.replace(" 00", " ") if document.scanned else text):  # tills number shops 0044
        country = _DIALS.get(dialled) or _DIALS.get(dialled[:2], "")
        found[country] += 2 if country else 0
    for domain in _DOMAIN.findall(text.lower()):
        country = "GB" if domain == "uk" else domain.upper()
        found[country] += country in MONEY
    for country, mark in _marks().items():
        found[country] += 1 if mark.search(text) else 0
    for country, place in _places().items():
        found[country] += 2 if place.search(text) else 0
    return +found


def money_of(document: Document, among: tuple[str, ...] = ()) -> str | None:
    """The money of the country that most speaks for, of those currencies if any are named; None without a word for one."""
    counted: Counter[str] = Counter()
    for country, weight in votes(document).items():
        if not among or MONEY[country] in among:
            counted[MONEY[country]] += weight
    return counted.most_common(1)[0][0] if counted else None
