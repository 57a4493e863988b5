"""The grid's own books: positions, lots and working orders, kept by fills and endings of orders.

Σ open lots of a leg = the leg's position at every event. Fills are keyed by trade id: one that comes twice has no
effect, in whatever order they come. What changed since the last `drain` is what the store has to write.
"""

from bisect import bisect_left, insort
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal

from naut_hedgegrid.domain.grid import ExitSteps, Ladder, Lot, LotKey, OrderStatus, Rung, WorkingOrder
from naut_hedgegrid.domain.values import (
    ZERO,
    FundingSettled,
    Leg,
    OrderFilled,
    OrderKind,
    Role,
    VenueOrder,
    VenueState,
)
from naut_hedgegrid.grid.ids import PARTS, WRAP, OrderId, parse
from naut_hedgegrid.grid.records import Changes, Snapshot
from naut_hedgegrid.grid.working import WorkingOrders, working_order

_REMEMBERED = 10_000
"""So many newest trade ids are kept to recognise a fill that comes again."""


@dataclass(frozen=True, slots=True)
class Booked:
    """What a fill was for."""

    lot: LotKey | None
    """The lot that it opened or closed; None for a flatten's or a foreign one."""
    foreign: bool
    """Its order isn't ours: liquidation, ADL, a person."""


