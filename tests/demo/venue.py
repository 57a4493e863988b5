"""The venue's side of the story: its own book, read from its file, whatever pod and operator say."""

import sqlite3
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from naut_hedgegrid.domain.values import Leg, OrderFilled, VenueOrder
from naut_hedgegrid.venues.sim.audit import Audit, Snapshot
from naut_hedgegrid.venues.sim.records import Action, LoggedCommand
from tests.demo.seeing import NotYet

ZERO = Decimal(0)


@dataclass(frozen=True)
class Book:
    """The venue at one moment."""

    snapshot: Snapshot

    def quantity(self, leg: Leg) -> Decimal:
        """Position of a leg."""
        return self.snapshot.positions[leg].quantity

    def entry_price(self, leg: Leg) -> Decimal | None:
        """Average entry of a leg, None when flat."""
        return self.snapshot.positions[leg].entry_price

    def entries(self, *legs: Leg) -> list[VenueOrder]:
        """Open orders that open; of all legs, if none is named."""
        return [order for order in self._of(legs) if order.side is order.leg.opening]

    def exits(self, *legs: Leg) -> list[VenueOrder]:
        """Open orders that close; of all legs, if none is named."""
        return [order for order in self._of(legs) if order.side is order.leg.closing]

    @property
    def mid(self) -> Decimal | None:
        """Middle of the newest quote, None before the first."""
        return self.snapshot.quote.mid if self.snapshot.quote else None

    @property
    def fills(self) -> int:
        """Fills so far."""
        return self.snapshot.last_trade_id

    @property
    def pnl(self) -> Decimal | None:
        """Profit and loss since the first start, at mid, commissions paid; None before the first quote."""
        if self.mid is None:
            return None
        open_profit = ZERO
        for leg, position in self.snapshot.positions.items():
            if position.entry_price is not None:
                open_profit += leg.sign * position.quantity * (self.mid - position.entry_price)
        return self.snapshot.wallet - self.snapshot.starting_balance + open_profit

    def flaws(self) -> list[str]:
        """What doubled or lost orders would look like: two entries of a leg at one price, exits ≠ position."""
        found: list[str] = []
        for leg in Leg:
            prices = [order.price for order in self.entries(leg)]
            found += [f"two {leg} entries at {price}" for price in set(prices) if prices.count(price) > 1]
            covered = sum((order.leaves for order in self.exits(leg)), ZERO)
            if covered != self.quantity(leg):
                found.append(f"{leg} position {self.quantity(leg)}, take-profits for {covered}")
        return found

    def told(self) -> str:
        """In a line."""
        legs = " · ".join(f"{leg} {self.quantity(leg)}" for leg in Leg)
        return f"{legs} · {len(self.entries())} entries · {len(self.exits())} take-profits"

    def _of(self, legs: tuple[Leg, ...]) -> list[VenueOrder]:
        return [order for order in self.snapshot.open_orders if order.leg in (legs or tuple(Leg))]


@dataclass(frozen=True)
class Since:
    """What happened at the venue after a moment."""

    fills: list[OrderFilled]
    commands: list[LoggedCommand]

    def filled(self, leg: Leg) -> Decimal:
        """By how much fills have changed a leg's position."""
        return sum(
            (fill.quantity if fill.side is leg.opening else -fill.quantity for fill in self.fills if fill.leg is leg),
            ZERO,
        )

    def cancelled(self) -> set[str]:
        """Client order ids whose cancel the venue carried out."""
        return {command.client_order_id for command in self.commands if self._did(command, Action.CANCEL)}

    def opened(self) -> list[LoggedCommand]:
        """Opening orders that the venue took."""
        return [command for command in self.commands if command.opening and self._did(command, Action.SUBMIT)]

    @staticmethod
    def _did(command: LoggedCommand, action: Action) -> bool:
        return command.accepted and command.action == action


class Venue:
    """The file of one grid's simulated venue. It can be read while the pod writes it, and while no pod has it."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def book(self) -> Book:
        """As it is now; raises NotYet before the venue has opened."""
        try:
            with Audit(self._path) as audit:
                return Book(audit.snapshot())
        except (sqlite3.OperationalError, TypeError):  # no file, no table, no row yet
            raise NotYet("the venue has no book yet") from None

    def mark(self) -> tuple[int, int]:
        """Newest command and newest fill: where `since` goes on."""
        with Audit(self._path) as audit:
            log = audit.order_log()
            return (log[-1].sequence if log else 0), audit.snapshot().last_trade_id

    def since(self, mark: tuple[int, int] = (0, 0)) -> Since:
        """What happened after a mark."""
        try:
            with Audit(self._path) as audit:
                return Since(audit.fills(mark[1]), audit.order_log(mark[0]))
        except sqlite3.OperationalError:
            raise NotYet("the venue has no book yet") from None

    def openings(self, after_wall_ns: int) -> list[LoggedCommand]:
        """Opening orders that the venue took after a moment of the machine's clock."""
        with Audit(self._path) as audit:
            return audit.openings(after_wall_ns)
