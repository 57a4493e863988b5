"""Growth as a picture: small charts beside each other, SVG without any library. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from math import log10

WIDTH, HEIGHT, MARGIN, GAP = 300, 220, 48, 24
COLOURS = ("#1f6feb", "#d1242f", "#6e7781")
STYLE = (
    "text{font:11px sans-serif;fill:#6e7781}.t{font-weight:bold;fill:#57606a}"
    ".g{stroke:#d0d7de;stroke-width:1}.l{fill:none;stroke-width:2}"
)


@dataclass(frozen=True)
class Line:
    """Values over numbers of grids."""

    name: str
    values: Sequence[float]


@dataclass(frozen=True)
class Chart:
    """One chart; its x axis is logarithmic, its y axis begins at 0."""

    title: str
    lines: Sequence[Line]


def svg(grids: Sequence[int], charts: Sequence[Chart]) -> str:
    """The picture. `grids`: at least two different numbers, growing."""
    width, height = len(charts) * (WIDTH + GAP), HEIGHT + 2 * MARGIN
    parts = [_chart(chart, grids, number * (WIDTH + GAP)) for number, chart in enumerate(charts)]
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}">'
    return "\n".join(
        [head, f"<style>{STYLE}</style>", '<rect width="100%" height="100%" fill="#fff"/>', *parts, "</svg>\n"]
    )


def _chart(chart: Chart, grids: Sequence[int], left: int) -> str:
    top = max((value for line in chart.lines for value in line.values), default=1.0) * 1.15 or 1.0
    first, last = log10(grids[0]), log10(grids[-1])

    def x(grid: int) -> float:
        return left + MARGIN + (WIDTH - MARGIN) * (log10(grid) - first) / (last - first)

    def y(value: float) -> float:
        return MARGIN + HEIGHT * (1 - value / top)

    parts = [f'<text class="t" x="{left + MARGIN}" y="{MARGIN - 28}">{escape(chart.title)}</text>']
    for step in range(5):
        value = top * step / 4
        parts.append(f'<path class="g" d="M{left + MARGIN} {y(value):.1f}H{left + WIDTH}"/>')
        parts.append(f'<text text-anchor="end" x="{left + MARGIN - 6}" y="{y(value) + 4:.1f}">{value:.3g}</text>')
    parts += [f'<text text-anchor="middle" x="{x(it):.1f}" y="{HEIGHT + MARGIN + 18}">{it:,}</text>' for it in grids]
    for number, line in enumerate(chart.lines):
        colour = COLOURS[number]
        points = " ".join(f"{x(grid):.1f},{y(value):.1f}" for grid, value in zip(grids, line.values, strict=True))
        parts.append(f'<polyline class="l" stroke="{colour}" points="{points}"/>')
        place = left + MARGIN + number * (WIDTH - MARGIN) // 3
        parts.append(f'<text x="{place}" y="{MARGIN - 10}" style="fill:{colour}">{escape(line.name)}</text>')
    return "\n".join(parts)
