"""The tables of the page."""

from collections.abc import Iterable, Sequence
from decimal import Decimal
from html import escape
from itertools import groupby

from naut_hedgegrid.backtest.orders import role_name
from naut_hedgegrid.backtest.report.periods import Period
from naut_hedgegrid.backtest.results import Results
from naut_hedgegrid.backtest.text import Times, plain
from naut_hedgegrid.domain.values import ZERO, OrderFilled

_WORST = 12


def table(head: Sequence[str], rows: Iterable[Sequence[str]], *, words: int = 1) -> str:
    """A table; the first columns are words, the others numbers. Cells are HTML already."""
    names = "".join(f"<th>{escape(name)}</th>" for name in head)
    lines = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
    return f'<table class="words{words}"><thead><tr>{names}</tr></thead><tbody>{lines}</tbody></table>'


def money(value: Decimal, digits: int = 2, *, signed: bool = False) -> str:
    """An amount, coloured by its sign where it is a profit or a loss."""
    if not signed or not value:
        return f"{value:,.{digits}f}"
    text, kind = f"{value:+,.{digits}f}", "gain" if value > 0 else "fall"
    return f'<span class="{kind}">{text.replace("-", "−")}</span>'


def periods(found: Sequence[Period], name: str) -> str:
    """Profit by day or month."""
    rows = (
        (
            period.name,
            money(period.profit, signed=True),
            f"{period.profit / period.begin:+.3%}".replace("-", "−") if period.begin > 0 else "",
            f"{period.fills:,}",
            money(period.realized, signed=True),
            money(period.commissions),
            money(period.funding, signed=True),
        )
        for period in found
    )
    return table((name, "Profit", "Return", "Fills", "Realized", "Commissions", "Funding"), rows)


def roles(results: Results) -> str:
    """What each kind of order did."""

    def kind(fill: OrderFilled) -> tuple[str, str]:
        return fill.leg.value, role_name(fill.client_order_id)

    rows: list[tuple[str, ...]] = []
    for (leg, role), group in groupby(sorted(results.played.books.fills, key=kind), key=kind):
        fills = list(group)
        notional = sum((fill.price * fill.quantity for fill in fills), ZERO)
        maker = sum((fill.price * fill.quantity for fill in fills if fill.maker), ZERO)
        rows.append(
            (
                leg,
                role.replace("_", " ").lower(),
                f"{len({fill.client_order_id for fill in fills}):,}",
                f"{len(fills):,}",
                plain(sum((fill.quantity for fill in fills), ZERO)) or "",
                money(notional, 0),
                f"{maker / notional:.1%}",
                money(sum((fill.commission for fill in fills), ZERO)),
                money(sum((fill.realized_pnl for fill in fills), ZERO), signed=True),
            )
        )
    head = ("Leg", "Role", "Orders", "Fills", "Quantity", "Notional", "Maker", "Commissions", "Realized")
    return table(head, rows, words=2)


def worst(results: Results) -> str:
    """The closing fills that lost most."""
    losses = sorted(
        (fill for fill in results.played.books.fills if fill.realized_pnl < 0), key=lambda fill: fill.realized_pnl
    )
    if not losses:
        return "<p>No fill closed at a loss.</p>"
    time = Times()
    rows = (
        (
            time(fill.ts).replace("T", " ").removesuffix("Z"),
            fill.leg.value,
            role_name(fill.client_order_id).replace("_", " ").lower(),
            plain(fill.quantity) or "",
            f"{fill.price:,f}",
            f"{fill.price - fill.leg.sign * fill.realized_pnl / fill.quantity:,.2f}",
            money(fill.realized_pnl, signed=True),
        )
        for fill in losses[:_WORST]
    )
    head = ("Time (UTC)", "Leg", "Role", "Quantity", "Price", "Average entry", "Realized")
    return table(head, rows, words=3)
