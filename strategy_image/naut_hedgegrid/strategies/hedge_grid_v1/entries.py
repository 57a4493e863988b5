"""The entries of both legs: what rests at the venue follows the ladder, behind each leg's gate (rules R2 to R11)."""

from collections import Counter
from collections.abc import Callable
from decimal import Decimal
from enum import Enum

from naut_hedgegrid.domain.grid import Ladder, OrderStatus, Rung
from naut_hedgegrid.domain.values import Instrument, Leg, Quote
from naut_hedgegrid.grid.diff import entry_diff
from naut_hedgegrid.grid.ladder import Drop, GridSettings, first_ladder, recentred, rungs, wanted
from naut_hedgegrid.grid.ledger import Ledger
from naut_hedgegrid.strategies.hedge_grid_v1.actions import Actions


class Gate(Enum):
    """What may happen to a leg's entries."""

    OPEN = "open"
    HELD = "held"
    """What rests stays, nothing is added."""
    CLOSED = "closed"
    """What rests is cancelled, what is on its way as soon as it appears; nothing is sent."""


class Entries:
    """Places and cancels entries."""

    def __init__(
        self,
        settings: GridSettings,
        ledger: Ledger,
        instrument: Instrument,
        actions: Actions,
        gate: Callable[[Leg], Gate],
    ) -> None:
        """`gate` says how a leg's gate stands."""
        self.throttle = Decimal(1)
        self.ladders: dict[Leg, tuple[Rung, ...]] = dict.fromkeys(Leg, ())
        """All rungs as last computed, occupied and dropped ones too."""
        self.dropped: dict[Leg, Counter[Drop]] = {leg: Counter() for leg in Leg}
        """Rungs that have no order, by reason."""
        self._settings = settings
        self._ledger = ledger
        self.instrument = instrument
        self._actions = actions
        self._gate = gate
        self._basis: dict[Leg, tuple[Ladder, Decimal, Instrument]] = {}
        self._waiting: set[Leg] = set()

    def recentre(self, quote: Quote) -> None:
        """Rule R4, at a bar's close with fresh data."""
        ladder = self._ledger.ladder
        if ladder is None:
            return
        tick, has_lots = self.instrument.tick_size, self._ledger.has_lots
        moved = recentred(ladder, quote.mid, quote.mark, self._settings, tick, has_lots=has_lots)
        if moved is not None:
            self._ledger.set_ladder(moved)

    def evaluate(self, leg: Leg, quote: Quote | None) -> None:
        """Bring a leg's entries in line with its ladder and its gate."""
        self._waiting.discard(leg)
        gate = self._gate(leg)
        ladder = self._laid_out(leg, quote)
        if gate is Gate.CLOSED:
            self._stop(leg)
        elif gate is Gate.OPEN and quote is not None and ladder is not None:
            self._place(leg, ladder, quote)

    def evaluate_waiting(self, leg: Leg, quote: Quote | None) -> None:
        """An entry of the leg has changed its state: go on with what had to wait for that."""
        if leg in self._waiting:
            self.evaluate(leg, quote)

    @property
    def below_minimum(self) -> bool:
        """Every rung of every configured leg is too small for the venue."""
        levels = self._settings.levels
        return all(self.dropped[leg][Drop.MINIMUM] == levels[leg] for leg in Leg if levels[leg])

    def _laid_out(self, leg: Leg, quote: Quote | None) -> Ladder | None:
        """The ladder, made at the first quote (R3); rungs are computed again only where it or the throttle changed."""
        ladder = self._ledger.ladder
        if ladder is None:
            if quote is None:
                return None
            ladder = first_ladder(quote.mid, self._settings, self.instrument.tick_size)
            self._ledger.set_ladder(ladder)
        basis = (ladder, self.throttle, self.instrument)
        if self._basis.get(leg) != basis:
            self._basis[leg] = basis
            self.ladders[leg] = tuple(rungs(ladder, leg, self._settings, self.instrument, self.throttle))
        return ladder

    def _place(self, leg: Leg, ladder: Ladder, quote: Quote) -> None:
        entries = self._ledger.entries(leg)
        now = wanted(
            ladder,
            self.ladders[leg],
            position=self._ledger.positions[leg],
            lots=self._ledger.lots_of(leg),
            entries=entries,
            quote=quote,
            settings=self._settings,
            instrument=self.instrument,
        )
        self.dropped[leg] = now.dropped
        diff = entry_diff(now.rungs, entries)
        for order in diff.cancel:
            self._actions.cancel(order)
        for rung in diff.create:
            self._actions.submit(self._ledger.new_entry(rung))
        if diff.waiting:
            self._waiting.add(leg)

    def _stop(self, leg: Leg) -> None:
        self.dropped[leg] = Counter({Drop.GATE: self._settings.levels[leg]})
        entries = self._ledger.entries(leg)
        for order in entries:
            if order.status is OrderStatus.OPEN:
                self._actions.cancel(order)
        if entries:
            self._waiting.add(leg)
