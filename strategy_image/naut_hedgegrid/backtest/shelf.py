"""Orders that the coming bar can't reach stay out of the engine.

The engine computes the account's margins anew over all that rests after each event: most of what a grid costs it. An
order whose price lies outside of the next bar can't be filled in it, so it isn't handed over before the bar that can,
and is taken back after it. Nobody sees a difference: the order is taken, rests and is cancelled here like there, with
the same answers at the same times, and the strategy learns nothing of the bars to come.

It also undoes what the engine fills for want of a better idea: an order that a bar filled only in part, since there was
no more volume, gets a bit more with each command that the engine carries out afterwards, and in a bar that doesn't come
near it.
"""

from collections import deque
from dataclasses import dataclass, replace
from decimal import Decimal
from enum import Enum
from typing import Protocol

from naut_hedgegrid.backtest.books import OrderState
from naut_hedgegrid.domain.values import ZERO, OrderKind, OrderRequest, Side
from naut_hedgegrid.grid.bars import Bar

_FAR = Decimal("Infinity")


class Matching(Protocol):
    """What carries commands to the engine. It answers later, never within the call."""

    def send(self, order: OrderRequest) -> None:
        """Send an order."""
        ...

    def withdraw(self, client_order_id: str) -> None:
        """Cancel an order."""
        ...

    def undo(self, order: OrderRequest, quantity: Decimal) -> None:
        """Take a fill back that counts as never done; nothing is reported of it."""
        ...


class Desk(Protocol):
    """Who is told, and knows what is left of an order."""

    def accepted(self, client_order_id: str, ts: int) -> None:
        """An order was taken."""
        ...

    def filled(
        self, client_order_id: str, quantity: Decimal, price: Decimal, commission: Decimal, ts: int, *, maker: bool
    ) -> None:
        """An order was filled, at least in part."""
        ...

    def rejected(self, client_order_id: str, reason: str, ts: int | None = None, *, post_only: bool) -> None:
        """An order was refused."""
        ...

    def ended(self, client_order_id: str, state: OrderState, ts: int) -> None:
        """An order was cancelled or has expired."""
        ...

    def cancel_rejected(self, client_order_id: str, reason: str, ts: int) -> None:
        """An order that was to be cancelled isn't there any more."""
        ...

    def leaves(self, client_order_id: str) -> Decimal:
        """Quantity still to be filled."""
        ...


class Way(Enum):
    """Where the price has to go to get to an order."""

    DOWN = "down"
    """Buying limits, selling stops."""
    UP = "up"
    """Selling limits, buying stops."""

    def reaches(self, price: Decimal, bar: Bar) -> bool:
        """Whether a bar gets to a price, or past it."""
        return price >= bar.low if self is Way.DOWN else price <= bar.high

    def lies_ahead(self, price: Decimal, close: Decimal) -> bool:
        """Whether the price has yet to go there."""
        return price < close if self is Way.DOWN else price > close


@dataclass(slots=True)
class _Resting:
    order: OrderRequest
    price: Decimal
    way: Way
    engine_id: str
    """Its id in the engine; another one each time that it goes there."""
    times: int = 0
    """It has been there."""
    in_engine: Decimal = ZERO
    """Quantity that the engine can fill yet."""
    told: bool = False
    """Somebody was told that it was taken."""
    cancelling: bool = False


