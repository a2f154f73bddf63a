"""Dates as they are printed in many languages; ambiguous ones keep all their readings until the page settles them."""

from __future__ import annotations

import datetime as dt
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace

from akount.extraction import countries
from akount.extraction.layout import Cell, Document, plain
from akount.readings import Box

FIRST_YEAR, LAST_YEAR = 1980, 2079

_MONTHS = (
    "january jan janner jaenner januar janvier janv enero ene gennaio gen januari janeiro styczen stycznia sty "
    "tammikuu tammikuuta leden ledna",
    "february feb feber februar fevrier fevr fev febrero febbraio februari fevereiro luty lutego lut helmikuu "
    "helmikuuta unor feber unora",
    "march mar marts marz maerz mars marzo maart mrt marco marzec marca maaliskuu maaliskuuta brezen mrz brezna",
    "april apr avril avr abril abr aprile kwiecien kwietnia kwi huhtikuu huhtikuuta duben dubna",
    "may mai mayo maggio mag mei maio maj maja toukokuu toukokuuta kveten kvetna",
    "june jun juni juin junio giugno giu junho czerwiec czerwca cze kesakuu kesakuuta cerven cervna",
    "july jul juli juillet juil julio luglio lug julho lipiec lipca lip heinakuu heinakuuta cervenec cervence",
    "august aug aout agosto ago augustus augusti sierpien sierpnia sie elokuu elokuuta srpen srpna",
    "september sep sept septembre septiembre settembre set setembro wrzesien wrzesnia wrz syyskuu syyskuuta zari",
    "october oct oktober okt octobre octubre ottobre ott outubro out pazdziernik pazdziernika paz lokakuu lokakuuta rijen rijna",
    "november nov novembre noviembre novembro listopad listopada lis marraskuu marraskuuta listopadu",
    "december dec dezember dez decembre diciembre dic dicembre desember dezembro grudzien grudnia gru joulukuu "
    "joulukuuta prosinec des",
)
MONTHS = {name: number for number, names in enumerate(_MONTHS, 1) for name in names.split()}

_NUMERIC = re.compile(
    r"(?<![\d.,/])(?P<a>\d{4}|\d{1,2})\s?(?P<sep>[./\-–]|年)\s?(?P<b>\d{1,2})\s?(?:(?P=sep)|"
    r"月)\s?(?P<c>\d{2}(?=[012]\d:[0-5]\d)|\d{4}(?=[ T]?\d{1,2}:\d\d)|(?:\d{4}|\d{2})(?![\d/])(?![.,-]\d(?!\d?:[0-5]\d)))"
)
_COMPACT = re.compile(r"(?<!\d)(20\d{2})(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])(?!\d)")
_COMPACT_DAY_FIRST = re.compile(r"(?<!\d)(0[1-9]|[12]\d|3[01])(0[1-9]|1[0-2])(20\d{2})(?=\s+\d{1,2}:\d{2})")
_WORD = r"[^\W\d_]{3,12}"
_NAMED = re.compile(
    rf"(?:(?<![\w.,])|(?<=[^\W\d_]{{4}}))(?P<day>\d{{1,2}})(?:st|nd|rd|th|er|e|º|\.)?"
    rf"[\s\-/.,]{{0,3}}(?:de |d'|of )?(?P<month>{_WORD})\.?"
    rf"[\s\-/.,'’]{{0,3}}(?:de |del )?(?P<year>\d{{4}}|\d{{2}})(?!\d)"
)
_NAMED_FIRST = re.compile(
    rf"(?P<month>{_WORD})\.?[\s\-]{{0,2}}(?P<day>\d{{1,2}})(?:st|nd|rd|th)?[\s,.\-]{{1,3}}(?P<year>\d{{4}})(?!\d)"
)
_YEAR_FIRST = re.compile(rf"(?<!\d)(?P<year>\d{{4}})[\s\-/.]{{1,2}}(?P<month>{_WORD})[\s\-/.]{{1,2}}(?P<day>\d{{1,2}})(?!\d)")

_MONTH_FIRST_CURRENCIES, _MONTH_FIRST_COUNTRIES = {"USD", "PHP"}, {"US", "CA"}
_EITHER_CURRENCIES = {"CAD"}
"""Where tills print either order, and people write both."""
_TWELVE_HOURS = re.compile(r"\d:\d\d(?::\d\d)? ?[AaPp]\.?[Mm]\b")
_AMERICAN = re.compile(r"\b[A-Z]{2} \d{5}(-\d{4})?\b|\bUSA\b|United States|\bEIN\b")


