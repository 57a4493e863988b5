"""What goes from the ledger into the store and comes back from it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, NamedTuple, Self

from naut_hedgegrid.domain.grid import Ladder, Lot, LotKey, WorkingOrder
from naut_hedgegrid.domain.values import ZERO, FundingSettled, OrderFilled


class Totals(NamedTuple):
    """Sums over all fills since the first start."""

    realized: Decimal = ZERO
    """Gross, quote currency."""
    fees: Decimal = ZERO
    """Commissions paid, quote currency."""
    fills: int = 0
    maker_fills: int = 0
    notional: Decimal = ZERO
    maker_notional: Decimal = ZERO
    funding: Decimal = ZERO
    """Cash of all settlements, above 0 received."""

    def plus(self, fill: OrderFilled) -> Self:
        """The sums with one more fill."""
        notional = fill.quantity * fill.price
        return self._replace(
            realized=self.realized + fill.realized_pnl,
            fees=self.fees + fill.commission,
            fills=self.fills + 1,
            maker_fills=self.maker_fills + fill.maker,
            notional=self.notional + notional,
            maker_notional=self.maker_notional + (notional if fill.maker else ZERO),
        )

    @classmethod
    def from_plain(cls, row: Mapping[str, Any]) -> Self:
        """From the store."""
        return cls(
            realized=Decimal(row["realized"]),
            fees=Decimal(row["fees"]),
            fills=int(row["fills"]),
            maker_fills=int(row["maker_fills"]),
            notional=Decimal(row["notional"]),
            maker_notional=Decimal(row["maker_notional"]),
            funding=Decimal(row.get("funding", 0)),
        )

    def plain(self) -> dict[str, int | str]:
        """For the store."""
        return {name: value if isinstance(value, int) else str(value) for name, value in self._asdict().items()}


NO_TOTALS = Totals()
"""Before the first fill."""


@dataclass(slots=True)
class Changes:
    """What the store has to write, in one transaction. None means: delete."""

    lots: dict[LotKey, Lot | None] = field(default_factory=dict[LotKey, Lot | None])
    orders: dict[str, WorkingOrder | None] = field(default_factory=dict[str, WorkingOrder | None])
    fills: list[OrderFilled] = field(default_factory=list[OrderFilled])
    funding: list[FundingSettled] = field(default_factory=list[FundingSettled])
    totals: Totals | None = None
    """The sums, where they changed."""
    values: dict[str, object] = field(default_factory=dict[str, object])
    """Single values by name; JSON-ready."""

    def __bool__(self) -> bool:
        return bool(self.lots or self.orders or self.fills or self.funding or self.totals or self.values)

    def add(self, later: "Changes") -> None:
        """Take in changes that came later."""
        self.lots |= later.lots
        self.orders |= later.orders
        self.fills += later.fills
        self.funding += later.funding
        self.totals = later.totals or self.totals
        self.values |= later.values


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What the store knows at a start."""

    lots: tuple[Lot, ...] = ()
    orders: tuple[WorkingOrder, ...] = ()
    ladder: Ladder | None = None
    totals: Totals = NO_TOTALS
    next_n: int = 0
    last_trade_id: int = 0
    recent_trade_ids: frozenset[int] = frozenset()
    """Of the newest fills, so that one that comes again is known."""
    last_funding_ts: int = 0
    """Of the newest settlement booked."""
