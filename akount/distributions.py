"""How long things took, as counts in classes that widen by a quarter: little to keep, and what is asked of it (the median,
the 95th percentile) is right to within that quarter."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping

FIRST_SECONDS = 0.05
"""The upper end of the first class."""
CLASSES_PER_DOUBLING = 3
LAST = 63
"""The last class; what took longer (29 hours) is in it too."""


class Distribution:
    """Durations in seconds, as counts by class."""

    def __init__(self, counts: Mapping[str, int] | None = None) -> None:
        self.counts: Counter[int] = Counter({int(number): count for number, count in (counts or {}).items()})

    def add(self, seconds: float) -> None:
        """One more."""
        over = max(seconds, FIRST_SECONDS) / FIRST_SECONDS
        self.counts[min(LAST, math.ceil(CLASSES_PER_DOUBLING * math.log2(over) - 1e-9))] += 1

    def tally(self, counts: Mapping[str, int]) -> None:
        """As many more as were kept by `as_json`."""
        for number, count in counts.items():
            self.counts[int(number)] += count

    def merge(self, others: Iterable[Distribution]) -> Distribution:
        """These and those, in this one."""
        for other in others:
            self.counts.update(other.counts)
        return self

    @property
    def total(self) -> int:
        """How many there are."""
        return sum(self.counts.values())

    def percentile(self, share: float) -> float | None:
        """So many seconds or fewer took this share (0-1) of them; None: there are none."""
        wanted = share * self.total
        if not self.total:
            return None
        below = 0
        for number, count in sorted(self.counts.items()):
            if below + count >= wanted:
                return _end(number - 1) + (_end(number) - _end(number - 1)) * (wanted - below) / count
            below += count
        raise AssertionError

    def as_json(self) -> dict[str, int]:
        """As it is kept."""
        return {str(number): count for number, count in sorted(self.counts.items())}


def _end(number: int) -> float:
    return 0.0 if number < 0 else FIRST_SECONDS * 2.0 ** (number / CLASSES_PER_DOUBLING)
