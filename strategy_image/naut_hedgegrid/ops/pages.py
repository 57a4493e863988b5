"""Answers that come in pages: history, fills, audit log. Money and quantities are decimal strings, times ISO 8601."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Annotated, Self

from pydantic import AwareDatetime, PlainSerializer, WithJsonSchema

from hedgegrid_api.rules import plain
from naut_hedgegrid.domain.values import Leg, OrderFilled, Side
from naut_hedgegrid.grid.ids import parse
from naut_hedgegrid.ops.answers import Answer
from naut_hedgegrid.store.protocol import AuditRecord
from naut_hedgegrid.store.samples import Point, Resolution
from naut_hedgegrid.strategies.hedge_grid_v1.snapshots import ROLE_NAMES

type Figure = Annotated[Decimal, PlainSerializer(plain, return_type=str), WithJsonSchema({"type": "string"})]
"""A decimal string."""
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Extremes(Answer):
    """Least or greatest values of a period, of what has any; null where nothing was known."""

    equity: Figure | None
    """Wallet balance plus unrealized profit."""
    unrealized: Figure | None
    """At mark."""
    net_inventory: Figure | None
    """LONG less SHORT notional at mark."""
    long_inventory: Figure | None
    """Notional at mark."""
    short_inventory: Figure | None
    """Notional at mark."""
    margin_ratio: Figure | None
    """Maintenance margin / margin balance."""
    drawdown: Figure | None
    """(peak − equity) / peak."""
    mark: Figure | None
    """Mark price."""


class Newest(Extremes):
    """The newest known values of a period; quote currency if nothing else is said."""

    wallet: Figure | None
    """Balance at the venue."""
    realized: Figure | None
    """Closed trades less commissions plus funding received, since the first start."""
    funding: Figure | None
    """Cash of all settlements since the first start, above 0 received."""
    fees: Figure | None
    """Commissions since the first start."""
    open_orders: int | None
    throttle: Figure | None
    """As it acts, 0 to 1."""
    fills: int | None
    """Since the first start."""


class Period(Answer):
    """A period of the history."""

    time: AwareDatetime
    """Its begin, wall time."""
    samples: int
    """So many are in it."""
    last: Newest
    low: Extremes
    high: Extremes

    @classmethod
    def of(cls, point: Point) -> Self:
        """From the store."""
        return cls(
            time=moment(point.start),
            samples=point.samples,
            last=Newest.model_validate(point.last, from_attributes=True),
            low=Extremes.model_validate(point.low, from_attributes=True),
            high=Extremes.model_validate(point.high, from_attributes=True),
        )


class History(Answer):
    """`GET /history`, oldest first."""

    resolution: Resolution
    """Length of a period."""
    points: list[Period]
    """Periods in which the process ran."""
    next: AwareDatetime | None
    """`start` of the following page; null where nothing follows."""


class Fill(Answer):
    """One fill."""

    trade_id: int
    time: AwareDatetime
    """Market time."""
    client_order_id: str
    leg: Leg
    role: str | None
    """ENTRY, TAKE_PROFIT, STOP_LOSS or FLATTEN; null for an order that isn't this grid's."""
    side: Side
    price: Figure
    quantity: Figure
    """Base currency."""
    maker: bool
    """It added liquidity."""
    commission: Figure
    """Below 0 for a rebate."""
    realized_pnl: Figure
    """Gross; 0 for an opening fill."""

    @classmethod
    def of(cls, fill: OrderFilled, owner: str) -> Self:
        """From the store."""
        ident = parse(fill.client_order_id, owner)
        return cls(
            trade_id=fill.trade_id,
            time=moment(fill.ts),
            client_order_id=fill.client_order_id,
            leg=fill.leg,
            role=None if ident is None else ROLE_NAMES[ident.role],
            side=fill.side,
            price=fill.price,
            quantity=fill.quantity,
            maker=fill.maker,
            commission=fill.commission,
            realized_pnl=fill.realized_pnl,
        )


class Fills(Answer):
    """`GET /fills`, newest first."""

    fills: list[Fill]
    next: int | None
    """`before` of the following page; null where nothing follows."""


class AuditLine(Answer):
    """One emergency operation."""

    number: int
    """Grows."""
    time: AwareDatetime
    """When it was carried out, wall time."""
    operation: str
    """control, flatten, throttle or resume."""
    who: str
    """Field manager of a spec change, else the name of the key."""
    key: str
    """Name of the key that was used."""
    role: str
    """viewer, trader or admin."""
    what: str
    """What was asked for."""
    why: str | None
    """The reason that was given."""
    result: str
    """What came of it."""
    asked: AwareDatetime | None
    """When the spec was changed; null for a call of the API."""

    @classmethod
    def of(cls, record: AuditRecord) -> Self:
        """From the store."""
        found = record.entry
        return cls(
            number=record.number,
            time=found.time,
            operation=found.operation,
            who=found.who,
            key=found.key,
            role=found.role,
            what=found.what,
            why=found.why,
            result=found.result,
            asked=found.asked,
        )


class Audit(Answer):
    """`GET /audit`, newest first."""

    entries: list[AuditLine]
    next: int | None
    """`before` of the following page; null where nothing follows."""


def moment(ts: int) -> datetime:
    """From nanoseconds since the epoch; to the microsecond."""
    return EPOCH + timedelta(microseconds=ts // 1000)
