"""Lines over time as small charts beside each other: SVG without any library. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from math import ceil, floor, log10

WIDTH, HEIGHT, LEFT, TOP, GAP, FOOT = 330, 130, 52, 40, 26, 56
COLUMNS = 3
COLOURS = ("#1f6feb", "#d1242f", "#1a7f37", "#9a6700", "#8250df", "#0a7b83", "#bf3989", "#57606a")
STYLE = (
    "text{font:10px sans-serif;fill:#6e7781}.t{font-size:11px;font-weight:bold;fill:#24292f}"
    ".g{stroke:#d0d7de;stroke-width:1}.l{fill:none;stroke-width:1.5}"
)
TICKS = 5
LETTER = 5.9
"""Width of one, about."""
GAP_STEPS = 1.5
"""Points that are further apart than so many steps aren't joined."""


@dataclass(frozen=True)
class Line:
    """One series: seconds since the beginning, and the value."""

    name: str
    points: Sequence[tuple[float, float]]


@dataclass(frozen=True)
class Chart:
    """One panel."""

    title: str
    unit: str
    lines: Sequence[Line]


def svg(charts: Sequence[Chart], seconds: float, step: float) -> str:
    """The picture of so many seconds, with a point each `step`."""
    rows = -(-len(charts) // COLUMNS)
    width, height = COLUMNS * (WIDTH + GAP) + GAP, rows * (TOP + HEIGHT + FOOT)
    parts = [
        _chart(chart, seconds, step, GAP + number % COLUMNS * (WIDTH + GAP), number // COLUMNS * (TOP + HEIGHT + FOOT))
        for number, chart in enumerate(charts)
    ]
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}">'
    return "\n".join(
        [head, f"<style>{STYLE}</style>", '<rect width="100%" height="100%" fill="#fff"/>', *parts, "</svg>\n"]
    )


def _chart(chart: Chart, seconds: float, step: float, left: int, top: int) -> str:
    marks = ticks([value for line in chart.lines for _, value in line.points])
    low, high = marks[0], marks[-1]
    inner_left, inner_top = left + LEFT, top + TOP

    def x(at: float) -> float:
        return inner_left + (WIDTH - LEFT) * at / seconds

    def y(value: float) -> float:
        return inner_top + HEIGHT * (high - value) / (high - low)

    parts = [f'<text class="t" x="{left}" y="{top + 22}">{escape(chart.title)}</text>']
    for mark in marks:
        parts.append(f'<path class="g" d="M{inner_left} {y(mark):.1f}H{left + WIDTH}"/>')
        parts.append(
            f'<text text-anchor="end" x="{inner_left - 5}" y="{y(mark) + 3:.1f}">{told(mark, chart.unit)}</text>'
        )
    for minute in range(int(seconds // 60) + 1):
        place = f'x="{x(minute * 60):.1f}" y="{inner_top + HEIGHT + 13}"'
        parts.append(f'<text text-anchor="middle" {place}>{minute} min</text>')
    for number, line in enumerate(chart.lines):
        for piece in pieces(line.points, step):
            points = " ".join(f"{x(at):.1f},{y(value):.1f}" for at, value in piece)
            parts.append(f'<polyline class="l" stroke="{_colour(number)}" points="{points}"/>')
    return "\n".join([*parts, *_legend(chart, left, inner_top + HEIGHT + 27)])


def _legend(chart: Chart, left: int, top: int) -> Iterator[str]:
    """Names of the lines, in rows as wide as the chart."""
    x, y = left, top
    for number, line in enumerate(chart.lines):
        width = LETTER * len(line.name) + 10
        if x > left and x + width > left + WIDTH:
            x, y = left, y + 12
        yield f'<text x="{x:g}" y="{y}" style="fill:{_colour(number)}">{escape(line.name)}</text>'
        x += width


def _colour(number: int) -> str:
    return COLOURS[number % len(COLOURS)]


def pieces(points: Sequence[tuple[float, float]], step: float) -> Iterator[list[tuple[float, float]]]:
    """Points that follow each other; where something is missing the line is broken."""
    piece: list[tuple[float, float]] = []
    for point in points:
        if piece and point[0] - piece[-1][0] > GAP_STEPS * step:
            yield piece
            piece = []
        piece.append(point)
    if piece:
        yield piece


def told(value: float, unit: str) -> str:
    """A value at its axis."""
    if unit == "percentunit":
        return f"{_plain(value * 100)} %"
    if unit == "s":
        return f"{value * 1000:.3g} ms" if 0 < abs(value) < 1 else f"{value:.3g} s"
    return _plain(value)


def _plain(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def ticks(values: Sequence[float]) -> list[float]:
    """Round numbers around the values, from 0 where that is near."""
    low, high = min(values, default=0.0), max(values, default=1.0)
    if low >= 0 and low < high / 2:
        low = 0.0
    span = high - low or abs(high) or 1.0
    magnitude = 10 ** floor(log10(span / TICKS))
    step = next(it * magnitude for it in (1, 2, 2.5, 5, 10) if it * magnitude >= span / TICKS)
    first, last = floor(low / step), ceil(high / step)
    return [number * step for number in range(first, max(last, first + 1) + 1)]
