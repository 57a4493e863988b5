"""The page and the picture of a fleet's figures say what was measured."""

import json
from xml.etree import ElementTree as ET

from tests.bench.fleet.kills import Storm
from tests.bench.fleet.plot import Chart, Line, svg
from tests.bench.fleet.report import Delivery, Fleet
from tests.bench.fleet.rest import Idle, Restart

MILLISECOND = 1_000_000


def fleet() -> Fleet:
    """Round figures: 2 MiB more for 10 grids, 20 ms a kill, 10 ms bare."""
    deliveries = [Delivery(f"{n} grids", n, [20 * MILLISECOND] * 3, [10 * MILLISECOND] * 3) for n in (10, 100)]
    requests = {"list pods": 50.0, "get secrets": 0.5, "patch leases": 9.0}
    idles = [Idle(n, 0.01, (100 + n // 5) * 2**20, requests, 0) for n in (10, 100)]
    return Fleet(
        machine={"processor": "one"},
        empty_rss=100 * 2**20,
        deliveries=deliveries,
        growth=list(zip(idles, deliveries, strict=True)),
        made=(90, 3_000 * MILLISECOND, 2_000 * MILLISECOND),
        restart=Restart(1.0, 2.0, 0.03),
        restart_size=100,
        storms=[Storm(40 * MILLISECOND, 35 * MILLISECOND)],
        storm_size=1000,
        storm_at_once=32,
        idle=idles[0],
    )


def test_the_page_shows_ratios_and_counts_only_the_requests_that_a_grid_causes() -> None:
    page = fleet().page()
    assert "| p50 against bare: 10 grids; 100 grids | 2.00, 2.00 | 1.5 |" in page
    assert "| 1.50 (3.0 s, plain 2.0 s) | 1.5 |" in page
    assert "| memory a grid, idle CPU at 10 grids | 205 KiB, 1.0% |" in page
    assert "at 10 grids | 0.50 | 1 |" in page
    assert "by verb and resource: get secrets 0.5." in page


def test_the_figures_are_json_and_the_picture_is_xml() -> None:
    found = json.loads(fleet().json())
    assert found["deliveries"][0]["kill"]["p50"] == 20
    assert found["growth"][0]["kib_a_grid"] == 204.8
    assert ET.fromstring(fleet().picture()).tag.endswith("svg")


def test_a_line_runs_from_the_smallest_to_the_largest_fleet() -> None:
    root = ET.fromstring(svg((1, 10, 100), [Chart("a < b", [Line("one", [1.0, 2.0, 4.0])])]))
    line = next(found for found in root if found.tag.endswith("polyline"))
    xs, ys = zip(*(map(float, point.split(",")) for point in line.attrib["points"].split()), strict=True)
    assert xs[1] - xs[0] == xs[2] - xs[1] > 0
    assert ys[0] > ys[1] > ys[2]
