"""A grid's figures, as a report carries them."""

from pydantic import AwareDatetime

from hedgegrid_api.types import Message, SignedFigure, UnsignedFigure


class LegTelemetry(Message):
    """One leg's position."""

    quantity: UnsignedFigure | None = None
    """Base currency."""
    entry_price: UnsignedFigure | None = None
    """Average entry; none when flat."""


class PnL(Message):
    """Profit and loss of this grid since its first start, quote currency."""

    realized: SignedFigure | None = None
    """Closed trades, less commissions, plus funding received."""
    unrealized: SignedFigure | None = None
    """At mark."""
    total: SignedFigure | None = None
    """Sum of both."""


class Telemetry(Message):
    """Figures of the grid; null where unknown."""

    long: LegTelemetry = LegTelemetry()
    """The LONG leg."""
    short: LegTelemetry = LegTelemetry()
    """The SHORT leg."""
    net_quote: SignedFigure | None = None
    """(long − short)·mark."""
    open_orders: int | None = None
    """All open orders of this grid."""
    pnl: PnL = PnL()
    """Profit and loss."""
    margin_ratio: float | None = None
    """Maintenance margin / margin balance."""
    equity: SignedFigure | None = None
    """Wallet + unrealized."""
    funding_rate: float | None = None
    """Rate of the coming settlement."""
    regime: str | None = None
    """UP, DOWN or SIDEWAYS; none while unknown."""
    last_bar_time: AwareDatetime | None = None
    """Close of the newest bar, market time."""
