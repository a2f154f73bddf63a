"""Charts as numbers: where each point of an SVG lies, and the table of the same figures. parts.html draws them."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Sequence
from dataclasses import dataclass

WIDTH, HEIGHT = 720, 150
LEFT, RIGHT, TOP, BOTTOM = 44, 8, 8, 20
SPARK_HEIGHT = 20
Value = float | None


@dataclass(frozen=True, slots=True)
class Series:
    """One line or one kind of bar; None is not known, and is drawn as nothing."""

    name: str
    values: Sequence[Value]
    style: int = 0
    "which of the looks of the style sheet; 0: by its place"


@dataclass(frozen=True, slots=True)
class Bar:
    """A rectangle; `partial`: its time is not over."""

    x: float
    y: float
    width: float
    height: float
    series: int
    partial: bool


@dataclass(frozen=True, slots=True)
class Chart:
    """What is drawn, and the same as a table."""

    title: str
    unit: str
    series: tuple[Series, ...]
    at: Sequence[dt.datetime]
    labels: tuple[tuple[float, str], ...]
    "below: where and what"
    grid: tuple[tuple[float, str], ...]
    "at the side: how high and what"
    paths: tuple[str, ...] = ()
    bars: tuple[Bar, ...] = ()
    width: int = WIDTH
    height: int = HEIGHT

    @property
    def empty(self) -> bool:
        """Whether nothing of it is known."""
        return all(value is None for series in self.series for value in series.values)

    @property
    def base(self) -> int:
        """Where the figures stand on."""
        return HEIGHT - BOTTOM

    @property
    def heads(self) -> list[tuple[str, str]]:
        """Of the table's columns."""
        return [(series.name, "num") for series in self.series]

    @property
    def rows(self) -> list[tuple[dt.datetime, list[Value]]]:
        """The latest first."""
        return [(at, [series.values[place] for series in self.series]) for place, at in enumerate(self.at)][::-1]


def lines(title: str, unit: str, at: Sequence[dt.datetime], *series: Series) -> Chart:
    """A line for each series, of one scale."""
    top = _nice(max((value for one in series for value in one.values if value is not None), default=0))
    paths = tuple(_path(one.values, top) for one in series)
    return Chart(title, unit, series, at, _labels(at), _grid(top), paths=paths)


def bars(title: str, unit: str, at: Sequence[dt.datetime], *series: Series, partial: bool = False) -> Chart:
    """The series upon each other; with `partial` the last is not over."""
    heights = [sum(one.values[place] or 0 for one in series) for place in range(len(at))]
    top = _nice(max(heights, default=0))
    step = (WIDTH - LEFT - RIGHT) / max(1, len(at))
    drawn = []
    for place in range(len(at)):
        below = 0.0
        for number, one in enumerate(series):
            value = one.values[place] or 0
            if value:
                y = _y(below + value, top)
                drawn.append(
                    Bar(
                        round(LEFT + place * step + step * 0.1, 1),
                        round(y, 1),
                        round(step * 0.8, 1),
                        round(_y(below, top) - y, 1),
                        one.style or number + 1,
                        partial and place == len(at) - 1,
                    )
                )
            below += value
    return Chart(title, unit, series, at, _labels(at), _grid(top), bars=tuple(drawn))


@dataclass(frozen=True, slots=True)
class Spark:
    """A small chart within a line of a table: what was completed and what failed, upon each other, and both in all."""

    completed: int
    failed: int
    most: int
    "of both at a time"
    paths: tuple[str, str]
    width: int
    height: int


def spark(completed: Sequence[Value], failed: Sequence[Value]) -> Spark:
    """A stroke for each pair of figures, two units apart."""
    pairs = [(done or 0, lost or 0) for done, lost in zip(completed, failed, strict=True)]
    top = max((done + lost for done, lost in pairs), default=0) or 1
    below, above = "", ""
    for place, (done, lost) in enumerate(pairs):
        x, meeting = 2 * place + 1, SPARK_HEIGHT * (1 - done / top)
        below += f"M{x} {SPARK_HEIGHT}V{meeting:.1f}" if done else ""
        above += f"M{x} {meeting:.1f}V{SPARK_HEIGHT * (1 - (done + lost) / top):.1f}" if lost else ""
    read, dead = (int(sum(pair[which] for pair in pairs)) for which in (0, 1))
    most = int(max((done + lost for done, lost in pairs), default=0))
    return Spark(read, dead, most, (below, above), 2 * len(pairs), SPARK_HEIGHT)


def _path(values: Sequence[Value], top: float) -> str:
    """What is not known is a gap."""
    step = (WIDTH - LEFT - RIGHT) / max(1, len(values) - 1)
    said, pen = [], "M"
    for place, value in enumerate(values):
        if value is None:
            pen = "M"
            continue
        said.append(f"{pen}{LEFT + place * step:.1f} {_y(value, top):.1f}")
        if pen == "M" and (place + 1 == len(values) or values[place + 1] is None):
            said.append("h1")  # a point by itself
        pen = "L"
    return "".join(said)


def _y(value: float, top: float) -> float:
    return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * value / top


def _nice(most: float) -> float:
    """The next 1, 2 or 5 with noughts."""
    if most <= 0:
        return 1.0
    size = 10.0 ** math.floor(math.log10(most))
    return float(next(step * size for step in (1, 2, 5, 10) if most <= step * size))


def _grid(top: float) -> tuple[tuple[float, str], ...]:
    return tuple((round(_y(value, top), 1), f"{value:g}") for value in (0, top / 2, top))


def _labels(at: Sequence[dt.datetime]) -> tuple[tuple[float, str], ...]:
    """Five at most."""
    if len(at) < 2:
        return ()
    days = (at[-1] - at[0]) > dt.timedelta(days=2)
    step = (WIDTH - LEFT - RIGHT) / (len(at) - 1)
    places = sorted({round(part * (len(at) - 1) / 4) for part in range(4)})
    return tuple((round(LEFT + place * step, 1), f"{at[place]:%d %b}" if days else f"{at[place]:%H:%M}") for place in places)