@dataclass(frozen=True, slots=True)
class Date:
    """A date on a page. `readings` are the days it can mean, the likeliest first once the document was asked."""

    readings: tuple[dt.date, ...]
    text: str
    cell: Cell
    start: int
    end: int
    box: Box
    short_year: bool = False
    guessed: bool = False
    """Whether nothing on the page says which of the readings is meant, or what does disagrees."""

    @property
    def day(self) -> dt.date:
        """The likeliest reading."""
        return self.readings[0]

    @property
    def certain(self) -> bool:
        """Whether it can mean one day only."""
        return len(self.readings) == 1


def dates(document: Document, currency: str | None = None) -> list[Date]:
    """Every date of the document in reading order, ambiguous ones put in order by the others and the currency."""
    found = [date for cell in document.cells for date in dates_in(cell)]
    month_first, sure = _prefers_month_first(found, document, currency)
    return [_settled(date, month_first, sure) for date in found]


def holds(cell: Cell, start: int, end: int) -> bool:
    """Whether those characters of a cell are a part of a date that is longer than they."""
    if end - start > 5 or end - start == len(cell.text):
        return False
    return any(date.start <= start + 1 and end <= date.end + 1 and len(date.text) > end - start for date in dates_in(cell))


def dates_in(cell: Cell) -> Iterator[Date]:
    """The dates of one cell, from left to right, without overlaps."""
    taken: list[tuple[int, int]] = []
    text = cell.text
    for pattern in (_YEAR_FIRST, _NAMED, _NAMED_FIRST, _NUMERIC, _COMPACT, _COMPACT_DAY_FIRST):
        for match in pattern.finditer(text):
            start, end = match.span()
            if any(start < other_end and end > other_start for other_start, other_end in taken):
                continue
            readings = _readings(match)
            if readings:
                taken.append((start, end))
                short = not re.search(r"\d{4}", match.group(0))
                yield Date(readings, match.group(0), cell, start, end, cell.span_box(start, end), short)


def _readings(match: re.Match[str]) -> tuple[dt.date, ...]:
    if match.re is _NUMERIC:
        return numeric(match["a"], match["b"], match["c"], match["sep"])
    if match.re is _COMPACT:
        return _days((int(match[1]), int(match[2]), int(match[3])))
    if match.re is _COMPACT_DAY_FIRST:
        return _days((int(match[3]), int(match[2]), int(match[1])))
    month = MONTHS.get(plain(match["month"]))
    if month is None:
        return ()
    return _days((_year(match["year"]), month, int(match["day"])))


def numeric(first: str, second: str, third: str, separator: str) -> tuple[dt.date, ...]:
    """All days three numbers can mean, day before month first. With points nobody writes the month first."""
    a, b, c = int(first), int(second), int(third)
    if len(first) == 4:
        return _days((a, b, c))
    if len(third) != 4 and len(first) != 2:
        return _days((_year(third), b, a))
    year = _year(third)
    day_first, month_first = (year, b, a), (year, a, b)
    if separator == ".":
        return _days(day_first)
    readings = _days(day_first, month_first)
    if len(third) == 2 and separator == "-" and not readings:
        return _days((_year(first), b, c))
    return readings


def _year(text: str) -> int:
    year = int(text)
    return year if len(text) == 4 else 2000 + year if year < 80 else 1900 + year


def _days(*parts: tuple[int, int, int]) -> tuple[dt.date, ...]:
    days: list[dt.date] = []
    for year, month, day in parts:
        if FIRST_YEAR <= year <= LAST_YEAR and 1 <= month <= 12 and 1 <= day <= 31:
            try:
                days.append(dt.date(year, month, day))
            except ValueError:
                continue
    return tuple(dict.fromkeys(days))


def _prefers_month_first(found: list[Date], document: Document, currency: str | None) -> tuple[bool, bool]:
    """The habit of the document, and whether it is known: dates that read one way only vote, then countries and currency."""
    votes: Counter[bool] = Counter()
    for date in found:
        match = _NUMERIC.fullmatch(date.text)
        if match and len(match["a"]) < 3 and date.certain and match["sep"] != ".":
            first, second = int(match["a"]), int(match["b"])
            if first != second and max(first, second) > 12:
                votes[second > 12] += 1
    if votes[True] != votes[False]:
        return votes[True] > votes[False], True
    american = _AMERICAN.search(document.text) is not None
    abroad = any(country not in _MONTH_FIRST_COUNTRIES for country in countries.votes(document))
    dollars = currency is None or currency in _MONTH_FIRST_CURRENCIES
    if american or "US" in countries.votes(document):
        return dollars, dollars and not abroad
    clock = _TWELVE_HOURS.search(document.text) is not None
    if currency in _EITHER_CURRENCIES or (clock and currency in _MONTH_FIRST_CURRENCIES and not abroad):
        return clock, False
    return False, abroad or not dollars


def _settled(date: Date, month_first: bool, sure: bool) -> Date:
    if date.certain:
        return date
    return replace(date, readings=tuple(reversed(date.readings)) if month_first else date.readings, guessed=not sure)
