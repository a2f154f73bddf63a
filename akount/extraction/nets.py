"""Net amount and tax of a known total: the pair that makes it, or the one of the two that is printed."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from akount.extraction.money import Amount
from akount.extraction.roles import Labelled

CENT = Decimal("0.01")
ZERO = Decimal(0)
_RATES = tuple(
    Decimal(tenths) / 10
    for tenths in (
        *(50, 55, 60, 70, 77, 80, 81, 85, 90, 100, 120, 130, 135, 140, 150, 160, 170),
        *(180, 190, 200, 210, 220, 230, 240, 250, 255, 270),
    )
)
"""Usual rates of tax on sales, per cent."""


def plausible(net: Decimal, tax: Decimal) -> bool:
    """Whether the tax is some usual rate of the net amount, to the cent (several rates mix, so the range counts as well)."""
    if net == 0 or tax == 0:
        return tax == 0
    rate = 100 * tax / net
    return any(abs(net * usual / 100 - tax) <= 2 * CENT for usual in _RATES) or Decimal(2) < rate < Decimal(28)


def net_and_tax(
    total: Decimal, place: Amount, labelled: Sequence[Labelled], confidence: int
) -> dict[str, tuple[Decimal, Amount, int]]:
    """The pair of net amount and tax that makes the total, by labels; no pair, no values."""
    printed = [one for one in labelled if one.amount.looks_like_money or not place.places]
    nets = [
        one
        for one in printed
        if (one.role in ("net", "subtotal") and abs(one.amount.value) <= abs(total))
        or (one.role == "total" and one.worth == 1 and abs(one.amount.value) < abs(total))
    ]
    taxes = [one for one in printed if one.role == "tax" and abs(one.amount.value) < abs(total)]
    best: tuple[float, dict[str, tuple[Decimal, Amount, int]]] = (0.0, {})
    for net, net_place, net_worth in _with_sums(nets):
        for told, tax_place, tax_worth in _with_sums(taxes):
            tax = -abs(told) if total < 0 else told
            off = abs(net + tax - total)
            if off > CENT * 5 or not plausible(net, tax) or (off and net == total):
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


def _with_sums(places: Sequence[Labelled]) -> list[tuple[Decimal, Amount, float]]:
    """Single amounts, and sums of two to four that stand under each other, for bills with several rates."""
    single = _values(places)
    for role in dict.fromkeys(one.role for one in places):
        rows = _last_of_rows([one for one in places if one.role == role and one.amount.value and one.amount.places])
        for count in (2, 3, 4):
            for start in range(len(rows) - count + 1):
                group = rows[start : start + count]
                if group[-1].amount.cell.row - group[0].amount.cell.row <= 2 * count:
                    single.append((sum((one.amount.value for one in group), ZERO), group[0].amount, 0.6))
    return single


def _last_of_rows(places: Sequence[Labelled]) -> list[Labelled]:
    """Of amounts in one row only the last: "VAT 7 % on 78.50" stands before what it comes to."""
    by_row: dict[int, Labelled] = {}
    for one in places:
        known = by_row.get(one.amount.cell.row)
        if known is None or one.amount.box[0] > known.amount.box[0]:
            by_row[one.amount.cell.row] = one
    return [by_row[row] for row in sorted(by_row)]


def _one_of_the_two(total: Decimal, nets: Sequence[Labelled], taxes: Sequence[Labelled]) -> dict[str, tuple[Decimal, Amount, int]]:
    """With one of the two printed the other follows, if the rate is a usual one."""
    for net, place, _ in sorted(_values([one for one in nets if one.role == "net"]), key=lambda one: -one[2]):
        if plausible(net, total - net) and total - net != 0:
            return {"net": (net, place, 60), "tax": (total - net, place, 45)}
        if net == total:
            return {"net": (net, place, 60)}
    for tax, place, worth in sorted(_values(taxes), key=lambda one: -one[2]):
        if worth < 1:
            continue
        if tax == 0 and not any(one.amount.value for one in taxes):
            return {"tax": (tax, place, 70), "net": (total, place, 65)}
        if tax and plausible(total - tax, tax):
            return {"tax": (tax, place, 60), "net": (total - tax, place, 45)}
    return {}


def untaxed(
    total: tuple[Decimal, Amount, int], labelled: Sequence[Labelled], line_sum: Decimal | None
) -> dict[str, tuple[Decimal, Amount, int]]:
    """Where no tax is told of and the positions make the total, it is the net amount as well."""
    taxed = any(one.role == "tax" and one.amount.value and one.amount.looks_like_money for one in labelled)
    return {} if taxed or line_sum is None or line_sum != total[0] else {"net": (total[0], total[1], min(total[2], 60))}
