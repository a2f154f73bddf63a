"""The day a document was issued and the day it is due, chosen among all its dates."""

from __future__ import annotations

import datetime as dt
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from akount.extraction import labels
from akount.extraction.dates import Date
from akount.extraction.found import lead_of
from akount.extraction.headings import heading_at
from akount.extraction.layout import Document, overlap, plain
from akount.extraction.numbers import _REFERS, _TO_ANOTHER


@dataclass(frozen=True, slots=True)
class FoundDate:
    """A date that was given a meaning."""

    date: Date
    confidence: int
    signals: Mapping[str, float] = field(default_factory=dict)


_GUESS = 55
"""How sure at most of a date that is the 3rd of April or the 4th of March, and nothing says which."""
_FROM_WORDS = re.compile(r"(?:\b(?:vom|von|dated|of|du|del|d\.d\.|z dnia|af|den|from)\s*:?\s*)$", re.IGNORECASE)
_RANGE = re.compile(r"^\s*(?:-|–|—|to|bis|au|al|t/m|until|do)\s*\d|^\s*[-–—]\s*\w")
_RANGE_BEFORE = re.compile(
    r"\d\s*(?:-|–|—|to|bis|au|al|t/m|until)\s*$|\b(?:through|ending|period ended|weekending)\s*$", re.IGNORECASE
)
_REDUCED = re.compile(r"^(?:\w+ ){0,4}%? ?(?:skonto|cash discount|discount|escompte|sconto|descuento|korting|rabatt)\b")
_UNREDUCED = re.compile(r"(?:ohne abzug|rein netto|netto|net|without deduction|sans escompte)\b")
_DEBITED = re.compile(
    r"\b(?:abgebucht|eingezogen|abgerufen|preleve|prelevee|addebitat[oa]|cargad[oa]|debitad[oa]|debited|collected|"
    r"afgeschreven|geincasseerd|trukket|pobrana|pobrany)\b"
)
"""What happens to an account on the day before it: "will on 4 March be debited to your account"."""
_TIME = re.compile(r"\b[0-2]?\d[:.][0-5]\d(?:[:.][0-5]\d)?\b")


def find_dates(document: Document, found: Sequence[Date]) -> tuple[FoundDate | None, FoundDate | None]:
    """The date of issue and the due date, each None when nothing speaks for one."""
    scored = [(date, *_date_role(document, date)) for date in found]
    done = {id(date) for date, role, _ in scored if not role and _in_column(date, scored)}
    scored = [(date, "other", 1.0) if id(date) in done else (date, role, worth) for date, role, worth in scored]
    issue = _issue_date(document, scored)
    due = max(((score, date) for date, role, score in scored if role == "due"), key=lambda one: one[0], default=None)
    return issue, FoundDate(due[1], min(_GUESS if due[1].guessed else 95, int(30 * due[0]))) if due else None


def _in_column(date: Date, scored: Sequence[tuple[Date, str, float]]) -> bool:
    """Whether a date is one of several that begin lines of a table: those are days of what was done."""
    rows = {
        other.cell.row
        for other, role, _ in scored
        if role in ("", "other") and other.cell.page == date.cell.page and abs(other.box[0] - date.box[0]) < 0.005
    }
    return date.start == 0 and len(rows) > 2


def _issue_date(document: Document, scored: Sequence[tuple[Date, str, float]]) -> FoundDate | None:
    best: tuple[float, Date] | None = None
    worths: dict[dt.date, float] = {}
    days = Counter(date.day for date, _, _ in scored)
    rows = max(1, len(document.rows))
    for date, role, score in scored:
        worth = {"issue": 1.0 + score, "": 1.0, "due": 0.2, "other": 0.0}[role]
        worth += 0.25 * min(3, days[date.day] - 1)
        worth += 0.5 * (1 - date.cell.row / rows)
        if _TIME.search(document.rows[date.cell.row].text.replace(date.text, " ")):
            worth += 0.5
        if date.short_year:
            worth -= 0.15
        worths[date.day] = max(worth, worths.get(date.day, worth))
        if best is None or worth > best[0]:
            best = (worth, date)
    if best is None:
        return None
    chosen = best[1]
    lead = lead_of(best[0], (worth for day, worth in worths.items() if day != chosen.day))
    signals = {
        "lead": lead,
        "alone": float(len(worths) == 1),
        "ambiguous": float(chosen.guessed),
        "short": float(chosen.short_year),
    }
    return FoundDate(chosen, min(_GUESS if chosen.guessed else 95, int(25 + 18 * best[0])), signals)


