"""Charts of the docs: what nobody knew is not drawn over, and what is drawn lies within its chart."""

import re

from tests.monitoring.dashboards import ALL
from tests.monitoring.pictures.__main__ import SHOWN
from tests.monitoring.pictures.plot import Chart, Line, pieces, svg, ticks, told


def test_a_gap_in_the_points_is_a_gap_in_the_line() -> None:
    points = [(0.0, 1.0), (2.0, 1.0), (8.0, 1.0), (10.0, 2.0)]
    assert [len(piece) for piece in pieces(points, 2)] == [2, 2]


def test_lines_lie_within_their_chart() -> None:
    text = svg([Chart("PnL & more", "s", [Line("a", [(0.0, -5.0), (60.0, 7.0)]), Line("b", [])])], 60, 60)
    assert "PnL &amp; more" in text
    (points,) = re.findall(r'points="([^"]+)"', text)
    places = [tuple(map(float, point.split(","))) for point in points.split()]
    width, height = map(int, re.findall(r'viewBox="0 0 (\d+) (\d+)"', text)[0])
    assert all(0 < x < width and 0 < y < height for x, y in places)
    assert places[0][1] > places[1][1], "what is more lies higher"


def test_axes_have_round_numbers_around_the_values() -> None:
    assert ticks([3.0, 41.0]) == [0, 10, 20, 30, 40, 50]
    assert ticks([9714.0, 10066.0]) == [9700, 9800, 9900, 10000, 10100]
    assert ticks([0.0, 0.0]) == [0.0, 0.2]
    assert ticks([-7.0, 1.0]) == [-8, -6, -4, -2, 0, 2]


def test_values_are_told_in_their_unit() -> None:
    assert [told(0.125, "percentunit"), told(0.0021, "s"), told(90, "s"), told(12345.6, "suffix: USDT")] == [
        "12.5 %",
        "2.1 ms",
        "90 s",
        "12,346",
    ]


def test_panels_that_are_drawn_are_there() -> None:
    for name, titles in SHOWN.items():
        assert set(titles) <= {panel.title for panel in ALL[name].panels if panel.kind == "timeseries"}
