"""What counts as right: one field of a reading against the truth, and the tallies over many documents.

Only fields the truth knows are judged. A wrong value costs precision and recall, a missing one recall only.
"""

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from rapidfuzz import fuzz

MONEY = ("net", "tax", "total", "amount_due")
NAMES = {"seller_name": "seller_trading_name", "buyer_name": "buyer_contact"}
"""The names of parties, and under which key the truth may hold a second name that is as right."""
FIELDS = (
    "total",
    "currency",
    "issue_date",
    "due_date",
    "invoice_number",
    "net",
    "tax",
    "amount_due",
    *NAMES,
    "seller_vat_id",
    "iban",
)
KEY_FIELDS = ("total", "currency", "issue_date", "invoice_number")
"""What has to be right for a record to count as right (S5)."""

_LEGAL_FORMS = re.compile(
    r"a[bgs]|aps|asa|bhd|bv|bvba|c(?:ie|o|ompany|orp|orporation)|e[gkv]|gbr|gmbh|inc(?:orporated)?|kft|kg|kgaa|lda|limited|llc|llp|ltda?"
    r"|m|mbh|me|nv|nyrt|ohg|oyj?|plc|p[tv]e|pty|pvt|s[acelu]|sarl|sasu?|sau|sci|scop|sdn|slu|snc|spa|sprl|spzoo|srl|sro|ug|vof|zrt"
)
_NAME_ALIKE, _DESCRIPTION_ALIKE = 90, 60


def right(field: str, truth: Mapping[str, Any], said: Any) -> bool:
    """Whether the value said for a field is the one the truth holds."""
    wanted = truth[field]
    if field in MONEY:
        return _same_amount(wanted, said, credit=truth.get("document_type") == "credit_note")
    if field in NAMES:
        return any(_same_name(name, said) for name in (wanted, truth.get(NAMES[field])) if name)
    if field == "iban":
        return _alnum(said) in {_alnum(one) for one in (wanted, *truth.get("iban_all", ()))}
    if field == "seller_vat_id":
        return _alnum(said) == _alnum(wanted)
    if field == "invoice_number":
        return re.sub(r"\s", "", said).lstrip("#") == re.sub(r"\s", "", str(wanted)).lstrip("#")
    return str(said).strip().upper() == str(wanted).strip().upper()


def _alnum(text: str) -> str:
    return re.sub(r"[^0-9A-Z]", "", text.upper())


def _number(raw: Any) -> Decimal | None:
    try:
        return None if raw is None else Decimal(str(raw))
    except InvalidOperation:
        return None


def _same_amount(wanted: Any, said: Any, *, credit: bool) -> bool:
    """Credit notes are printed with either sign, so there the sign is not judged."""
    one, other = _number(wanted), _number(said)
    if one is None or other is None:
        return False
    return abs(one) == abs(other) if credit else one == other


def _folded(text: str) -> str:
    bare = unicodedata.normalize("NFD", unicodedata.normalize("NFKC", text).casefold().replace("ß", "ss"))
    return "".join(char for char in bare if not unicodedata.combining(char))


def _name_words(text: str) -> list[str]:
    joined = re.sub(r"\b(?:[a-z]\.\s?){2,}", lambda match: re.sub(r"[.\s]", "", match.group()) + " ", _folded(text))
    words = re.findall(r"[^\W_]+", joined)
    return [word for word in words if _LEGAL_FORMS.fullmatch(word) is None] or words


def _same_name(wanted: str, said: str) -> bool:
    """Alike but for legal forms, accents and spaces; neither a crumb of the name nor a paragraph around it."""
    one, other = _name_words(wanted), _name_words(said)
    tight_one, tight_other = "".join(one), "".join(other)
    if not tight_one or not 0.34 * len(tight_one) <= len(tight_other) <= max(3 * len(tight_one), len(tight_one) + 25):
        return False
    alike = max(fuzz.ratio(tight_one, tight_other), fuzz.token_set_ratio(" ".join(one), " ".join(other)))
    return bool(alike >= _NAME_ALIKE)


def matched_lines(truth: Mapping[str, Any], said: list[dict[str, Any]]) -> int:
    """How many lines of the truth have a line of their own in the reading, of the same amount and a like description."""
    credit = truth.get("document_type") == "credit_note"
    pairs = sorted(
        (-alike, i, j)
        for i, wanted in enumerate(truth["lines"])
        for j, line in enumerate(said)
        if _same_amount(wanted.get("amount"), line.get("amount"), credit=credit)
        and (alike := _alike(wanted.get("description", ""), line.get("description") or "")) >= _DESCRIPTION_ALIKE
    )
    ones: set[int] = set()
    others: set[int] = set()
    for _, i, j in pairs:
        if i not in ones and j not in others:
            ones.add(i)
            others.add(j)
    return len(ones)


def _alike(wanted: str, said: str) -> float:
    one, other = _folded(wanted), _folded(said)
    return max(fuzz.token_set_ratio(one, other), fuzz.partial_ratio(one, other)) if one and other else 0.0


@dataclass
class Tally:
    """Values found and right, found and wrong, not found."""

    right: int = 0
    wrong: int = 0
    missing: int = 0

    @property
    def known(self) -> int:
        return self.right + self.wrong + self.missing

    @property
    def f1(self) -> float:
        """In per cent. A wrong value is missed as well: it counts twice."""
        return 100 * 2 * self.right / max(1, 2 * self.right + 2 * self.wrong + self.missing)


def judged(truth: Mapping[str, Any], fields: Mapping[str, Any]) -> dict[str, bool | None]:
    """Field → right, wrong or (None) not found, for every field the truth knows."""
    known = [field for field in FIELDS if truth.get(field) not in (None, "")]
    return {field: None if fields.get(field) in (None, "") else right(field, truth, fields[field]) for field in known}


def tallies(pairs: Iterable[tuple[Mapping[str, Any], Mapping[str, Any]]]) -> dict[str, Tally]:
    """Field → tally over (truth, fields) pairs; `lines` counts single lines."""
    counted: dict[str, Tally] = defaultdict(Tally)
    for truth, fields in pairs:
        for field, verdict in judged(truth, fields).items():
            name = "missing" if verdict is None else "right" if verdict else "wrong"
            setattr(counted[field], name, getattr(counted[field], name) + 1)
        if truth.get("lines"):
            found = matched_lines(truth, fields.get("lines") or [])
            extra, lost = len(fields.get("lines") or []) - found, len(truth["lines"]) - found
            tally = counted["lines"]
            tally.right, tally.wrong = tally.right + found, tally.wrong + min(extra, lost)
            tally.missing += abs(extra - lost)
    return dict(counted)
