"""What the API answers besides the messages of `hedgegrid_api.control`. Numbers that aren't known are null."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from hedgegrid_api.control import Latch, Trip
from hedgegrid_api.types import LegState, Source
from naut_hedgegrid.domain.values import Regime


class Answer(BaseModel):
    """Base: names on the wire are the documented ones."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True, populate_by_name=True)


class Problem(Answer):
    """Body of a 4xx or 5xx."""

    detail: str
    """One sentence: what is wrong and what is allowed."""


class Liveness(Answer):
    """`GET /livez`."""

    live: bool
    """The event loop turns."""


class Readiness(Answer):
    """`GET /readyz`."""

    ready: bool
    """Orders and positions are adopted, the venue is connected and the data are fresh."""
    reason: str | None = None
    """Why it isn't ready."""


class Health(Answer):
    """`GET /health`."""

    running: bool
    """The node runs."""
    last_bar_timestamp: float
    """Close of the newest bar in market time, seconds since the epoch; 0.0 before the first."""


class LegStatus(Answer):
    """One leg's position."""

    inventory_usdt: float | None
    """Notional at mark."""
    quantity: float | None
    """Base currency."""
    entry_price: float | None
    """Average entry; null when flat."""
    unprotected_quantity: float | None
    """Quantity that no exit stands for."""
    state: LegState
    """How far its kill switch has got."""


class Positions(Answer):
    """Both legs."""

    long: LegStatus
    short: LegStatus


class Profit(Answer):
    """Profit and loss since the grid's first start, quote currency."""

    realized: float | None
    """Closed trades less commissions, plus funding received."""
    unrealized: float | None
    """At mark."""
    total: float | None
    """Sum of both."""


class Status(Answer):
    """`GET /status`."""

    running: bool
    """The node runs."""
    positions: Positions
    margin_ratio: float | None
    """Maintenance margin / margin balance."""
    open_orders: int | None
    """All open orders of this grid."""
    pnl: Profit
    ready: bool
    """As `/readyz` says."""
    synced: bool
    """A control document has come since the start, or none is awaited; entries are held until then."""
    throttle: float
    """As it acts on entries."""
    kill_switch: str
    """As it acts: the value that asks for the levels of both legs."""
    callback_errors: int
    """Exceptions in callbacks since the start; any stops entries."""
    mark_price: float | None
    """Of the newest quote."""
    data_age_seconds: float | None
    """Age of the newest quote in market time."""
    equity: float | None
    """Wallet balance plus unrealized profit, quote currency."""
    account_balance: float | None
    """Wallet balance at the venue, quote currency."""
    drawdown: float | None
    """(peak − equity) / peak, as a fraction."""
    liquidation_distance: float | None
    """Distance from mark to liquidation price / mark, as a fraction; null also where no price liquidates."""
    funding_rate: float | None
    """Of the coming settlement, as a fraction."""
    regime: Regime | None
    """The market's regime in effect."""
    latches: tuple[Latch, ...]
    """What stands until it is released."""
    trip: Trip | None
    """The newest trip of a risk limit whose latch still stands."""


class LadderRung(Answer):
    """A place of a ladder."""

    price: float
    qty: float
    side: str
    """LONG below the mid, SHORT above."""


class Ladders(Answer):
    """`GET /ladders`: all rungs as last computed."""

    timestamp: int | None = None
    """Market time, ns since the epoch; absent before the first ladder."""
    mid_price: float
    """0.0 before the first ladder."""
    long_ladder: list[LadderRung]
    short_ladder: list[LadderRung]


class OpenOrder(Answer):
    """An order that isn't terminal."""

    client_order_id: str
    leg: str
    """LONG or SHORT."""
    role: str
    """ENTRY, TAKE_PROFIT or FLATTEN."""
    side: str
    """BUY or SELL."""
    price: str | None
    """Quote currency; null for a market order."""
    quantity: str
    """Base currency."""
    filled: str
    """Base currency."""
    status: str
    """SENT, OPEN or CANCELING."""


class Orders(Answer):
    """`GET /orders`."""

    orders: list[OpenOrder]


class ClosingPosition(Answer):
    """A position that a flatten closes."""

    leg: str
    """LONG or SHORT."""
    side: str
    """Of the closing orders: BUY or SELL."""
    quantity: str
    """Base currency, when the flatten was asked for."""


class Flattened(Answer):
    """Answer to `POST /flatten`: the latch is stored and the cancels are requested."""

    cancelled_orders: int
    """Orders that are being cancelled."""
    closing_positions: list[ClosingPosition]
    operation_id: Annotated[dict[str, str], Field(alias="operationID")]
    """By leg: the id of the engagement, which `POST /resume` takes. The same at each repetition."""


class Throttled(Answer):
    """Answer to `POST /throttle`."""

    throttle: float
    """As asked for."""
    effective: float
    """As it acts: the smaller of the document's and the API's."""
    source: Source
    """Whose value acts."""
