"""Which amounts of a document are its total, net amount and tax: labels, arithmetic and position, decided jointly."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal

from akount.extraction import labels
from akount.extraction.layout import Document, overlap
from akount.extraction.money import Amount

CENT = Decimal("0.01")
ZERO = Decimal(0)

_HEADING = 0.4  # "Total" over a column is more often that of the lines than that of the bill
_INDIRECT = 0.75  # what a label above, or two cells away, is worth against one right beside the amount

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
    "change": -2.5,
    "prepaid": -0.5,
    "other": -2.0,
}
_PLAIN_TOTAL = 2.0
_RATES = tuple(
    Decimal(rate) for rate in "5 5.5 6 7 7.7 8 8.1 8.5 9 10 12 13 13.5 14 15 16 17 18 19 20 21 22 23 24 25 25.5 27".split()
)


@dataclass(frozen=True, slots=True)
class Labelled:
    """An amount and what its label says it is. `worth` 0-1 grows with the nearness and the strength of the label."""

    amount: Amount
    role: str
    strength: int
    worth: float


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
        return max(reversed(self.places), key=lambda one: _label_score(one))


@dataclass(frozen=True, slots=True)
class Sums:
    """The chosen amounts, each with the place it was read from and a confidence 0-100."""

    chosen: dict[str, tuple[Decimal, Amount, int]]


def label_amounts(document: Document, amounts: Sequence[Amount]) -> list[Labelled]:
    """Every amount that may be money with the role of its label; the role is "" where there is none."""
    finder = _LabelFinder(document, amounts)
    return [finder.labelled(amount) for amount in amounts if not amount.percent and not amount.glued]


class _LabelFinder:
    """Looks left in the cell, left in the row, up in the column, and at the row above."""

    def __init__(self, document: Document, amounts: Iterable[Amount]) -> None:
        self.document = document
        self.by_cell: dict[int, list[Amount]] = defaultdict(list)
        for amount in amounts:
            self.by_cell[id(amount.cell)].append(amount)

    def labelled(self, amount: Amount) -> Labelled:
        for found in (self.in_cell(amount), self.in_row(amount), self.in_row_above(amount), self.in_column(amount)):
            if found is not None:
                return found
        return Labelled(amount, "", 0, 0.0)

    def in_cell(self, amount: Amount) -> Labelled | None:
        text = amount.cell.label_text[: amount.start]
        others = [one.end for one in self.by_cell[id(amount.cell)] if one.end <= amount.start and not one.percent]
        start = max(others, default=0)
        return self.label_in(text[start:], amount, 1.0)

    def in_row(self, amount: Amount) -> Labelled | None:
        if amount.cell.text[: amount.start].strip(" :=*-€$£") and len(self.by_cell[id(amount.cell)]) < 2:
            words = amount.cell.text[: amount.start]
            if sum(char.isalpha() for char in words) > 8:
                return None  # its own text is no label, and a label further left is that text's
        cells = [cell for cell in self.document.rows[amount.cell.row].cells if cell.box[0] < amount.cell.box[0]]
        worth = 1.0
        for cell in reversed(cells):
            found = self.label_in(cell.label_text, amount, worth)
            if found is not None:
                return found
            if sum(char.isalpha() for char in cell.text) > 5:
                return None
            if any(one.looks_like_money for one in self.by_cell[id(cell)]):
                worth = min(worth, 0.6)
        return None

    def in_row_above(self, amount: Amount) -> Labelled | None:
        row = self.document.rows[amount.cell.row]
        if any(sum(char.isalpha() for char in cell.text) > 3 for cell in row.cells) or row.index == 0:
            return None
        above = self.document.rows[row.index - 1]
        if above.page != row.page or row.box[1] - above.box[3] > 1.2 * self.document.text_height:
            return None
        if any(one.looks_like_money for cell in above.cells for one in self.by_cell[id(cell)]):
            return None
        if len(above.cells) > 1:
            return None
        return self.label_in(above.cells[0].label_text, amount, _INDIRECT)

    def in_column(self, amount: Amount) -> Labelled | None:
        for cell in self.document.above(amount.cell, rows=20):
            if self.by_cell[id(cell)] and any(one.looks_like_money for one in self.by_cell[id(cell)]):
                continue
            if overlap(cell.box, amount.box) <= 0 and abs(cell.box[2] - amount.box[2]) > 0.03:
                continue
            found = self.label_in(cell.label_text, amount, _INDIRECT)
            if found is not None and found.role == "total" and found.strength == labels.PLAIN:
                return replace(found, worth=_HEADING)
            return found
        return None

    def label_in(self, text: str, amount: Amount, worth: float) -> Labelled | None:
        found = labels.find(text, "money")
        if not found:
            return None
        label = _ruling(found)
        role = _modified(label.role, text)
        return Labelled(amount, role, label.strength, worth)


def _ruling(found: Sequence[labels.Label]) -> labels.Label:
    """Of several labels in one text the one that says most: a total beats what it is the total of only as one phrase."""
    order = ("rounding", "change", "tax", "net", "due", "total", "allowance", "charge", "prepaid", "subtotal", "tendered", "other")
    strong = [label for label in found if label.strength == labels.STRONG] or list(found)
    totals = [label for label in strong if label.role == "total"]
    if totals and found[0].role in ("total", "due"):
        return found[0] if found[0].role == "due" else totals[0]
    return min(strong, key=lambda label: order.index(label.role))


def _modified(role: str, text: str) -> str:
    tokens = set(labels.plain(text).split())
    inclusive = bool(tokens & labels.words("inclusive"))
    exclusive = bool(tokens & labels.words("exclusive"))
    if role in ("total", "subtotal") and exclusive and not inclusive:
        return "net"
    if (
        role in ("subtotal", "net", "tax")
        and inclusive
        and not exclusive
        and tokens & {"total", "totaal", "totale", "summe", "gesamt", "amount"}
    ):
        return "total"
    return role


def _label_score(one: Labelled) -> float:
    base = _ROLE_WORTH.get(one.role, 0.0)
    if one.role == "total" and one.strength == labels.PLAIN:
        base = _PLAIN_TOTAL
    return base * one.worth if base > 0 else base


def find_sums(document: Document, labelled: Sequence[Labelled], line_sum: Decimal | None = None) -> Sums:
    """Total, net, tax, amount due and so on, chosen so that they agree with each other as well as with their labels."""
    candidates = _candidates(labelled)
    if not candidates:
        return Sums({})
    _score(candidates, labelled, document, line_sum)
    total = max(candidates.values(), key=lambda one: (one.score, abs(one.value)))
    if total.score < 0.5:
        return Sums({})
    chosen = {"total": (total.value, total.best.amount, _total_confidence(total, candidates))}
    chosen.update(_net_and_tax(total.value, labelled, chosen["total"][2]))
    chosen.update(_others(total.value, labelled, chosen["total"]))
    return Sums(chosen)


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
            one.role in ("total", "due") and (not with_places or one.strength == labels.STRONG and len(with_places) < 2)
        ):
            continue
        if whole and abs(amount.value) > 10**9:
            continue
        if not whole and not amount.looks_like_money and one.role not in ("total", "due"):
            continue
        found.setdefault(amount.value, Candidate(amount.value)).places.append(one)
    return found


def _score(
    candidates: dict[Decimal, Candidate], labelled: Sequence[Labelled], document: Document, line_sum: Decimal | None
) -> None:
    values = {
        role: {one.amount.value for one in labelled if one.role == role}
        for role in ("net", "tax", "tendered", "change", "subtotal", "rounding")
    }
    largest = max(
        (abs(value) for value, one in candidates.items() if one.best.role not in ("tendered", "change", "other")), default=ZERO
    )
    for value, one in candidates.items():
        label = _label_score(one.best)
        one.score = label
        if label >= _PLAIN_TOTAL * 0.7 and one.best.role in ("total", "due"):
            one.reasons.add("label")
        if one.best.role == "total" and one.best.strength == labels.STRONG:
            one.reasons.add("strong")
        if abs(value) == largest:
            one.score += 1.0
            one.reasons.add("largest")
        if len(one.places) > 1:
            one.score += min(0.9, 0.3 * (len(one.places) - 1))
            one.reasons.add("repeated")
        _score_arithmetic(one, values, candidates)
        if line_sum is not None and value == line_sum:
            one.score += 0.8
            one.reasons.add("lines")
        last = max(place.amount.cell.row for place in one.places)
        one.score += 0.6 * last / max(1, len(document.rows))
        if any(place.amount.currency for place in one.places):
            one.score += 0.3


def _score_arithmetic(one: Candidate, values: dict[str, set[Decimal]], candidates: dict[Decimal, Candidate]) -> None:
    value = one.value
    bases = values["net"] | values["subtotal"]
    if any(value - tax in bases for tax in values["tax"] if tax):
        one.score += 2.0
        one.reasons.add("net+tax")
    elif any(value - tax in candidates and _plausible(value - tax, tax) for tax in values["tax"] if tax):
        one.score += 1.0
        one.reasons.add("net+tax")
    if any(given - value in values["change"] for given in values["tendered"] if given > value):
        one.score += 1.5
        one.reasons.add("cash-change")
    elif value in values["tendered"]:
        one.score += 0.5
        one.reasons.add("tendered")
    if any(value - adjust in candidates for adjust in values["rounding"] if adjust and abs(adjust) < 1):
        one.score += 1.6
        one.reasons.add("rounded")


def _plausible(net: Decimal, tax: Decimal) -> bool:
    """Whether the tax is some usual rate of the net amount, to the cent (several rates mix, so the range counts as well)."""
    if net == 0 or tax == 0:
        return tax == 0
    rate = 100 * tax / net
    return any(abs(net * usual / 100 - tax) <= 2 * CENT for usual in _RATES) or Decimal(2) < rate < Decimal(28)


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


def _net_and_tax(total: Decimal, labelled: Sequence[Labelled], confidence: int) -> dict[str, tuple[Decimal, Amount, int]]:
    """The pair of net amount and tax that makes the total, by labels; no pair, no values."""
    nets = [one for one in labelled if one.role in ("net", "subtotal") and abs(one.amount.value) <= abs(total)]
    taxes = [one for one in labelled if one.role == "tax" and abs(one.amount.value) < abs(total)]
    best: tuple[float, dict[str, tuple[Decimal, Amount, int]]] = (0.0, {})
    for net, net_place, net_worth in _values(nets):
        for printed, tax_place, tax_worth in _tax_values(taxes):
            tax = -abs(printed) if total < 0 else printed
            off = abs(net + tax - total)
            if off > CENT * 5 or not _plausible(net, tax) or (off and net == total):
                continue
            worth = net_worth + tax_worth + (0.5 if off == 0 else 0.0)
            if worth > best[0]:
                sure = min(95, confidence + 4) if off == 0 else 75
                best = (worth, {"net": (net, net_place, sure), "tax": (tax, tax_place, sure)})
    return best[1] or _one_of_the_two(total, nets, taxes)


def _values(places: Sequence[Labelled]) -> list[tuple[Decimal, Amount, float]]:
    worths: dict[Decimal, tuple[Amount, float]] = {}
    for one in places:
        if not one.amount.looks_like_money and one.amount.places == 0 and one.worth < 1:
            continue
        worth = one.worth * (1.0 if one.role in ("net", "tax") else 0.6)
        if worth >= worths.get(one.amount.value, (one.amount, 0.0))[1]:
            worths[one.amount.value] = (one.amount, worth)
    return [(value, amount, worth) for value, (amount, worth) in worths.items()]


def _tax_values(places: Sequence[Labelled]) -> list[tuple[Decimal, Amount, float]]:
    """Single tax amounts, and sums of two to four that stand under each other, for bills with several rates."""
    single = _values(places)
    rows = [one for one in places if one.amount.value and one.amount.places]
    for count in (2, 3, 4):
        for start in range(len(rows) - count + 1):
            group = rows[start : start + count]
            if group[-1].amount.cell.row - group[0].amount.cell.row <= 2 * count:
                single.append((sum((one.amount.value for one in group), ZERO), group[0].amount, 0.6))
    return single


def _one_of_the_two(total: Decimal, nets: Sequence[Labelled], taxes: Sequence[Labelled]) -> dict[str, tuple[Decimal, Amount, int]]:
    """With one of the two printed the other follows, if the rate is a usual one."""
    for net, place, worth in sorted(_values([one for one in nets if one.role == "net"]), key=lambda one: -one[2]):
        if _plausible(net, total - net) and total - net != 0:
            return {"net": (net, place, 60), "tax": (total - net, place, 45)}
        if net == total:
            return {"net": (net, place, 60)}
    for tax, place, worth in sorted(_values(taxes), key=lambda one: -one[2]):
        if worth < 1:
            continue
        if tax == 0 and len(taxes) == 1:
            return {"tax": (tax, place, 70), "net": (total, place, 65)}
        if tax and _plausible(total - tax, tax):
            return {"tax": (tax, place, 60), "net": (total - tax, place, 45)}
    return {}


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
    due = [one for one in labelled if one.role == "due" and (one.amount.looks_like_money or one.amount.value == total)]
    due = [one for one in due if abs(one.amount.value) <= abs(total) + 1]
    prepaid = found.get("prepaid")
    if due:
        exact = prepaid is not None and any(one.amount.value == total - prepaid[0] for one in due)
        place = next((one for one in due if prepaid is not None and one.amount.value == total - prepaid[0]), due[-1])
        found["amount_due"] = (place.amount.value, place.amount, 88 if exact or place.amount.value == total else 75)
    else:
        found["amount_due"] = (total, chosen[1], min(chosen[2], 65))
    return found
