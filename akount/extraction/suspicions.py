"""What on a page is made for machines and not for eyes, or for one eye and not the other: told as warnings, never used as a
value.

A warning sends the record to a person whatever its confidence, so each of these has to be more than an oddity: hidden
letters are common (the words behind a scan, a printer's marks), a hidden amount that is printed nowhere is not.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from decimal import Decimal
from itertools import combinations

from akount.extraction import labels
from akount.extraction.layout import Document
from akount.extraction.roles import Labelled
from akount.extraction.totals import Sums
from akount.readings import clean_text

_MONEY = re.compile(r"(?<![\w.,])\d[\d.,'’]*[.,]\d{2}(?![\w.,]*\d)")
_ACCOUNT = re.compile(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){3,8}")


def found(document: Document, sums: Sums, labelled: Sequence[Labelled]) -> tuple[str, ...]:
    """The warnings about a document, each a sentence."""
    told = [*_hidden(document), *_disguised(document), *_turned(document)]
    return (*told, *_second_total(sums, labelled)) if not document.scanned else tuple(told)


def _hidden(document: Document) -> Iterable[str]:
    """Amounts and accounts that nobody sees, and that are not printed anywhere else."""
    unseen = " ".join(text for page in document.pages for text in page.unseen)
    printed = _bare(" ".join(cell.text for cell in document.cells))
    for pattern in (_MONEY, _ACCOUNT):
        for text in dict.fromkeys(match.group() for match in pattern.finditer(unseen)):
            if _bare(text) not in printed:
                yield f"The file holds what cannot be seen on its pages ({clean_text(text, 40)}); it was not used."
                break


def _disguised(document: Document) -> Iterable[str]:
    odd = [text for page in document.pages for text in page.disguised]
    if odd:
        yield f"{clean_text(odd[0], 40)!r} has digits of another script, or letters that look like digits; it was not used."


def _turned(document: Document) -> Iterable[str]:
    if any(page.overrides for page in document.pages):
        yield "Characters that turn the direction of writing are hidden in the text; what is read may not be what is seen."


def _second_total(sums: Sums, labelled: Sequence[Labelled]) -> Iterable[str]:
    """Another amount that calls itself the total as plainly, and that no sum of the others explains."""
    if "total" not in sums.chosen:
        return
    total, place, _ = sums.chosen["total"]
    known = {abs(value) for value, _, _ in sums.chosen.values()} | {
        abs(one.amount.value) for one in labelled if one.role != "total"
    }
    pairs = list(combinations(sorted(known)[-40:], 2))
    explained = known | {b - a for a, b in pairs} | {a + b for a, b in pairs}
    alone = Counter(one.amount.cell.row for one in labelled if one.amount.looks_like_money)  # a line of a table has several
    for one in labelled:
        value = abs(one.amount.value)
        if _claims(one) and alone[one.amount.cell.row] == 1 and value not in explained and value > abs(total) * Decimal("0.01"):
            yield f"Besides {place.text} the document calls {clean_text(one.amount.text, 40)} its total; look which is meant."
            return


def _claims(one: Labelled) -> bool:
    return one.role == "total" and one.strength == labels.STRONG and one.worth >= 0.9 and one.amount.looks_like_money


def _bare(text: str) -> str:
    return re.sub(r"[^\w]", "", text).casefold()
