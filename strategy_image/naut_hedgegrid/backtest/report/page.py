"""The page: figures at the top, charts over one axis of time, tables."""

import json
from collections.abc import Iterable
from decimal import Decimal
from html import escape
from typing import Any

from naut_hedgegrid.backtest.report import charts as drawing
from naut_hedgegrid.backtest.report import tables
from naut_hedgegrid.backtest.report.charts import Charts
from naut_hedgegrid.backtest.report.look import SCRIPT, STYLE
from naut_hedgegrid.backtest.report.periods import days, months
from naut_hedgegrid.backtest.report.series import Series, series
from naut_hedgegrid.backtest.results import Results

_FILLS = {
    "touch": "A resting order fills when the price touches it",
    "through": "A resting order fills when the price went one tick beyond it",
}


def page(results: Results) -> str:
    """The whole page, HTML in UTF-8."""
    points = series(results)
    charts = Charts(results, points)
    by_day = days(results)
    by_month = months(by_day)
    monthly = tables.periods(by_month, "Month") if len(by_month) > 1 else ""
    figures = results.summary
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(results.played.venue.instrument)} backtest</title><style>{STYLE}</style></head><body><main>
<h1>{escape(results.played.venue.instrument)}</h1>
<p class="under">{"".join(f"<span>{escape(text)}</span>" for text in _under(results))}</p>
<div class="tiles">{"".join(_tiles(figures))}</div>
{_notes(results)}
<section><h2>Price and fills</h2>{charts.price()}
<p class="legend">Fills: <i style="background:var(--long)"></i>LONG opens
<i class="out" style="background:var(--long)"></i>LONG closes <i style="background:var(--short)"></i>SHORT opens
<i class="out" style="background:var(--short)"></i>SHORT closes</p></section>
<section><h2>Equity</h2>{charts.equity()}<h2>Drawdown, %</h2>{charts.drawdown()}</section>
<section><h2>Inventory: LONG upwards, SHORT downwards</h2>{charts.inventory()}</section>
<section><h2>Profit by day</h2>{charts.profit(by_day)}{monthly}
<details><summary>Every day</summary>{tables.periods(by_day, "Day")}</details></section>
<section><h2>By leg and role</h2>{tables.roles(results)}</section>
<section><h2>Closed at the largest losses</h2>{tables.worst(results)}</section>
<footer>The figures are those of summary.json. {escape(_FILLS[figures["fill_model"]])}. Average entries are the leg's.
</footer></main><div id="tip"></div>
<script type="application/json" id="points">{_points(results, points)}</script><script>{SCRIPT}</script>
</body></html>
"""


def _under(results: Results) -> Iterable[str]:
    grid, exits = results.played.strategy.grid, results.played.strategy.exits
    figures = results.summary
    yield f"{figures['start'].replace('T', ' ')} to {figures['end'].replace('T', ' ')}"
    yield f"{figures['bars']:,} bars of {results.played.data.spacing / 1e9:g} s"
    yield f"{grid.levels_long} + {grid.levels_short} rungs, {grid.step_bps:g} bps"
    yield f"base {grid.base_qty}, scale {grid.qty_scale:g}"
    yield f"take profit {exits.take_profit_steps} steps"
    yield f"fills: {figures['fill_model']}"


def _tiles(figures: Any) -> Iterable[str]:
    total, start = Decimal(figures["total_pnl"]), Decimal(figures["starting_equity"])
    yield _tile("Total profit", tables.money(total, signed=True), f"{total / start:+.3%} of {start:,.0f}")
    yield _tile("Realized", tables.money(Decimal(figures["realized_pnl"]), signed=True), "gross")
    yield _tile("Commissions", tables.money(Decimal(figures["commissions"])), "paid")
    yield _tile("Funding", tables.money(Decimal(figures["funding"]), signed=True), "above 0 received")
    yield _tile("Unrealized", tables.money(Decimal(figures["unrealized_pnl"]), signed=True), "at the last close")
    yield _tile("Largest drawdown", f"{figures['max_drawdown']:.3%}", "of the peak of equity")
    maker = figures["maker_ratio"]
    yield _tile("Fills", f"{figures['fills']:,}", "no fill" if maker is None else f"{maker:.1%} as maker")
    held = f"{figures['long_quantity']} / {figures['short_quantity']}"
    yield _tile("Held at the end", escape(held), "LONG / SHORT")


def _tile(name: str, value: str, under: str) -> str:
    return f'<div class="tile"><small>{escape(name)}</small><b>{value}</b><small>{escape(under)}</small></div>'


def _notes(results: Results) -> str:
    if not results.notes:
        return ""
    return f'<section class="note">{"".join(f"<p>{escape(note)}</p>" for note in results.notes)}</section>'


def _points(results: Results, points: Series) -> str:
    data = {
        "begin": results.played.data.table.ts[0] // 1_000_000_000,
        "t": [ts // 1_000_000_000 for ts in points.ts],
        "price": [round(value, 8) for value in points.close],
        "equity": [round(value, 2) for value in points.equity],
        "drawdown": [round(value, 6) for value in points.drawdown],
        "long": points.long,
        "short": points.short,
        "left": drawing.LEFT,
        "right": drawing.RIGHT,
        "width": drawing.WIDTH,
    }
    return json.dumps(data, separators=(",", ":"))