class Shelf:
    """Holds resting orders until a bar can reach them."""

    def __init__(self, engine: Matching, desk: Desk) -> None:
        self._engine = engine
        self._desk = desk
        self._held: dict[Way, dict[str, _Resting]] = {way: {} for way in Way}
        self._highest, self._lowest = -_FAR, _FAR
        """Of the held ones the highest below the price, and the lowest above it."""
        self._handed: dict[str, _Resting] = {}
        """Those that the engine has."""
        self._owners: dict[str, str] = {}
        """Ids of the handed orders by their ids in the engine."""
        self._taken_back: dict[str, OrderRequest] = {}
        """By their ids in the engine: it may not know yet."""
        self._due: deque[tuple[str, OrderState]] = deque()
        """Orders that were taken or cancelled here, and nobody has been told of it."""
        self._close: Decimal | None = None
        """The price that the engine judges new orders by; None before the first bar."""
        self._coming: Bar | None = None
        self._matching = False
        self._answering = False
        self._now = 0
        """End of the bar that is over."""

    # -- commands

    def send(self, order: OrderRequest) -> None:
        """Send an order: one that rests for certain stays here, of any other the engine decides."""
        price = order.trigger_price if order.kind is OrderKind.STOP_MARKET else order.price
        if price is None:
            self._owners[order.client_order_id] = order.client_order_id
            self._engine.send(order)
            return
        way = Way.DOWN if (order.side is Side.BUY) is (order.kind is OrderKind.LIMIT) else Way.UP
        resting, close = _Resting(order, price, way, order.client_order_id), self._close
        if close is not None and way.lies_ahead(price, close):
            resting.told = True
            self._put(resting)
            self._due.append((order.client_order_id, OrderState.OPEN))
        else:
            self._hand_over(resting)

    def withdraw(self, client_order_id: str) -> bool:
        """Cancel an order; whether the engine has to do it, and may fill it yet."""
        handed = self._handed.get(client_order_id)
        if handed is not None:
            handed.cancelling = True
            self._engine.withdraw(handed.engine_id)
            return True
        for way, held in self._held.items():
            if client_order_id in held:
                self._take(way, client_order_id)
                self._due.append((client_order_id, OrderState.CANCELED))
        return False

    def undo(self, order: OrderRequest, quantity: Decimal) -> None:
        """Take a fill of the engine's back."""
        self._engine.undo(order, quantity)

    # -- what the engine says, by its ids

    def accepted(self, engine_id: str, ts: int) -> None:
        """An order was taken."""
        identity = self._owners.get(engine_id)
        if identity is not None and not self._handed[identity].told:
            self._handed[identity].told = True
            self._desk.accepted(identity, ts)

    def filled(
        self, engine_id: str, quantity: Decimal, price: Decimal, commission: Decimal, ts: int, *, maker: bool
    ) -> None:
        """An order was filled, at least in part; what was taken back meanwhile, or filled between bars, never was."""
        identity = self._owners.get(engine_id)
        if identity is None:
            self._engine.undo(self._taken_back[engine_id], quantity)
            return
        handed = self._handed.get(identity)
        if handed is None:
            self._desk.filled(identity, quantity, price, commission, ts, maker=maker)
            return
        handed.in_engine -= quantity
        if maker and ts == self._now and not handed.cancelling:
            self._engine.undo(handed.order, quantity)
        else:
            self._desk.filled(identity, quantity, price, commission, ts, maker=maker)
        if not handed.in_engine and identity in self._handed:
            # Something is left that the engine thinks it has filled.
            del self._handed[identity], self._owners[engine_id]
            self._put(handed)

    def rejected(self, engine_id: str, reason: str, ts: int | None = None, *, post_only: bool) -> None:
        """An order was refused.

        Raises:
            RuntimeError: It has rested already.
        """
        identity = self._owners[engine_id]
        if identity in self._handed and self._handed[identity].told:
            raise RuntimeError(f"order {identity} rested, and was then refused: {reason}")
        self._desk.rejected(identity, reason, ts, post_only=post_only)

    def ended(self, engine_id: str, state: OrderState, ts: int) -> None:
        """An order was cancelled or has expired; nothing new of one that was taken back."""
        identity = self._owners.get(engine_id)
        if identity is not None:
            self._desk.ended(identity, state, ts)

    def cancel_rejected(self, engine_id: str, reason: str, ts: int) -> None:
        """An order that was to be cancelled isn't there any more."""
        identity = self._owners.get(engine_id)
        if identity is not None:
            self._desk.cancel_rejected(identity, reason, ts)

    # -- what the desk knows

    def over(self, client_order_id: str) -> None:
        """An order is terminal."""
        handed = self._handed.pop(client_order_id, None)
        if handed is None:
            self._owners.pop(client_order_id, None)
            return
        del self._owners[handed.engine_id]
        if handed.cancelling:
            self._taken_back[handed.engine_id] = handed.order

    # -- bars

    def begins(self, bar: Bar) -> None:
        """The engine matches a bar: what is sent meanwhile acts from its close on. A bar without volume leaves the
        engine where it was."""
        self._matching = True
        if bar.volume:
            self._close = bar.close

    def ends(self, bar: Bar, coming: Bar | None) -> None:
        """The bar is matched, and the strategy has seen it; `coming` is the next, None after the last."""
        self._matching = False
        self._now = bar.ts
        self._coming = coming if coming is not None and coming.volume else None
        if self._coming is not None and self._handed:
            self._take_back(self._coming)
        if self._due:
            self.answer()
        else:
            self._release()

    def answer(self) -> None:
        """Tell what is due, and hand over what the coming bar can reach. Nothing while a bar is being matched."""
        if self._matching or self._answering:
            return
        self._answering = True
        try:
            while self._due:
                identity, state = self._due.popleft()
                if state is OrderState.OPEN:
                    self._desk.accepted(identity, self._now)
                else:
                    self._desk.ended(identity, state, self._now)
        finally:
            self._answering = False
        self._release()

    # -- inside

    def _release(self) -> None:
        """Hand over what the coming bar gets to."""
        coming = self._coming
        if coming is None:
            return
        if coming.low <= self._highest:
            self._release_some(Way.DOWN, coming)
        if coming.high >= self._lowest:
            self._release_some(Way.UP, coming)

    def _release_some(self, way: Way, coming: Bar) -> None:
        held, close = self._held[way], self._close
        for resting in list(held.values()):
            price = resting.price
            if way.reaches(price, coming) and close is not None and way.lies_ahead(price, close):
                del held[resting.order.client_order_id]
                self._hand_over(resting)
        self._look(way)

    def _hand_over(self, resting: _Resting) -> None:
        order = resting.order
        identity = order.client_order_id
        if resting.times:
            resting.engine_id = f"{identity}+{resting.times}"
            order = replace(order, client_order_id=resting.engine_id, quantity=self._desk.leaves(identity))
        resting.times += 1
        resting.in_engine = order.quantity
        self._handed[identity] = resting
        self._owners[resting.engine_id] = identity
        self._engine.send(order)

    def _take_back(self, coming: Bar) -> None:
        for identity, resting in list(self._handed.items()):
            if resting.told and not resting.cancelling and not resting.way.reaches(resting.price, coming):
                del self._handed[identity], self._owners[resting.engine_id]
                self._taken_back[resting.engine_id] = resting.order
                self._engine.withdraw(resting.engine_id)
                self._put(resting)

    def _put(self, resting: _Resting) -> None:
        self._held[resting.way][resting.order.client_order_id] = resting
        if resting.way is Way.DOWN:
            self._highest = max(self._highest, resting.price)
        else:
            self._lowest = min(self._lowest, resting.price)

    def _take(self, way: Way, client_order_id: str) -> None:
        del self._held[way][client_order_id]
        self._look(way)

    def _look(self, way: Way) -> None:
        prices = [resting.price for resting in self._held[way].values()]
        if way is Way.DOWN:
            self._highest = max(prices, default=-_FAR)
        else:
            self._lowest = min(prices, default=_FAR)
