"""The entries of both legs: what rests at the venue follows the ladder, behind each leg's gate (rules R2 to R12)."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum

from naut_hedgegrid.domain.grid import Ladder, OrderStatus, Rung, WorkingOrder
from naut_hedgegrid.domain.values import Instrument, Leg, Quote
from naut_hedgegrid.grid.diff import entry_diff
from naut_hedgegrid.grid.ladder import Drop, GridSettings, beside_live, first_ladder, recentred, rungs, wanted
from naut_hedgegrid.grid.ledger import Ledger
from naut_hedgegrid.grid.postonly import repriced
from naut_hedgegrid.strategies.hedge_grid_v1.actions import Actions

_BPS = Decimal(10_000)


class Gate(Enum):
    """What may happen to a leg's entries."""

    OPEN = "open"
    HELD = "held"
    """What rests stays, nothing is added."""
    CLOSED = "closed"
    """What rests is cancelled, what is on its way as soon as it appears; nothing is sent."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What a leg's rungs are laid out by, besides the ladder."""

    factor: Decimal = Decimal(1)
    """On quantities: throttle · placement · funding (R5, R7, R8)."""
    placed: int = 100
    """Rungs that the placement has."""


@dataclass(frozen=True, slots=True)
class _Quiet:
    """An evaluation that changed nothing: until one of these changes, the next one wouldn't either."""

    gate: Gate
    version: int
    ladder: Ladder | None
    terms: Terms
    lowest: Decimal
    """Exclusive, like a price that lets a capped rung fit."""
    highest: Decimal


