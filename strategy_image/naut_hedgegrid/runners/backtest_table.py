"""The end of a backtest on a terminal: the figures, what has to be known of them, where the files are."""

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import TextIO

from naut_hedgegrid.backtest.results import Results


def show(results: Results, folder: Path, stream: TextIO) -> None:
    """Write the table."""
    rows = list(_rows(results))
    width = max(len(name) for name, _ in rows)
    stream.write("".join(f"  {name:<{width}}  {value}\n" for name, value in rows))
    stream.write("".join(f"  ! {note}\n" for note in results.notes))
    stream.write(f"  {folder / 'report.html'}\n")


def _rows(results: Results) -> Iterator[tuple[str, str]]:
    figures = results.summary
    yield "instrument", f"{results.played.venue.instrument}, fills: {figures['fill_model']}"
    yield "from, to", f"{figures['start']}, {figures['end']}"
    pace = f"{figures['wall_seconds']:.2f} s, {figures['bars_per_second']:,.0f}/s"
    yield "bars", f"{figures['bars']:,} in {pace}"
    maker = figures["maker_ratio"]
    yield (
        "orders, fills",
        f"{figures['orders']:,}, {figures['fills']:,}{'' if maker is None else f', {maker:.1%} maker'}",
    )
    for name in ("realized", "commissions", "funding", "unrealized", "total"):
        key = name if name in figures else f"{name}_pnl"
        yield name, f"{Decimal(figures[key]):+,.2f}" if name != "commissions" else f"{Decimal(figures[key]):,.2f}"
    yield "equity", f"{Decimal(figures['starting_equity']):,.2f} → {Decimal(figures['final_equity']):,.2f}"
    yield "drawdown", f"{figures['max_drawdown']:.3%}"
    for leg in ("long", "short"):
        price = figures[f"{leg}_entry_price"]
        at = "" if price is None else f" at {Decimal(price):,.2f}"
        yield leg, f"{figures[f'{leg}_quantity']}{at}"
    for trip in figures["trips"]:
        yield "tripped", f"{trip['rule']} at {trip['time']}: {trip['observed']}, the limit is {trip['limit']}"