def _date_role(document: Document, date: Date) -> tuple[str, float]:
    """The role of the label before, beside or above a date and its strength (1-3.2)."""
    before = date.cell.label_text[: date.start]
    after = date.cell.text[date.end :]
    if _RANGE.search(after) or _RANGE_BEFORE.search(before):
        return "other", 1.0
    told = _terms_behind(after) or _number_before(document, date, before)
    if told:
        return told
    found = labels.find(before, "date")
    if found:
        return _last_label(document, date, found) if len(before) - found[-1].end < 40 else ("", 0.0)
    if sum(char.isalpha() for char in before) > 12:
        return "", 0.0
    return _date_label_beside(document, date)


def _terms_behind(after: str) -> tuple[str, float] | None:
    """What "with 2 % discount", or "without deduction", right behind a date says about it."""
    words = plain(re.split(r"[,;.]\s", after)[0])
    if _REDUCED.search(words[:40]):
        return "other", 1.0
    if _DEBITED.search(words[:90]):
        return ("due", 2.7)
    return ("due", 2.5) if _UNREDUCED.match(words) else None


def _number_before(document: Document, date: Date, before: str) -> tuple[str, float] | None:
    """What "invoice 4711 of", at the end of the text before the date or of the row above, says about the date."""
    if not before.strip() and date.cell.row:
        before = document.rows[date.cell.row - 1].cells[-1].label_text
    if not _FROM_WORDS.search(before.rstrip() + " "):
        return None
    found = [label for label in labels.find(before, "number") if label.strength == labels.STRONG]
    if not found or found[-1].end >= len(before.rstrip(" :")):
        return None
    if _REFERS.search(plain(before[: found[-1].start])):
        return ("other", 1.0)
    between = _FROM_WORDS.sub("", before[found[-1].end :].rstrip() + " ")
    if _TO_ANOTHER.match(plain(between)):
        return ("other", 1.0)
    if found[-1].role == "issue" and plain(between) and not re.search(r"\d", between):
        return ("other", 1.0)
    return ("issue", 2.4) if found[-1].role == "issue" else ("other", 1.0)


def _last_label(document: Document, date: Date, found: Sequence[labels.Label]) -> tuple[str, float]:
    """The label right before the date; a mere "of" yields to a stronger word further left."""
    last = found[-1]
    if last.strength == labels.STRONG:
        return _strongest([last], 0.0)
    left = [cell for cell in document.rows[date.cell.row].cells if cell.box[2] <= date.cell.box[0] + 0.01][-1:]
    earlier = [label for cell in left for label in labels.find(cell.label_text, "date")] + list(found[:-1])
    strong = [label for label in earlier if label.strength == labels.STRONG]
    return _strongest(strong[-1:], -0.3) if strong else _strongest([last], 0.0)


def _date_label_beside(document: Document, date: Date) -> tuple[str, float]:
    cells = [cell for cell in document.rows[date.cell.row].cells if cell.box[2] <= date.cell.box[0] + 0.01]
    for cell in reversed(cells[-2:]):
        found = labels.find(cell.label_text, "date")
        if found:
            return _strongest(found[-1:], 0.0)
        if sum(char.isalpha() for char in cell.text) > 4:
            break
    for cell in [other for other in document.above(date.cell, rows=2) if overlap(other.box, date.box) > 0][:1]:
        found = labels.find(cell.label_text, "date")
        if found and found[0].strength == labels.PLAIN and heading_at(document, cell.row)[0] is not None:
            return "other", 1.0
        if found and not re.search(r"\d{4}", cell.text):
            return _strongest(found[:1], -0.3)
    return "", 0.0


def _strongest(found: Sequence[labels.Label], adjust: float) -> tuple[str, float]:
    label = found[0]
    return label.role, (3.0 if label.strength == labels.STRONG else 1.7) + adjust
