"""How far an answer of a hosted engine is believed: it is held against the document's own words and against the local reading.

A model can make values up, and a document can talk it into some. So no value counts because the model says it:
- what both say is trusted as far as the local reading was, and a little more where that was fairly sure already;
- where they differ, or where only the model says a total, a person decides: below the line for drafts without review;
- what is not found among the document's own words is for a person's keyboard.
"""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from akount.checks import Finding
from akount.extraction.copies import Copy
from akount.hosted.words import Words
from akount.kinds import Kind
from akount.readings import Evidence, Line, Reading, TaxBand, Value

AGREED, AGREED_DOUBTFUL = 90, 79
"""What both say, where the local reading was at least FAIRLY sure of it, and where it was not."""
FAIRLY = 60
ALONE = 85
"""Only the model says it, and it is printed."""
DISPUTED = 79
"""The two differ, or only the model says a total: never enough for a draft without review."""
UNPRINTED = 50
"""Not found among the document's words."""
NOT_PRINTED = "Said by the hosted engine and not found on the document"
IN_DISPUTE = "Read differently by the local and the hosted engine"
SURE = 80
"""From here a local value is the one that is shown where the two differ."""


def reconciled(local: Reading | None, said: Reading, copy: Copy) -> Reading:
    """The reading of both together, by the name of the hosted engine and with every value judged. What is in dispute or not
    printed is a warning, too: the record as a whole goes to a person."""
    words = Words(copy.lines)
    said = _signed(said)
    ours = local.fields if local else {}
    fields = dict(ours)
    doubts: dict[str, list[str]] = {}
    for name, value in said.fields.items():
        fields[name], doubt = _judged(name, ours.get(name), value, words, said.engine)
        doubts.setdefault(doubt, []).append(name)
    lines, bands, printed = _positions(local, said, words)
    doubts.setdefault("" if printed else NOT_PRINTED, []).append("lines")
    return replace(
        said,
        fields=fields,
        lines=lines,
        tax_bands=bands,
        warnings=(local.warnings if local else ()) + _warnings(doubts) + _orders(words),
        refusals=local.refusals if local else (),
        pages=local.pages if local else said.pages,
    )


def _warnings(doubts: dict[str, list[str]]) -> tuple[str, ...]:
    """In words for people; which fields, never their values."""
    return tuple(f"{doubt}: {', '.join(n.replace('_', ' ') for n in names)}." for doubt, names in doubts.items() if doubt)


def _signed(said: Reading) -> Reading:
    """Credits negative, as everywhere in the house, when they are printed as positive."""
    total = said.get("total")
    if not said.credit_note or not isinstance(total, Decimal) or total < 0:
        return replace(said, credit_note=said.credit_note or (isinstance(total, Decimal) and total < 0))
    fields = {n: replace(v, value=-v.value) if isinstance(v.value, Decimal) else v for n, v in said.fields.items()}
    lines = tuple(replace(line, amount=_minus(line.amount)) for line in said.lines)
    bands = tuple(replace(band, base=_minus(band.base), amount=_minus(band.amount)) for band in said.tax_bands)
    return replace(said, fields=fields, lines=lines, tax_bands=bands)


def _minus(number: Decimal | None) -> Decimal | None:
    return None if number is None else -number


def _judged(name: str, ours: Value | None, theirs: Value, words: Words, engine: str) -> tuple[Value, str]:
    """The value that is kept, with its confidence, and what is doubtful about it, if anything."""
    if ours is not None and _same(ours, theirs):
        floor = AGREED if ours.confidence >= FAIRLY else AGREED_DOUBTFUL
        return replace(ours, confidence=max(ours.confidence, floor)), ""
    place = words.find(theirs.value)
    if place is None:
        return (ours, "") if ours is not None else (replace(theirs, confidence=UNPRINTED, evidence=None), NOT_PRINTED)
    found = replace(theirs, evidence=Evidence(place.page, place.box, place.text[:200], engine))
    if ours is None:
        return replace(found, confidence=DISPUTED if name == "total" else ALONE), ""
    kept = ours if ours.confidence >= SURE else found
    return replace(kept, confidence=min(DISPUTED, max(ours.confidence, FAIRLY))), IN_DISPUTE


def _same(ours: Value, theirs: Value) -> bool:
    if isinstance(ours.value, str) and isinstance(theirs.value, str):
        return _bare(ours.value) == _bare(theirs.value)
    return type(ours.value) is type(theirs.value) and ours.value == theirs.value


def _bare(text: str) -> str:
    return "".join(c for c in text.casefold() if c.isalnum())


def _positions(local: Reading | None, said: Reading, words: Words) -> tuple[tuple[Line, ...], tuple[TaxBand, ...], bool]:
    """The local positions where there are any, else those of the model; and whether all amounts of those are printed."""
    ours, our_bands = (local.lines, local.tax_bands) if local else ((), ())
    their_bands = tuple(b for b in said.tax_bands if b.amount is None or words.find(b.amount))
    if ours:
        return ours, our_bands or their_bands, True
    printed = all(line.amount is None or words.find(line.amount) for line in said.lines)
    theirs = tuple(replace(line, confidence=ALONE if printed else UNPRINTED) for line in said.lines)
    return theirs, our_bands or their_bands, printed


def _orders(words: Words) -> tuple[str, ...]:
    said = words.orders()
    return ("The document contains sentences that try to instruct whoever reads it; look at it before paying.",) if said else ()


def better(kind: Kind, one: Reading | None, other: Reading) -> bool:
    """Whether the other reading is to be kept: it is trusted as far as the one at least."""
    return one is None or _trust(kind, other)[1] >= _trust(kind, one)[1]


def _trust(kind: Kind, reading: Reading) -> tuple[tuple[Finding, ...], int]:
    findings = kind.examine(reading)
    return findings, kind.confidence(reading, findings)
