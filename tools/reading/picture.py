"""The reliability diagram as SVG: how sure records were against how many of them were right."""

from collections.abc import Mapping, Sequence

SIDE, LEFT, TOP = 360, 60, 20
INKS = ("#1f3a5f", "#0b6e5b", "#b3541e", "#7d8894")
Bins = Sequence[tuple[float, float, int]]


def reliability(groups: Mapping[str, Bins]) -> str:
    """One line of points for each group; the area of a point grows with its records. On the diagonal confidence holds."""
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {SIDE + LEFT + 220} {SIDE + TOP + 60}"',
        ' font-family="sans-serif" font-size="12">',
        "<title>Reliability of confidence</title>",
        f'<rect x="{LEFT}" y="{TOP}" width="{SIDE}" height="{SIDE}" fill="#ffffff" stroke="#9aa3ad"/>',
        f'<line x1="{LEFT}" y1="{TOP + SIDE}" x2="{LEFT + SIDE}" y2="{TOP}" stroke="#9aa3ad" stroke-dasharray="4 4"/>',
    ]
    parts += [_mark(value) for value in range(0, 101, 20)]
    for (name, bins), ink, row in zip(groups.items(), INKS, range(len(INKS)), strict=False):
        parts += [_point(*one, ink) for one in bins]
        y = TOP + 20 + 22 * row
        parts.append(f'<circle cx="{LEFT + SIDE + 20}" cy="{y - 4}" r="5" fill="{ink}"/>')
        parts.append(f'<text x="{LEFT + SIDE + 32}" y="{y}">{name}</text>')
    parts.append(f'<text x="{LEFT + SIDE / 2}" y="{TOP + SIDE + 44}" text-anchor="middle">confidence, per cent</text>')
    parts.append(f'<text transform="translate(16 {TOP + SIDE / 2}) rotate(-90)" text-anchor="middle">right, per cent</text>')
    return "\n".join([*parts, "</svg>"]) + "\n"


def _at(said: float, right: float) -> tuple[float, float]:
    return LEFT + SIDE * said / 100, TOP + SIDE * (1 - right / 100)


def _mark(value: int) -> str:
    x, y = _at(value, value)
    return (
        f'<text x="{x}" y="{TOP + SIDE + 18}" text-anchor="middle">{value}</text>'
        f'<text x="{LEFT - 8}" y="{y + 4}" text-anchor="end">{value}</text>'
    )


def _point(said: float, right: float, count: int, ink: str) -> str:
    x, y = _at(said, right)
    radius = min(14.0, 2 + count**0.5 / 1.5)
    title = f"<title>{count} records: said {said}, right {right}</title>"
    return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius:.1f}" fill="{ink}" fill-opacity="0.7">{title}</circle>'
