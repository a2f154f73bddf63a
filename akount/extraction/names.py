"""Whether a text can be the name of a company or person: legal forms, trades, and what no name looks like."""

from __future__ import annotations

import re
from functools import cache, lru_cache

from akount.extraction import labels
from akount.extraction.addresses import ADDRESS, POSTCODE, is_street
from akount.extraction.layout import plain, unaccented

LEGAL = re.compile(
    r"(?<![\w.])(?:gmbh|mbh|ges\.?\s?m\.?\s?b\.?\s?h|ag|kg|ohg|gbr|ug|e\.?\s?k\.?|e\.\s?v\.?|ltd|limited|llc|llp|plc|inc|corp|corporation|co|"
    r"company|pty|pvt|pte|sdn|bhd|berhad|"
    r"s/b|s\.?a\.?r\.?l|s\.?a\.?s|sasu|eurl|s\.?a|s\.?r\.?l|s\.?p\.?a|s\.?l|s\.?l\.?u|lda|ltda|me|epp|b\.?v|n\.?v|"
    r"v\.?o\.?f|bvba|sp\.?\s?z\s?o\.?\s?o|s\.?r\.?o|"
    r"a\.?s|aps|a/s|ab|oy|oyj|kft|zrt|se|gesellschaft|enterprise|enterprises|trading|holdings?|group|services|"
    r"systems|solutions|stores?|restaurant|hotel|"
    r"market|mart|supermarket|apotheke|pharmacy|cafe|caf\u00e9|b\u00e4ckerei|tankstelle)(?![\w])\.?",
    re.IGNORECASE,
)
_STRONG_LEGAL = re.compile(
    r"(?<![\w.])(?:gmbh|mbh|ges\.?\s?m\.?\s?b\.?\s?h|haftungsbeschrankt|e\.\s?k|ag|ohg|gbr|eurl|sasu|s\.n\.c|s\.?p\.?r\.?l|bvba|"
    r"v\.o\.f|s\.l\.u|s\.?\s?coop|lda|unipessoal|w\.?l\.?l|k\.s\.c\.?c?|teoranta|d\.?o\.?o|zrt|nyrt|aktiebolag|oyj|eirl|srls|ltd|limited|llc|llp|plc|inc|corp|sdn|bhd|berhad|s/b|pty|s\.?a\.?r\.?l|"
    r"s\.?a\.?s|s\.?r\.?l|s\.?p\.?a|s\.?l|ltda|b\.?v|n\.?v|sp\.?\s?z\s?o\.?\s?o|s\.?r\.?o|aps|a/s|ab|oy|kft|k\.k)(?![\w])\.?",
    re.IGNORECASE,
)
_LEGAL_END = re.compile(
    r"\s(?:Ky|Tmi|HB|KB|ANS|AS|ASA|OG|KG|SE|VVaG|a\. ?G|DAC|CLG|"
    r"CV|Bt|ENK|I/S|K/S|P/S|s\.c|[Ss]p\. ?[kj]|S\.A|SA|SC|S\.L|SL|SRL|SpA|VOF)\.?$"
)
"""Legal forms that are a word, or a pair of letters, anywhere else than at the end of a name."""
CONTACT = re.compile(
    r"\b(tel|tlf|phone|fax|fon|telefon|mobile(?=\W*[:\d])|email|e-mail|www|http|iban|bic|swift|hrb|vat|ust|siret|gst|page|seite)\b|"
    r"@|www\.|\.com\b|\.de\b|\+\d{2}",
    re.IGNORECASE,
)
_SENTENCE = re.compile(
    r"[.!?]$|\b(the|your|you|our|please|bitte|ihre|ihr|wir|sie|vous|votre|nous|for|and are|is|are|thank|danke|merci|"
    r"was|will|with|this|zu|mit)\b",
    re.IGNORECASE,
)
_TOWN = re.compile(r"[a-z], ?[A-Z]{2}$")
_STAFF = re.compile(
    r"\b(?:store ?manager|mgr|cashier|served by|kassierer(?:in)?|caissi(?:er|ere|\u00e8re)|cajer[oa]|kasjer)\b", re.IGNORECASE
)
_ADDRESS_END = re.compile(r"^\w*(?:adress?|adresse|address|anschrift|aadress|osoite)$")
"""A single word for an address of some kind is no name."""
ALL_LABELS = 0.8
"""The share of a text that must be labels, right behind a label, for it to be no name: "My Client" may be a customer."""
_REGISTRATION = re.compile(
    r"\s*\((?:[A-Z]{0,3}\d[\d\s-]*-?[A-Z]?|co\.?\s?(?:reg)?\.?\s?no\.?[^)]*)\)?[.,]?\s*$|\s\(?\d{5,}-?[A-Z]\b.*$|"
    r"[\s,]+(?:(?:cif|nif|rfc|cvr|kvk|abn|siret|nip|gstin|org\.?\s?nr)\b[\s.:]*)?[A-Z]{0,2}-?\d[\d\s-]{6,}\d$",
    re.IGNORECASE,
)
HONORIFIC = re.compile(
    r"^(?:attn|attention|z\.?\s?hd\.?|herrn?|frau|mr|mrs|ms|mme|mlle|do\u00f1a|d\u00f1a|dhr|mevr|messrs|m/s|firma|an|company)\b[.:]?\s*",
    re.IGNORECASE,
)