class Entries:
    """Places and cancels entries."""

    def __init__(
        self,
        settings: GridSettings,
        ledger: Ledger,
        instrument: Instrument,
        actions: Actions,
        gate: Callable[[Leg], Gate],
        *,
        post_only_retries: int = 0,
    ) -> None:
        """`gate` says how a leg's gate stands."""
        self.terms: dict[Leg, Terms] = {leg: Terms() for leg in Leg}
        self.ladders: dict[Leg, tuple[Rung, ...]] = dict.fromkeys(Leg, ())
        """All rungs as last computed, occupied and dropped ones too."""
        self.dropped: dict[Leg, Counter[Drop]] = {leg: Counter() for leg in Leg}
        """Rungs that have no order, by reason."""
        self.instrument = instrument
        self._settings = settings
        self._ledger = ledger
        self._actions = actions
        self._gate = gate
        self._retries = post_only_retries
        self._laid_by: dict[Leg, tuple[Ladder, Terms, Instrument]] = {}
        self._waiting: set[Leg] = set()
        self._short: set[Leg] = set()
        """Legs for which the window of commands had no room."""
        self._quiet: dict[Leg, _Quiet | None] = dict.fromkeys(Leg)
        self._both_quiet: tuple[int, int, Decimal, Decimal] | None = None
        """Stamps of ledger and gates, and the mark prices between which neither leg has anything to do."""
        self._still: tuple[Ladder, Decimal, Decimal] | None = None
        """A ladder, and the prices between which it doesn't move (R4)."""
        self._unfit: dict[Leg, set[tuple[Decimal | None, Decimal]]] = {leg: set() for leg in Leg}
        """Prices and quantities that the venue's limits refuse: sent again only when ladder or limits change."""
        self._refused: dict[tuple[Leg, Decimal | None], int] = {}
        """Rungs whose order was refused since the last bar, and how often they were tried again."""

    def set_terms(self, terms: dict[Leg, Terms]) -> None:
        """What the rungs are laid out by from now on."""
        self.terms = terms
        self._both_quiet = None

    def on_bar(self, quote: Quote, mid: Decimal, *, fresh: bool) -> None:
        """A bar has closed: what was refused may be tried anew; the ladder moves by rule R4 where data are fresh."""
        if self._refused:
            self._refused.clear()
            self._quiet = dict.fromkeys(Leg)
            self._both_quiet = None
        ladder, still = self._ledger.ladder, self._still
        if ladder is None or not fresh or (still is not None and still[0] is ladder and still[1] < mid < still[2]):
            return
        if still is None or still[0] is not ladder:
            reach = ladder.centre * self._settings.recenter_trigger_bps / _BPS
            self._still = ladder, ladder.centre - reach, ladder.centre + reach
        tick, has_lots = self.instrument.tick_size, self._ledger.has_lots
        moved = recentred(ladder, mid, quote.mark, self._settings, tick, has_lots=has_lots)
        if moved is not None:
            self._ledger.set_ladder(moved)

    def quiet(self, quote: Quote, gates: int) -> bool:
        """Whether neither leg has anything to do: nothing but the price has changed since both had nothing. `gates` is
        the gates' stamp."""
        known = self._both_quiet
        return (
            known is not None
            and known[0] == self._ledger.stamp
            and known[1] == gates
            and known[2] < quote.mark <= known[3]
        )

    def note_quiet(self, gates: int) -> None:
        """Both legs were evaluated at this stamp of the gates."""
        self._both_quiet = None
        quiet = [known for known in self._quiet.values() if known is not None]
        if len(quiet) == len(self._quiet):
            lowest, highest = max(known.lowest for known in quiet), min(known.highest for known in quiet)
            self._both_quiet = self._ledger.stamp, gates, lowest, highest

    def evaluate(self, leg: Leg, quote: Quote | None) -> None:
        """Bring a leg's entries in line with its ladder and its gate."""
        gate = self._gate(leg)
        quiet = self._quiet[leg]
        if (
            quiet is not None
            and quote is not None
            and quiet.version == self._ledger.version[leg]
            and quiet.gate is gate
            and quiet.ladder is self._ledger.ladder
            and quiet.terms is self.terms[leg]
            and quiet.lowest < quote.mark <= quiet.highest
        ):
            return
        self._quiet[leg] = None
        self._waiting.discard(leg)
        self._short.discard(leg)
        ladder = self._laid_out(leg, quote)
        if gate is Gate.CLOSED:
            self._stop(leg)
        elif gate is Gate.OPEN and quote is not None and ladder is not None:
            self._place(leg, ladder, quote)

    def evaluate_waiting(self, leg: Leg, quote: Quote | None) -> None:
        """An entry of the leg has changed its state: go on with what had to wait for that."""
        if leg in self._waiting:
            self.evaluate(leg, quote)

    def set_instrument(self, instrument: Instrument) -> None:
        """The venue's limits on orders are others from now on."""
        self.instrument = instrument
        self._quiet = dict.fromkeys(Leg)
        self._both_quiet = None

    def on_unfit(self, order: WorkingOrder) -> None:
        """The venue's limits refuse an entry whenever it is sent (F9)."""
        self._unfit[order.leg].add((order.price, order.quantity))

    def on_refused(self, order: WorkingOrder, quote: Quote | None, *, post_only: bool) -> None:
        """The venue refused an entry: its rung waits for the next bar; before that, one that would have taken is tried
        again more passively (R12)."""
        key = (order.leg, order.price)
        attempt = self._refused[key] = self._refused.get(key, 0) + 1
        if not post_only or quote is None or order.filled > 0 or self._gate(order.leg) is not Gate.OPEN:
            return
        rung = next((rung for rung in self.ladders[order.leg] if rung.price == order.price), None)
        if rung is None or rung.quantity != order.quantity:
            return  # the ladder has moved meanwhile
        limit = repriced(
            order.leg,
            rung.price,
            attempt,
            retries=self._retries,
            step=order.step,
            best=quote.bid if order.leg is Leg.LONG else quote.ask,
            tick=self.instrument.tick_size,
            taken={entry.limit or entry.price for entry in self._ledger.entries(order.leg)},
        )
        if limit is not None and self._actions.may_open():
            self._actions.submit_entry(self._ledger.new_entry(rung, limit))

    def go_on(self, leg: Leg, quote: Quote | None) -> None:
        """Time has passed: go on with what had to wait for the window of commands."""
        if leg in self._short:
            self.evaluate(leg, quote)

    @property
    def below_minimum(self) -> bool:
        """Every rung of every configured leg is too small for the venue."""
        levels = self._settings.levels
        return all(self.dropped[leg][Drop.MINIMUM] == levels[leg] for leg in Leg if levels[leg])

    def _laid_out(self, leg: Leg, quote: Quote | None) -> Ladder | None:
        """The ladder, made at the first quote (R3); rungs are computed again only where it or the terms changed."""
        ladder = self._ledger.ladder
        if ladder is None:
            if quote is None:
                return None
            ladder = first_ladder(quote.mid, self._settings, self.instrument.tick_size)
            self._ledger.set_ladder(ladder)
        basis = (ladder, self.terms[leg], self.instrument)
        if self._laid_by.get(leg) != basis:
            self._laid_by[leg] = basis
            self._unfit[leg].clear()
            self.ladders[leg] = tuple(rungs(ladder, leg, self._settings, self.instrument, self.terms[leg].factor))
        return ladder

    def _place(self, leg: Leg, ladder: Ladder, quote: Quote) -> None:
        ledger, terms = self._ledger, self.terms[leg]
        entries = ledger.entries(leg)
        now = wanted(
            ladder,
            self.ladders[leg],
            position=ledger.positions[leg],
            held_prices=ledger.held_prices[leg],
            entries=entries,
            quote=quote,
            settings=self._settings,
            instrument=self.instrument,
            placed=terms.placed,
        )
        self.dropped[leg] = now.dropped
        diff = entry_diff(now.rungs, entries)
        for order in diff.cancel:
            if not self._actions.try_cancel(order):
                self._short.add(leg)
        unfit = self._unfit[leg]
        missing = [
            rung
            for rung in diff.create
            if (leg, rung.price) not in self._refused and (rung.price, rung.quantity) not in unfit
        ]
        if missing and diff.waiting:
            missing = beside_live(missing, ledger.positions[leg], entries, quote, self._settings)
        self._create(leg, missing, now.dropped)
        if diff.waiting or Drop.BUDGET in now.dropped:
            self._waiting.add(leg)
        elif now.marks is not None:
            self._quiet[leg] = _Quiet(Gate.OPEN, ledger.version[leg], ladder, terms, *now.marks)

    def _create(self, leg: Leg, missing: list[Rung], dropped: Counter[Drop]) -> None:
        """Send entries, as far as the budgets go (R10)."""
        if not missing:
            return
        room = self._actions.room_for_entries(self.instrument, stops=self._settings.stop_loss_steps > 0)
        for sent, rung in enumerate(missing):
            full = sent >= room
            if full or not self._actions.may_open():
                dropped[Drop.BUDGET] += len(missing) - sent
                if not full:
                    self._short.add(leg)
                return
            self._actions.submit_entry(self._ledger.new_entry(rung))

    def _stop(self, leg: Leg) -> None:
        self.dropped[leg] = Counter({Drop.GATE: self._settings.levels[leg]})
        entries = self._ledger.entries(leg)
        for order in entries:
            if order.status is OrderStatus.OPEN:
                self._actions.cancel(order)
        if entries:
            self._waiting.add(leg)
