"""Which amounts of a document are its total, net amount and tax: labels, arithmetic and position, decided jointly."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import combinations

from akount.extraction import labels
from akount.extraction.found import lead_of
from akount.extraction.layout import Document
from akount.extraction.money import Amount
from akount.extraction.nets import CENT, ZERO, net_and_tax, plausible, untaxed
from akount.extraction.roles import Labelled

_ROLE_WORTH = {
    "total": 3.0,
    "due": 2.0,
    "subtotal": 0.3,
    "tendered": 0.3,
    "net": -0.2,
    "tax": -2.5,
    "rounding": -2.5,
    "allowance": -2.0,
    "charge": -1.5,
    "withheld": -2.5,
    "change": -2.5,
    "prepaid": -0.5,
    "other": -2.0,
}
_PLAIN_TOTAL = 2.0


@dataclass(slots=True)
class Candidate:
    """A value that can be the total: all places where it stands, and the reasons for it."""

    value: Decimal
    places: list[Labelled] = field(default_factory=list)
    score: float = 0.0
    reasons: set[str] = field(default_factory=set)

    @property
    def best(self) -> Labelled:
        """The place with the best label; of equals the last."""
        return max(reversed(self.places), key=_label_score)


_OUTDONE = 70
"""How sure at most of a total when a larger amount further down calls itself the total as well."""
_LOST = 60
"""How sure at most of a total that OCR read when a word for it stands on the page without an amount."""


@dataclass(frozen=True, slots=True)
class Sums:
    """The chosen amounts, each with the place it was read from and a confidence 0-100."""

    chosen: dict[str, tuple[Decimal, Amount, int]]
    signals: dict[str, float] = field(default_factory=dict)
    """What speaks for the total: the reasons for it and its lead over the next candidate."""


def _label_score(one: Labelled) -> float:
    base = _ROLE_WORTH.get(one.role, 0.0)
    if one.role == "total" and one.strength == labels.PLAIN:
        base = _PLAIN_TOTAL
    return base * one.worth if base > 0 else base * one.worth**2


def find_sums(document: Document, labelled: Sequence[Labelled], line_sum: Decimal | None = None) -> Sums:
    """Total, net, tax, amount due and so on, chosen so that they agree with each other as well as with their labels."""
    candidates = _candidates(labelled)
    if not candidates:
        return Sums({})
    _score(candidates, labelled, document, line_sum)
    _add_unprinted(candidates, labelled)
    total = max(candidates.values(), key=lambda one: (one.score, abs(one.value)))
    if total.score < 0.5:
        return Sums({})
    chosen = {"total": (total.value, total.best.amount, _total_confidence(total, candidates))}
    chosen.update(net_and_tax(*chosen["total"][:2], labelled, chosen["total"][2]) or untaxed(chosen["total"], labelled, line_sum))
    chosen.update(_others(total.value, labelled, chosen["total"]))
    return Sums(chosen, _signals(total, candidates, chosen))


def _signals(total: Candidate, candidates: dict[Decimal, Candidate], chosen: Mapping[str, object]) -> dict[str, float]:
    lead = lead_of(total.score, (one.score for one in candidates.values() if one is not total))
    bare = not total.reasons - {"largest", "repeated"}
    known = {"lead": lead, "parts": float("net" in chosen and "tax" in chosen), "bare": float(bare)}
    return dict.fromkeys(total.reasons, 1.0) | known


def most_sure(document: Document, sums: Sums, labelled: Sequence[Labelled]) -> int:
    """How sure one may be of the total that was chosen: 100, or less where another amount of the page puts it in doubt."""
    if document.scanned:
        return _LOST if _names_a_lost_total(document, sums.chosen["total"][1]) else 100
    return _OUTDONE if _is_outdone(sums, labelled) else 100


def _is_outdone(sums: Sums, labelled: Sequence[Labelled]) -> bool:
    """Whether a larger amount that calls itself the total stands further down than the one chosen, and alone in its row."""
    total, place, _ = sums.chosen["total"]
    rows = Counter(one.amount.cell.row for one in labelled if one.amount.looks_like_money)
    return any(
        one.role == "total"
        and one.worth == 1
        and one.amount.looks_like_money
        and abs(one.amount.value) > abs(total)
        and one.amount.cell.row > place.cell.row
        and rows[one.amount.cell.row] == 1
        for one in labelled
    )


def _candidates(labelled: Sequence[Labelled]) -> dict[Decimal, Candidate]:
    """By value. Whole numbers without a currency count only behind a strong label, or when nothing has decimals."""
    with_places = [one for one in labelled if one.amount.looks_like_money and one.amount.value]
    found: dict[Decimal, Candidate] = {}
    for one in labelled:
        amount = one.amount
        whole = amount.places == 0 and amount.currency is None
        if amount.value == 0 or amount.places > 3:
            continue
        if whole and not (
            one.role in ("total", "due") and (not with_places or (one.strength == labels.STRONG and len(with_places) < 2))
        ):
            continue
        if whole and abs(amount.value) > 10**9:
            continue
        if not whole and not amount.looks_like_money and one.role not in ("total", "due"):
            continue
        found.setdefault(amount.value, Candidate(amount.value)).places.append(one)
    return found


def _add_unprinted(candidates: dict[Decimal, Candidate], labelled: Sequence[Labelled]) -> None:
    """The total that is not printed: where a sum before tax, and the tax, less what was paid make what is left to pay."""
    values = {
        role: {abs(one.amount.value): one for one in labelled if one.role == role and one.amount.looks_like_money}
        for role in ("prepaid", "tendered", "due", "tax", "subtotal", "net")
    }
    before = values["subtotal"] | values["net"]
    for paid in values["prepaid"] | values["tendered"]:
        for rest, place in values["due"].items():
            total = rest + paid
            if not paid or total in candidates or place.worth < 1:
                continue
            if any(total - tax in before and plausible(total - tax, tax) for tax in values["tax"] if tax):
                best = max(one.score for one in candidates.values())
                candidates[total] = Candidate(total, [place], best + 1.0, {"label", "net+tax"})


def _score(
    candidates: dict[Decimal, Candidate], labelled: Sequence[Labelled], document: Document, line_sum: Decimal | None
) -> None:
    values = {
        role: {one.amount.value for one in labelled if one.role == role}
        for role in ("net", "tax", "tendered", "change", "subtotal", "total", "rounding", "charge")
    }
    values["split"] = {a + b for a, b in combinations([one.amount.value for one in labelled if one.role == "tendered"][:8], 2)}
    values["taxes"] = {one.amount.value for one in labelled if one.role == "tax" and one.worth == 1 and one.amount.places == 2}
    largest = max((abs(value) for value, one in candidates.items() if not _is_elsewhere(one)), default=ZERO)
    for one in candidates.values():
        _score_label(one)
        _score_arithmetic(one, values, candidates, scanned=document.scanned)
        _score_size(one, largest, line_sum, scanned=document.scanned)
        _score_place(one, len(document.rows))
    _prefer_rounded(candidates, values["rounding"])
    if document.scanned:
        _prefer_whole(candidates, {abs(value) for value in values["tendered"]})
        _prefer_reduced(candidates, {abs(one.amount.value) for one in labelled if one.role == "allowance" and one.worth == 1})


def _score_label(one: Candidate) -> None:
    one.score = _label_score(one.best)
    if one.score >= _PLAIN_TOTAL * 0.7 and one.best.role in ("total", "due"):
        one.reasons.add("label")
    if one.best.role == "total" and one.best.strength == labels.STRONG:
        one.reasons.add("strong")


def _score_size(one: Candidate, largest: Decimal, line_sum: Decimal | None, *, scanned: bool) -> None:
    if abs(one.value) == largest:
        one.score += 1.0
        one.reasons.add("largest")
        if scanned and one.best.role == "net":
            one.score += 1.2  # tills that call what is to be paid the net amount
    if line_sum is not None and one.value == line_sum:
        one.score += 0.8
        one.reasons.add("lines")


def _score_place(one: Candidate, rows: int) -> None:
    """Totals stand low on the page, are printed more than once, and beside a currency."""
    if len(one.places) > 1:
        one.score += min(0.9, 0.3 * (len(one.places) - 1))
        one.reasons.add("repeated")
    one.score += 0.6 * max(place.amount.cell.row for place in one.places) / max(1, rows)
    if any(place.amount.currency for place in one.places):
        one.score += 0.3


def _is_elsewhere(one: Candidate) -> bool:
    """Whether a value stands only where no total is: behind "cash", "change" or "credit limit"."""
    if one.best.role in ("total", "due"):
        return False
    paid = any(place.role in ("tendered", "change") and place.worth == 1 for place in one.places)
    return paid or all(place.role == "other" and place.worth == 1 for place in one.places)


def _prefer_rounded(candidates: dict[Decimal, Candidate], roundings: set[Decimal]) -> None:
    """What is to be paid is the total after rounding, wherever both are printed."""
    for value, one in candidates.items():
        for adjust in roundings:
            before = candidates.get(value - adjust)
            if (
                one.best.role != "due"
                and adjust
                and abs(adjust) < 1
                and before is not None
                and "label" in before.reasons | one.reasons
            ):
                one.score = max(one.score, before.score + 0.5)


def _prefer_whole(candidates: dict[Decimal, Candidate], given: set[Decimal]) -> None:
    """What is left to be paid after a gift card was given is not the total, where the whole is printed above as one."""
    for value, rest in candidates.items():
        for part in given - {value}:
            whole = candidates.get(value + part)
            if whole is None or not {"label"} <= rest.reasons & whole.reasons:
                continue
            if whole.places[0].amount.cell.row < rest.places[0].amount.cell.row:
                whole.score = max(whole.score, rest.score + 0.5)


def _prefer_reduced(candidates: dict[Decimal, Candidate], reductions: set[Decimal]) -> None:
    """Of two sums of a till, both called its total, the one below from which the discount between them was taken."""
    for value, before in candidates.items():
        for part in reductions:
            after = candidates.get(value - part)
            if after is None or not {"label"} <= before.reasons & after.reasons:
                continue
            if before.places[0].amount.cell.row < after.places[0].amount.cell.row:
                after.score = max(after.score, before.score + 0.5)


def _names_a_lost_total(document: Document, total: Amount) -> bool:
    """Whether a strong word for the total stands alone in a row, as where OCR missed the amount printed large beside it, and the
    total that was chosen is called otherwise."""
    if any(label.role == "total" for label in labels.find(document.rows[total.cell.row].text, "money")):
        return False
    return any(_is_lone_total(document, row.index) for row in document.rows)


def _is_lone_total(document: Document, at: int) -> bool:
    row = document.rows[at]
    found = labels.find(row.text, "money")
    if len(row.cells) > 1 or not found or found[0].role != "total" or found[0].strength != labels.STRONG:
        return False
    return found[0].start == 0 and found[0].end >= len(row.text.rstrip(" :*=.")) and not any(char.isdigit() for char in row.text)


def _score_arithmetic(
    one: Candidate, values: dict[str, set[Decimal]], candidates: dict[Decimal, Candidate], *, scanned: bool
) -> None:
    value = one.value
    bases = values["net"] | values["subtotal"] | values["total"]
    extras = {ZERO} | values["charge"]
    if any(value - tax - extra in bases for tax in values["tax"] if tax for extra in extras):
        one.score += 2.0
        one.reasons.add("net+tax")
    elif any(value - tax in candidates and plausible(value - tax, tax) for tax in values["tax"] if tax) or (
        not scanned and _is_with_charge(one, bases, values["charge"])
    ):
        one.score += 1.0
        one.reasons.add("net+tax")
    if scanned and len(values["taxes"]) > 1 and _is_base_and_taxes(value, values["taxes"], candidates):
        one.score += 2.5
        one.reasons.add("net+tax")
    if any(given - value in values["change"] for given in values["tendered"] if given > value):
        one.score = max(one.score, 0.5) + 1.5
        one.reasons.add("cash-change")
    elif value in values["split"]:
        one.score += 2.0
        one.reasons.add("tendered")
    elif value in values["tendered"]:
        one.score += 0.5
        one.reasons.add("tendered")
    if any(value - adjust in candidates for adjust in values["rounding"] if adjust and abs(adjust) < 1):
        one.score += 0.7
        one.reasons.add("rounded")


def _is_with_charge(one: Candidate, bases: set[Decimal], charges: set[Decimal]) -> bool:
    """Whether what calls itself the total is another sum and a charge, as on bills without tax."""
    return one.best.role in ("total", "due") and any(one.value - charge in bases for charge in charges if charge)


def _is_base_and_taxes(value: Decimal, taxes: set[Decimal], candidates: dict[Decimal, Candidate]) -> bool:
    """Whether a value is another sum and all taxes upon it, as tills print that call the sum before taxes the gross one."""
    before = [one.value for one in candidates.values() if one.best.role in ("total", "subtotal", "net") and one.best.worth == 1]
    return any(0 < base < value and abs(base + sum(taxes) - value) <= 5 * CENT for base in before)


def _total_confidence(total: Candidate, candidates: dict[Decimal, Candidate]) -> int:
    rivals = sorted((one.score for one in candidates.values() if one is not total), reverse=True)
    lead = total.score - rivals[0] if rivals else 2.0
    proofs = total.reasons & {"net+tax", "cash-change", "lines", "rounded", "tendered"}
    labelled = "label" in total.reasons
    if labelled and proofs:
        confidence = 92 if lead > 1 else 86
    elif labelled and {"largest", "repeated"} <= total.reasons:
        confidence = 88 if lead > 1 else 80
    elif labelled and "largest" in total.reasons:
        confidence = 78 if lead > 1 else 68
    elif labelled:
        confidence = 62 if lead > 1 else 55
    elif proofs and "largest" in total.reasons:
        confidence = 58
    else:
        confidence = 40
    return confidence if lead > 0.3 else min(confidence, 70)


def _others(
    total: Decimal, labelled: Sequence[Labelled], chosen: tuple[Decimal, Amount, int]
) -> dict[str, tuple[Decimal, Amount, int]]:
    found: dict[str, tuple[Decimal, Amount, int]] = {}
    for role, name in (
        ("prepaid", "prepaid"),
        ("rounding", "rounding"),
        ("allowance", "allowance_total"),
        ("charge", "charge_total"),
    ):
        places = [
            one for one in labelled if one.role == role and one.worth == 1 and one.amount.looks_like_money and one.amount.value
        ]
        if places:
            found[name] = (abs(places[-1].amount.value) if name != "rounding" else places[-1].amount.value, places[-1].amount, 60)
    kept = [one.amount.value for one in labelled if one.role == "withheld" and one.worth == 1 and one.amount.looks_like_money]
    paid = found["prepaid"][0] if "prepaid" in found else abs(kept[-1]) if kept else None
    rest = total - paid if paid is not None else None
    due = [
        one
        for one in labelled
        if (one.role == "due" or (one.role == "total" and one.amount.value == rest))
        and (one.amount.looks_like_money or one.amount.value == total)
    ]
    due = [one for one in due if abs(one.amount.value) <= abs(total) + 1 and one.amount.places >= min(2, chosen[1].places)]
    if due:
        exact = any(one.amount.value == rest for one in due)
        place = next((one for one in due if one.amount.value == rest), due[-1])
        found["amount_due"] = (place.amount.value, place.amount, 88 if exact or place.amount.value == total else 75)
    else:
        found["amount_due"] = (total, chosen[1], min(chosen[2], 65))
    return found