def is_firm(name: str) -> bool:
    """Whether a legal form is in the name."""
    return _STRONG_LEGAL.search(unaccented(name)) is not None or _LEGAL_END.search(name) is not None


def is_business(name: str) -> bool:
    """Whether a legal form or a word for a trade is in the name."""
    return LEGAL.search(unaccented(name)) is not None or is_firm(name)


@lru_cache(maxsize=20_000)
def name_of(text: str, share: float = 0.6) -> str | None:
    """The text as a name of a company or person, or None if it cannot be one: when that share of it is labels, among others."""
    name = _REGISTRATION.sub("", text)
    name = re.sub(r"^[^\w(]+|[\s,;:*_|\u2022\u00b7-]+$", "", name)
    bare = plain(name)
    letters = sum(map(str.isalpha, name))
    if letters < 3 or letters < 0.6 * len(name.replace(" ", "")) or len(name) > 70:
        return None
    if (
        labels.is_title(bare)
        or bare in labels.words("country")
        or bare.split(" ")[-1] in labels.words("heading")
        or _ADDRESS_END.search(bare)
    ):
        return None
    if _is_staff(name) or CONTACT.search(name) or POSTCODE.search(name) or ":" in name or "%" in name:
        return None
    if is_label(name, share) or (_is_sentence(name) and not is_business(name)):
        return None
    return None if _is_place(name) else name


def _is_place(name: str) -> bool:
    """Whether it is a part of an address rather than a name: 12 Market Street is no market."""
    if (name[:1].isdigit() and ADDRESS.search(name)) or _TOWN.search(name):
        return not is_firm(name)
    return not is_business(name) and (ADDRESS.search(name) is not None or is_street(name))


def _is_staff(name: str) -> bool:
    return _STAFF.search(name) is not None and not is_business(_STAFF.sub("", name))


def _is_sentence(text: str) -> bool:
    if re.match(r"[Tt][Hh][Ee] \w", text) and text.count(" ") < 5 and text[-1:].isalnum():
        text = text[4:]  # as in the name of an inn
    return _SENTENCE.search(text) is not None and (text[-1:].isalnum() or text.count(" ") > 3)


def is_label(text: str, share: float = 0.6) -> bool:
    """Whether that share of a text is labels, or it starts with a title."""
    if is_firm(text):
        return False
    bare = plain(text)
    for group in ("money", "date", "number", "party", "column"):
        found = labels.find(text, group)
        covered = sum(label.end - label.start for label in found)
        if covered >= share * max(1, len(text.strip())):
            return True
    return bare.startswith(_titles())


@cache
def _titles() -> tuple[str, ...]:
    """What a text that starts with a title starts with."""
    no_titles = ("table", "cash", "gst", "sale", "bon", "original", "ticket", "nf e")
    return tuple(f"{title} " for title in labels.words("title") if len(title) > 3 and title not in no_titles)
