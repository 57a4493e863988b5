"""The exits of both legs: every held quantity gets its take-profit, at fills and order events (rules R13 to R15)."""

from collections.abc import Callable
from decimal import Decimal

from naut_hedgegrid.domain.grid import Lot, LotKey, OrderStatus, WorkingOrder
from naut_hedgegrid.domain.values import ZERO, Instrument, Leg
from naut_hedgegrid.grid.exits import CancelExit, MoveRest, PlaceExit, next_step, uncovered
from naut_hedgegrid.grid.ledger import Ledger
from naut_hedgegrid.strategies.hedge_grid_v1.actions import Actions


class Exits:
    """Covers lots."""

    def __init__(
        self, ledger: Ledger, instrument: Instrument, actions: Actions, allowed: Callable[[Leg], bool]
    ) -> None:
        """`allowed` says whether exits of a leg may be sent now: it isn't being flattened."""
        self._ledger = ledger
        self.instrument = instrument
        self._actions = actions
        self._allowed = allowed
        self._refused: set[LotKey] = set()

    def cover_leg(self, leg: Leg) -> None:
        """Cover all lots of a leg."""
        for lot in self._ledger.lots_of(leg):
            self.cover(lot.key)

    def cover(self, key: LotKey) -> None:
        """Cover one lot, as far as it can be covered now."""
        lot = self._ledger.lot(key)
        if lot is None or not self._may_cover(key):
            return
        match next_step(lot, self._ledger.exits(key), lambda: self._neighbours(key), self.instrument):
            case PlaceExit(quantity=quantity, price=price):
                self._actions.submit(self._ledger.new_exit(lot, quantity, price, post_only=True))
            case CancelExit(order=order):
                self._actions.cancel(order)
            case MoveRest() as move:
                self._ledger.replace_lots(move.applied())
                self.cover(move.target.key)
            case None:
                pass

    def on_would_take(self, order: WorkingOrder) -> None:
        """Rule R14: an exit that would cross is sent again at once as a plain limit at the same price."""
        lot = self._ledger.lot(order.lot)
        if lot is None or order.price is None or not self._may_cover(order.lot):
            return
        rest = uncovered(lot, self._ledger.exits(order.lot))
        if rest > 0:
            quantity = min(rest, order.quantity)
            self._actions.submit(self._ledger.new_exit(lot, quantity, order.price, post_only=False))

    def on_refused(self, order: WorkingOrder) -> None:
        """The venue refused an exit for another reason: read how things are, try again with the next bar."""
        self._refused.add(order.lot)
        self._actions.read()

    def retry_refused(self) -> None:
        """A bar has closed."""
        refused, self._refused = self._refused, set()
        for key in refused:
            self.cover(key)

    def unprotected(self, leg: Leg) -> Decimal:
        """Held quantity of a leg that no exit stands for."""
        return sum((uncovered(lot, self._ledger.exits(lot.key)) for lot in self._ledger.lots_of(leg)), ZERO)

    def _may_cover(self, key: LotKey) -> bool:
        return self._allowed(key.leg) and key not in self._refused

    def _neighbours(self, key: LotKey) -> list[Lot]:
        """The leg's other lots that have a resting exit."""
        return [
            other
            for other in self._ledger.lots_of(key.leg)
            if other.key != key and any(o.status is OrderStatus.OPEN for o in self._ledger.exits(other.key))
        ]