class Ledger:
    """Positions, lots and working orders of one grid."""

    def __init__(self, owner: str, snapshot: Snapshot, step_bps: Decimal) -> None:
        """`step_bps` is the configured step: what counts for a lot whose ladder the store doesn't know."""
        self.owner = owner
        self._changes = Changes()
        self.working = WorkingOrders(snapshot.orders)
        """Orders that aren't terminal."""
        self.orders = self.working.by_id
        """The same, by client order id."""
        self.moving = self.working.moving
        """Ids of the orders that don't rest: on their way, or being cancelled."""
        self.entries = self.working.entries
        self.of_leg = self.working.of_leg
        self.version: dict[Leg, int] = dict.fromkeys(Leg, 0)
        """Grows with every change of a leg's entries, lots or position."""
        self.stamp = 0
        """Grows with every change of either leg, and of the ladder."""
        self.held_prices: dict[Leg, list[Decimal]] = {leg: [] for leg in Leg}
        """Entry prices of a leg's open lots, ascending."""
        self._lots: dict[Leg, dict[LotKey, Lot]] = {leg: {} for leg in Leg}
        for lot in snapshot.lots:
            self._put(lot)
        self.positions: dict[Leg, Decimal] = {leg: self._held(leg) for leg in Leg}
        self.entry_prices: dict[Leg, Decimal | None] = dict.fromkeys(Leg)
        """Average entry of each leg; None while flat or not read from the venue yet."""
        self.ladder = snapshot.ladder
        self.totals = snapshot.totals
        self.last_trade_id = snapshot.last_trade_id
        self.last_funding_ts = snapshot.last_funding_ts
        self._step_bps = step_bps
        self._next_n = snapshot.next_n
        self._next_seq = 1 + max((lot.seq for lot in snapshot.lots), default=-1)
        self._seen: set[int] = set(snapshot.recent_trade_ids)
        self._changes = Changes()  # what was put above came from the store

    def drain(self) -> Changes | None:
        """What changed since the last call; None where nothing did."""
        changes = self._changes
        if not (changes.orders or changes.values or changes.lots or changes.fills or changes.totals or changes.funding):
            return None
        self._changes = Changes()
        return changes

    def note(self, name: str, value: object) -> None:
        """Have a single value stored with the next changes."""
        self._changes.values[name] = value

    # -- reading

    @property
    def has_lots(self) -> bool:
        """Something is held, or an entry is partly filled."""
        return any(self._lots.values())

    def lot(self, key: LotKey) -> Lot | None:
        """A lot that isn't closed; None for any other."""
        return self._lots[key.leg].get(key)

    def lots_of(self, leg: Leg) -> list[Lot]:
        """Lots of a leg, oldest first."""
        return list(self._lots[leg].values())

    def unexplained(self, leg: Leg) -> Decimal:
        """Position of a leg that no lot accounts for; below 0 where the lots hold more than the venue."""
        return self.positions[leg] - self._held(leg)

    # -- new orders

    def set_ladder(self, ladder: Ladder) -> None:
        """The ladder has moved."""
        self.ladder = ladder
        self.stamp += 1
        self.note("ladder", {"centre": str(ladder.centre), "step": str(ladder.step)})

    def new_entry(self, rung: Rung, limit: Decimal | None = None) -> WorkingOrder:
        """An order for a rung of the present ladder; at another price than the rung's where `limit` says so (R12)."""
        step = self.ladder.step if self.ladder is not None else ZERO
        ident = OrderId(self.owner, rung.leg, rung.level, Role.ENTRY, self._take_n())
        return self._add(
            working_order(ident, OrderKind.LIMIT, rung.quantity, rung.price, step, post_only=True, limit=limit)
        )

    def new_take_profit(self, lot: Lot, quantity: Decimal, price: Decimal, *, post_only: bool) -> WorkingOrder:
        """A take-profit of a lot, with the next part's id."""
        ident = self._next_exit(lot, Role.TAKE_PROFIT)
        return self._add(working_order(ident, OrderKind.LIMIT, quantity, price, lot.step, post_only=post_only))

    def new_stop(self, lot: Lot, quantity: Decimal, trigger: Decimal) -> WorkingOrder:
        """A stop order of a lot, with the next part's id."""
        ident = self._next_exit(lot, Role.STOP_LOSS)
        return self._add(working_order(ident, OrderKind.STOP_MARKET, quantity, None, lot.step, trigger=trigger))

    def new_lot_close(self, lot: Lot, quantity: Decimal) -> WorkingOrder:
        """A market order that closes a lot whose stop can't rest (R16), with the next part's id."""
        return self._add(
            working_order(self._next_exit(lot, Role.STOP_LOSS), OrderKind.MARKET, quantity, None, lot.step)
        )

    def new_close(self, leg: Leg, quantity: Decimal) -> WorkingOrder:
        """A market order of a flatten."""
        ident = OrderId(self.owner, leg, 0, Role.FLATTEN, self._take_n())
        return self._add(working_order(ident, OrderKind.MARKET, quantity, None, ZERO))

    # -- events

    def set_status(self, order: WorkingOrder, status: OrderStatus) -> None:
        """The order has got on its way. Not stored: after a restart the venue says how orders stand."""
        self.working.put(order.with_status(status))
        if order.role is Role.ENTRY:
            self._touch(order.leg)

    def filled(self, fill: OrderFilled, steps: ExitSteps, *, resting: bool = False) -> Booked | None:
        """Book a fill; None for one that was booked before.

        `steps` are frozen into a lot that the fill opens; `resting` says of an order that the books don't know that the
        venue still has it.
        """
        if fill.trade_id in self._seen:
            return None
        self._seen.add(fill.trade_id)
        if len(self._seen) > 2 * _REMEMBERED:
            self._seen = set(sorted(self._seen)[_REMEMBERED:])
        self.last_trade_id = max(self.last_trade_id, fill.trade_id)
        self._changes.fills.append(fill)
        self.totals = self.totals.plus(fill)
        self._changes.totals = self.totals
        opening = fill.side is fill.leg.opening
        self._move(fill, opening=opening)
        order = self.orders.get(fill.client_order_id)
        ident = order if order is not None else parse(fill.client_order_id, self.owner)
        key = None
        if ident is not None and ident.role is not Role.FLATTEN:
            key = LotKey(ident.leg, ident.level, ident.n)
            if opening:
                self._opened(key, fill, order, steps, done=order is None and not resting)
            else:
                self._closed(key, fill.quantity, ident.part)
        elif not opening:
            self._cut(fill.leg, fill.quantity)
        if order is not None:
            self._advance(order.with_filled(order.filled + fill.quantity))
        return Booked(key, foreign=ident is None)

    def settled(self, settled: FundingSettled) -> bool:
        """Book a settlement; False for one that was booked before."""
        if settled.ts <= self.last_funding_ts:
            return False
        self.last_funding_ts = settled.ts
        self._changes.funding.append(settled)
        self.totals = self.totals._replace(funding=self.totals.funding + settled.total)
        self._changes.totals = self.totals
        return True

    def ended(self, client_order_id: str) -> WorkingOrder | None:
        """An order is terminal (cancelled, expired, rejected); None where it was already."""
        order = self.working.remove(client_order_id)
        if order is None:
            return None
        self._changes.orders[client_order_id] = None
        if order.role is Role.ENTRY:
            self._touch(order.leg)
            if (lot := self.lot(order.lot)) is not None:
                self._put(lot._replace(entry_done=True))
        return order

    def replace_lots(self, lots: Iterable[Lot]) -> None:
        """Lots have changed other than by a fill."""
        for lot in lots:
            self._put(lot)

    def drop_excess_lots(self, leg: Leg) -> None:
        """The venue holds less than the lots of a leg say: what it doesn't hold is gone, newest lots first."""
        self._cut(leg, -self.unexplained(leg))

    def adopt(self, state: VenueState, steps: Mapping[Leg, ExitSteps], *, start: bool) -> list[OrderFilled]:
        """Bring the books in line with what the venue says; the fills among what is new that aren't of our orders.

        Fills that were missed are booked. An order that the venue doesn't have is terminal, unless it is still on its
        way there (after a start nothing is). Orders of ours that the books don't know are taken in by their ids.
        """
        if start and self._next_n == 0:
            self._next_n = self._first_free_n(state)
        for settled in state.funding:
            self.settled(settled)
        resting = {order.client_order_id for order in state.open_orders}
        foreign: list[OrderFilled] = []
        for fill in state.fills:
            booked = self.filled(fill, steps[fill.leg], resting=fill.client_order_id in resting)
            if booked is not None and booked.foreign:
                foreign.append(fill)
        self._adopt_orders(state, start=start)
        if start:
            working = {order.lot for order in self.orders.values() if order.role is Role.ENTRY}
            for lot in [lot for leg in Leg for lot in self.lots_of(leg) if lot.key not in working]:
                self._put(lot._replace(entry_done=True))
        for leg in Leg:
            self.positions[leg] = state.positions[leg].quantity
            self.entry_prices[leg] = state.positions[leg].entry_price
            self._touch(leg)
        return foreign

    # -- inside

    def _first_free_n(self, state: VenueState) -> int:
        """Without a store: a running number that no order of ours has that the venue tells of."""
        ids = (parse(one.client_order_id, self.owner) for one in (*state.open_orders, *state.fills))
        return max((ident.n + 1 for ident in ids if ident is not None), default=0) % WRAP

    def _step_at(self, price: Decimal | None) -> Decimal:
        """Step of an order that the books don't know: the ladder's, or what the configuration makes of its price."""
        if self.ladder is not None:
            return self.ladder.step
        return ZERO if price is None else price * self._step_bps / 10_000

    def _adopt_orders(self, state: VenueState, *, start: bool) -> None:
        at_venue = {order.client_order_id: order for order in state.open_orders}
        for order in list(self.orders.values()):
            found = at_venue.pop(order.client_order_id, None)
            if found is None:
                if start or order.status is not OrderStatus.SENT:
                    self.ended(order.client_order_id)
            elif start or order.status is OrderStatus.SENT:
                self.set_status(order._replace(filled=found.filled), OrderStatus.OPEN)
        for found in at_venue.values():
            ident = parse(found.client_order_id, self.owner)
            if ident is not None:
                self._take_in(found, ident)

    def _move(self, fill: OrderFilled, *, opening: bool) -> None:
        """Position and average entry of the leg after a fill."""
        before, entry = self.positions[fill.leg], self.entry_prices[fill.leg]
        after = before + (fill.quantity if opening else -fill.quantity)
        self.positions[fill.leg] = after
        self._touch(fill.leg)
        if after == 0:
            self.entry_prices[fill.leg] = None
        elif opening and (entry is not None or before == 0):
            self.entry_prices[fill.leg] = (before * (entry or ZERO) + fill.quantity * fill.price) / after

    def _touch(self, leg: Leg) -> None:
        self.version[leg] += 1
        self.stamp += 1

    def _held(self, leg: Leg) -> Decimal:
        return sum((lot.open for lot in self._lots[leg].values()), ZERO)

    def _take_n(self) -> int:
        n = self._next_n
        self._next_n = (n + 1) % WRAP
        self.note("next_n", self._next_n)
        return n

    def _next_exit(self, lot: Lot, role: Role) -> OrderId:
        self._put(lot._replace(next_part=lot.next_part + 1))
        return OrderId(self.owner, lot.key.leg, lot.key.level, role, lot.key.n, lot.next_part % PARTS)

    def _add(self, order: WorkingOrder) -> WorkingOrder:
        self.working.put(order)
        if order.role is Role.ENTRY:
            self._touch(order.leg)
        self._changes.orders[order.client_order_id] = order
        return order

    def _advance(self, order: WorkingOrder) -> None:
        if order.leaves > 0:
            self._add(order)
        else:
            self.ended(order.client_order_id)

    def _put(self, lot: Lot) -> None:
        leg = lot.key.leg
        lots, prices = self._lots[leg], self.held_prices[leg]
        before = lots.get(lot.key)
        was_open, is_open = before is not None and before.open > 0, lot.open > 0
        if is_open and not was_open:
            insort(prices, lot.price)
        elif was_open and not is_open:
            del prices[bisect_left(prices, lot.price)]
        if lot.closed:
            lots.pop(lot.key, None)
            self._changes.lots[lot.key] = None
        else:
            lots[lot.key] = lot
            self._changes.lots[lot.key] = lot
        self._touch(leg)

    def _opened(
        self, key: LotKey, fill: OrderFilled, order: WorkingOrder | None, steps: ExitSteps, *, done: bool
    ) -> None:
        lot = self.lot(key)
        if lot is None:
            price = order.request().price if order is not None else fill.price
            lot = Lot(
                key,
                self._next_seq,
                fill.price if price is None else price,
                order.step if order is not None else self._step_at(fill.price),
                steps.take_profit,
                entry_done=done,
                stop_loss_steps=steps.stop_loss,
            )
            self._next_seq += 1
        self._put(lot._replace(bought=lot.bought + fill.quantity))

    def _closed(self, key: LotKey, quantity: Decimal, part: int) -> None:
        lot = self.lot(key)
        own = min(quantity, lot.open) if lot is not None else ZERO
        if lot is not None:
            self._put(lot._replace(sold=lot.sold + own, next_part=max(lot.next_part, part + 1)))
        if quantity > own:
            self._cut(key.leg, quantity - own)

    def _cut(self, leg: Leg, quantity: Decimal) -> None:
        """Take a quantity from the lots, newest first; what they don't hold was never ours."""
        for lot in reversed(self.lots_of(leg)):
            if quantity <= 0:
                return
            part = min(quantity, lot.open)
            self._put(lot._replace(sold=lot.sold + part))
            quantity -= part

    def _take_in(self, found: VenueOrder, ident: OrderId) -> None:
        order = working_order(
            ident,
            found.kind,
            found.quantity,
            found.price,
            self._step_at(found.price),
            post_only=found.post_only,
            trigger=found.trigger_price,
        )
        self._add(order._replace(status=OrderStatus.OPEN, filled=found.filled))
        if ident.role not in (Role.TAKE_PROFIT, Role.STOP_LOSS):
            return
        lot = self.lot(order.lot)
        if lot is not None and lot.next_part <= ident.part:
            self._put(lot._replace(next_part=ident.part + 1))
