"""The grid's own books: positions, lots and working orders, kept by fills and endings of orders.

Σ open lots of a leg = the leg's position at every event. Fills are keyed by trade id: one that comes twice has no
effect, in whatever order they come. What changed since the last `drain` is what the store has to write.
"""

from collections.abc import Iterable
from dataclasses import replace
from decimal import Decimal

from naut_hedgegrid.domain.grid import Ladder, Lot, LotKey, OrderStatus, Rung, WorkingOrder
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
from naut_hedgegrid.grid.ids import WRAP, OrderId, parse
from naut_hedgegrid.grid.records import Changes, Snapshot

_REMEMBERED = 10_000
"""So many newest trade ids are kept to recognise a fill that comes again."""


class Ledger:
    """Positions, lots and working orders of one grid."""

    def __init__(self, owner: str, snapshot: Snapshot) -> None:
        self.owner = owner
        self.orders: dict[str, WorkingOrder] = {}
        """Orders that aren't terminal, by client order id."""
        self.moving: set[str] = set()
        """Ids of the orders that don't rest: on their way, or being cancelled."""
        self._lots: dict[Leg, dict[LotKey, Lot]] = {leg: {} for leg in Leg}
        self._entries: dict[Leg, dict[str, WorkingOrder]] = {leg: {} for leg in Leg}
        self._exits: dict[LotKey, dict[str, WorkingOrder]] = {}
        for lot in snapshot.lots:
            self._lots[lot.key.leg][lot.key] = lot
        for order in snapshot.orders:
            self._index(order)
        self.positions: dict[Leg, Decimal] = {leg: self._held(leg) for leg in Leg}
        self.entry_prices: dict[Leg, Decimal | None] = dict.fromkeys(Leg)
        """Average entry of each leg; None while flat or not read from the venue yet."""
        self.ladder = snapshot.ladder
        self.totals = snapshot.totals
        self.last_trade_id = snapshot.last_trade_id
        self.last_funding_ts = snapshot.last_funding_ts
        self._next_n = snapshot.next_n
        self._next_seq = 1 + max((lot.seq for lot in snapshot.lots), default=-1)
        self._seen: set[int] = set(snapshot.recent_trade_ids)
        self._changes = Changes()

    def drain(self) -> Changes:
        """What changed since the last call."""
        changes, self._changes = self._changes, Changes()
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

    def entries(self, leg: Leg) -> list[WorkingOrder]:
        """Entries of a leg that aren't terminal."""
        return list(self._entries[leg].values())

    def exits(self, key: LotKey) -> list[WorkingOrder]:
        """Exits of a lot that aren't terminal, oldest first."""
        return list(self._exits[key].values()) if key in self._exits else []

    def of_leg(self, leg: Leg) -> list[WorkingOrder]:
        """All orders of a leg that aren't terminal."""
        return [order for order in self.orders.values() if order.leg is leg]

    def unexplained(self, leg: Leg) -> Decimal:
        """Position of a leg that no lot accounts for; below 0 where the lots hold more than the venue."""
        return self.positions[leg] - self._held(leg)

    # -- new orders

    def set_ladder(self, ladder: Ladder) -> None:
        """The ladder has moved."""
        self.ladder = ladder
        self.note("ladder", {"centre": str(ladder.centre), "step": str(ladder.step)})

    def new_entry(self, rung: Rung) -> WorkingOrder:
        """An order for a rung of the present ladder."""
        step = self.ladder.step if self.ladder is not None else ZERO
        ident = OrderId(self.owner, rung.leg, rung.level, Role.ENTRY, self._take_n())
        return self._add(_order(ident, OrderKind.LIMIT, rung.quantity, rung.price, step, post_only=True))

    def new_exit(self, lot: Lot, quantity: Decimal, price: Decimal, *, post_only: bool) -> WorkingOrder:
        """An exit of a lot, with the next part's id."""
        self._put(replace(lot, next_part=lot.next_part + 1))
        key = lot.key
        ident = OrderId(self.owner, key.leg, key.level, Role.TAKE_PROFIT, key.n, lot.next_part)
        return self._add(_order(ident, OrderKind.LIMIT, quantity, price, lot.step, post_only=post_only))

    def new_close(self, leg: Leg, quantity: Decimal) -> WorkingOrder:
        """A market order of a flatten."""
        ident = OrderId(self.owner, leg, 0, Role.FLATTEN, self._take_n())
        return self._add(_order(ident, OrderKind.MARKET, quantity, None, ZERO, post_only=False))

    # -- events

    def set_status(self, order: WorkingOrder, status: OrderStatus) -> None:
        """The order has got on its way. Not stored: after a restart the venue says how orders stand."""
        self._index(order.with_status(status))

    def filled(self, fill: OrderFilled, take_profit_steps: int) -> LotKey | None:
        """Book a fill; the lot that it belongs to, None for one that was booked before or belongs to none."""
        if fill.trade_id in self._seen:
            return None
        self._seen.add(fill.trade_id)
        if len(self._seen) > 2 * _REMEMBERED:
            self._seen = set(sorted(self._seen)[_REMEMBERED:])
        self.last_trade_id = max(self.last_trade_id, fill.trade_id)
        self._changes.fills.append(fill)
        self.totals = self.totals.plus(fill)
        self.note("totals", self.totals.plain())
        opening = fill.side is fill.leg.opening
        self._move(fill, opening=opening)
        order = self.orders.get(fill.client_order_id)
        ident = parse(fill.client_order_id, self.owner)
        key = None
        if ident is not None and ident.role is not Role.FLATTEN:
            key = LotKey(ident.leg, ident.level, ident.n)
            if opening:
                self._opened(key, fill, order, take_profit_steps)
            else:
                self._closed(key, fill.quantity)
        elif not opening:
            self._cut(fill.leg, fill.quantity)
        if order is not None:
            self._advance(replace(order, filled=order.filled + fill.quantity))
        return key

    def settled(self, settled: FundingSettled) -> bool:
        """Book a settlement; False for one that was booked before."""
        if settled.ts <= self.last_funding_ts:
            return False
        self.last_funding_ts = settled.ts
        self._changes.funding.append(settled)
        self.totals = replace(self.totals, funding=self.totals.funding + settled.total)
        self.note("totals", self.totals.plain())
        return True

    def ended(self, client_order_id: str) -> WorkingOrder | None:
        """An order is terminal (cancelled, expired, rejected); None where it was already."""
        order = self.orders.pop(client_order_id, None)
        if order is None:
            return None
        self._unindex(order)
        self._changes.orders[client_order_id] = None
        if order.role is Role.ENTRY and (lot := self.lot(order.lot)) is not None:
            self._put(replace(lot, entry_done=True))
        return order

    def replace_lots(self, lots: Iterable[Lot]) -> None:
        """Lots have changed other than by a fill."""
        for lot in lots:
            self._put(lot)

    def drop_excess_lots(self, leg: Leg) -> None:
        """The venue holds less than the lots of a leg say: what it doesn't hold is gone, newest lots first."""
        self._cut(leg, -self.unexplained(leg))

    def adopt(self, state: VenueState, take_profit_steps: int, *, start: bool) -> None:
        """Bring the books in line with what the venue says.

        Fills that were missed are booked. An order that the venue doesn't have is terminal, unless it is still on its
        way there (after a start nothing is). Orders of ours that the books don't know are taken in by their ids.
        """
        for settled in state.funding:
            self.settled(settled)
        for fill in state.fills:
            self.filled(fill, take_profit_steps)
        self._adopt_orders(state, start=start)
        if start:
            working = {order.lot for order in self.orders.values() if order.role is Role.ENTRY}
            for lot in [lot for leg in Leg for lot in self.lots_of(leg) if lot.key not in working]:
                self._put(replace(lot, entry_done=True))
        for leg in Leg:
            self.positions[leg] = state.positions[leg].quantity
            self.entry_prices[leg] = state.positions[leg].entry_price

    # -- inside

    def _adopt_orders(self, state: VenueState, *, start: bool) -> None:
        at_venue = {order.client_order_id: order for order in state.open_orders}
        for order in list(self.orders.values()):
            found = at_venue.pop(order.client_order_id, None)
            if found is None:
                if start or order.status is not OrderStatus.SENT:
                    self.ended(order.client_order_id)
            elif start or order.status is OrderStatus.SENT:
                self.set_status(replace(order, filled=found.filled), OrderStatus.OPEN)
        for found in at_venue.values():
            ident = parse(found.client_order_id, self.owner)
            if ident is not None:
                self._take_in(found, ident)

    def _move(self, fill: OrderFilled, *, opening: bool) -> None:
        """Position and average entry of the leg after a fill."""
        before, entry = self.positions[fill.leg], self.entry_prices[fill.leg]
        after = before + (fill.quantity if opening else -fill.quantity)
        self.positions[fill.leg] = after
        if after == 0:
            self.entry_prices[fill.leg] = None
        elif opening and (entry is not None or before == 0):
            self.entry_prices[fill.leg] = (before * (entry or ZERO) + fill.quantity * fill.price) / after

    def _held(self, leg: Leg) -> Decimal:
        return sum((lot.open for lot in self._lots[leg].values()), ZERO)

    def _index(self, order: WorkingOrder) -> None:
        self.orders[order.client_order_id] = order
        (self.moving.discard if order.status is OrderStatus.OPEN else self.moving.add)(order.client_order_id)
        if order.role is Role.ENTRY:
            self._entries[order.leg][order.client_order_id] = order
        elif order.role is Role.TAKE_PROFIT:
            self._exits.setdefault(order.lot, {})[order.client_order_id] = order

    def _unindex(self, order: WorkingOrder) -> None:
        self.moving.discard(order.client_order_id)
        if order.role is Role.ENTRY:
            del self._entries[order.leg][order.client_order_id]
        elif order.role is Role.TAKE_PROFIT:
            exits = self._exits[order.lot]
            del exits[order.client_order_id]
            if not exits:
                del self._exits[order.lot]

    def _take_n(self) -> int:
        n = self._next_n
        self._next_n = (n + 1) % WRAP
        self.note("next_n", self._next_n)
        return n

    def _add(self, order: WorkingOrder) -> WorkingOrder:
        self._index(order)
        self._changes.orders[order.client_order_id] = order
        return order

    def _advance(self, order: WorkingOrder) -> None:
        if order.leaves > 0:
            self._add(order if order.status is not OrderStatus.SENT else order.with_status(OrderStatus.OPEN))
        else:
            self.ended(order.client_order_id)

    def _put(self, lot: Lot) -> None:
        lots = self._lots[lot.key.leg]
        if lot.closed:
            lots.pop(lot.key, None)
            self._changes.lots[lot.key] = None
        else:
            lots[lot.key] = lot
            self._changes.lots[lot.key] = lot

    def _opened(self, key: LotKey, fill: OrderFilled, order: WorkingOrder | None, take_profit_steps: int) -> None:
        lot = self.lot(key)
        if lot is None:
            price = order.price if order is not None and order.price is not None else fill.price
            step = order.step if order is not None else self.ladder.step if self.ladder is not None else ZERO
            lot = Lot(key, self._next_seq, price, step, take_profit_steps, entry_done=order is None)
            self._next_seq += 1
        self._put(replace(lot, bought=lot.bought + fill.quantity))

    def _closed(self, key: LotKey, quantity: Decimal) -> None:
        lot = self.lot(key)
        own = min(quantity, lot.open) if lot is not None else ZERO
        if lot is not None:
            self._put(replace(lot, sold=lot.sold + own))
        if quantity > own:
            self._cut(key.leg, quantity - own)

    def _cut(self, leg: Leg, quantity: Decimal) -> None:
        """Take a quantity from the lots, newest first; what they don't hold was never ours."""
        for lot in reversed(self.lots_of(leg)):
            if quantity <= 0:
                return
            part = min(quantity, lot.open)
            self._put(replace(lot, sold=lot.sold + part))
            quantity -= part

    def _take_in(self, found: VenueOrder, ident: OrderId) -> None:
        step = self.ladder.step if self.ladder is not None else ZERO
        order = _order(ident, found.kind, found.quantity, found.price, step, post_only=found.post_only)
        self._add(replace(order, status=OrderStatus.OPEN, filled=found.filled))
        lot = self.lot(order.lot)
        if ident.role is Role.TAKE_PROFIT and lot is not None and lot.next_part <= ident.part:
            self._put(replace(lot, next_part=ident.part + 1))


def _order(
    ident: OrderId, kind: OrderKind, quantity: Decimal, price: Decimal | None, step: Decimal, *, post_only: bool
) -> WorkingOrder:
    side = ident.leg.opening if ident.role is Role.ENTRY else ident.leg.closing
    return WorkingOrder(
        client_order_id=str(ident),
        leg=ident.leg,
        level=ident.level,
        role=ident.role,
        n=ident.n,
        part=ident.part,
        side=side,
        kind=kind,
        quantity=quantity,
        price=price,
        post_only=post_only,
        step=step,
    )
