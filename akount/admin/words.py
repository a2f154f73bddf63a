"""How things are said on a page: instants, durations, numbers, and text that strangers wrote."""

from __future__ import annotations

import datetime as dt
import re
from typing import Any

from flask import Flask
from jinja2 import StrictUndefined

from akount.census import CAP
from akount.db import now
from akount.instants import iso

_UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202f\u2060-\u206f\ufeff\ufff9-\ufffb\U000e0000-\U000e007f]"
)
"""Control characters and what turns the direction of a line or hides in it: a file name must not pretend to be another."""
_WORKER = re.compile(r"([^/]+)/\d+:(\d+):\d+")
_STEPS = ((86_400, "d"), (3600, "h"), (60, "min"))


def init_app(app: Flask) -> None:
    """The filters, for every template."""
    app.jinja_env.undefined = StrictUndefined
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    app.jinja_env.finalize = shown
    app.jinja_env.filters |= {"count": count, "seconds": seconds, "share": share, "ago": ago, "iso": iso, "utc": utc}
    app.jinja_env.filters |= {"actor": actor, "brief": brief, "size": size, "worker": worker}


def shown(value: Any) -> Any:
    """Whatever a template puts out: nothing for None, and of a text what can be seen."""
    if value is None:
        return ""
    return _UNSEEN.sub("\ufffd", value) if isinstance(value, str) and not hasattr(value, "__html__") else value


def count(number: int | None, cap: int = CAP) -> str:
    """A number with thin separators; one that was counted up to `cap` only is "10k+". None is not known."""
    if number is None:
        return "unknown"
    return f"{cap // 1000}k+" if number > cap else f"{number:,}".replace(",", "\u2009")


def seconds(value: float | dt.timedelta | None) -> str:
    """A duration in the two units that matter."""
    if value is None:
        return "–"
    left = value.total_seconds() if isinstance(value, dt.timedelta) else float(value)
    if left < 1:
        return f"{max(0, round(left * 1000))} ms"
    if left < 60:
        return f"{left:.1f} s" if left < 10 else f"{left:.0f} s"
    for position, (size, unit) in enumerate(_STEPS):
        if left >= size:
            rest = divmod(left % size, _STEPS[position + 1][0])[0] if position + 1 < len(_STEPS) else left % size
            smaller = _STEPS[position + 1][1] if position + 1 < len(_STEPS) else "s"
            return f"{left // size:.0f} {unit}" + (f" {rest:.0f} {smaller}" if rest >= 1 else "")
    return f"{left:.0f} s"


def ago(instant: dt.datetime) -> str:
    """An instant by how long ago it was, or by how soon it will be."""
    passed = (now() - instant).total_seconds()
    if abs(passed) < 1:
        return "now"
    return f"{_coarse(passed)} ago" if passed > 0 else f"in {_coarse(-passed)}"


def _coarse(passed: float) -> str:
    for size, unit in _STEPS:
        if passed >= size:
            return f"{passed // size:.0f} {unit}"
    return f"{passed:.0f} s"


def utc(instant: dt.datetime) -> str:
    """For people, to the second."""
    return f"{instant:%Y-%m-%d %H:%M:%S} UTC"


def share(part: float, whole: float) -> str:
    """Part of a whole, in per cent."""
    return "–" if not whole else f"{100 * part / whole:.{0 if part in (whole, 0) else 1}f} %"


def actor(name: str) -> str:
    """Who did something, short: the sort and the beginning of the id."""
    sort, _, rest = name.partition(":")
    return f"{sort} {rest[:8]}" if rest else sort


def size(number: int | None) -> str:
    """Bytes, in the unit that matters."""
    if number is None:
        return "–"
    value, units = float(number), ["bytes", "KiB", "MiB", "GiB"]
    while value >= 1000 and len(units) > 1:
        value /= 1024
        del units[0]
    return f"{value:.{1 if value < 10 and units[0] != 'bytes' else 0}f} {units[0]}"


def worker(name: str) -> str:
    """A worker by what people tell them apart by: its host and process (ledger.worker_name)."""
    found = _WORKER.fullmatch(name)
    return f"{found[1]}, process {found[2]}" if found else name


def brief(value: object) -> str:
    """The beginning of an id."""
    return str(value)[:8]
