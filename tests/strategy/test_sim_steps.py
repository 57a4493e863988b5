"""Random steps: after each the engine holds what the venue holds, and after each restart too."""

import random
from collections import Counter
from decimal import Decimal

import pytest
from nautilus_trader.model import Currency, Venue

from naut_hedgegrid.domain.values import Ending, Leg, OrderEnded, OrderFilled
from naut_hedgegrid.venues.sim.book import Book
from tests.strategy.node_parts import D, NodeRig, until

STEPS = 300
RESTART_EVERY = 60


class Fuzz:
    """Sends and does what chance says, around a price that it moves."""

    def __init__(self, rig: NodeRig, seed: int) -> None:
        self.rig = rig
        self.chance = random.Random(seed)
        self.price = D(50_000)
        self.number = 0
        self.did: Counter[str] = Counter()
        self.endings: Counter[Ending] = Counter()

    async def step(self) -> None:
        """One step, until all that follows from it has arrived."""
        chance, book = self.chance, self.rig.running.book
        self.number += 1
        identity, leg = f"o{self.number}", chance.choice(list(Leg))
        held = book.standing.account.positions[leg].quantity
        size = D(chance.randint(2, 12)) / 1000
        near = leg.sign * D(chance.randint(-10, 60)) / 10
        what = chance.choices(
            ["entry", "exit", "stop", "market", "close", "cancel", "move", "transfer", "autoclose", "expire"],
            [20, 16, 16, 5, 4, 8, 22, 3, 3, 3],
        )[0]
        strategy = self.rig.strategy
        closable = min(held, size)
        match what:
            case "entry":
                strategy.limit(identity, leg, str(size), self.price - near, post_only=chance.random() < 0.5)
            case "exit" if held:
                strategy.limit(identity, leg, str(closable), self.price + near, close=True)
            case "stop" if held:
                strategy.stop(identity, leg, closable, self.price - near)
            case "market":
                strategy.market(identity, leg, size)
            case "close" if held:
                strategy.market(identity, leg, held if chance.random() < 0.5 else closable, close=True)
            case "cancel":
                strategy.venue.cancel(f"o{chance.randint(1, self.number)}")
            case "move":
                self.price += D(chance.randint(-80, 80)) / 10
                await self.rig.move(self.price, spread="0.5", seconds=chance.choice([0, 1, 3600]))
            case "transfer":
                await self.rig.happen(lambda book: book.transfer(D(chance.randint(-100, 100)) / 7))
            case "autoclose" if held:
                await self.rig.happen(lambda book: self._autoclose(book, leg, closable))
            case "expire" if resting := [order.client_order_id for order in book.state(10**12).open_orders]:
                ended, ending = chance.choice(resting), chance.choice(list(Ending))
                await self.rig.happen(lambda book: book.expire_resting(ended, ending))
            case _:
                return
        self.did[what] += 1
        await self.rig.rest()

    def _autoclose(self, book: Book, leg: Leg, quantity: Decimal) -> object:
        close = self.chance.choice([book.liquidate, book.deleverage])
        return close(leg, quantity, self.price)

    async def check(self) -> None:
        """Orders, positions and average prices are the venue's; so is the wallet, and what the strategy was told."""
        rig = self.rig
        assert rig.differences() == [], self.did
        await until(lambda: self._balance() == rig.running.book.account().wallet)
        assert rig.errors == []
        assert str(rig.running.traffic) == "0 quotes, 0 commands, 0 events, 0 answers under way"

    def _balance(self) -> Decimal:
        account = self.rig.bridge.portfolio.account(Venue("BINANCE"))
        return account.balance_total(Currency.from_str("USDT")).as_decimal()


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_the_engine_keeps_step_with_the_venue(rig: NodeRig, seed: int) -> None:
    """Limits, stops, self-trade prevention, transfers, liquidation, endings that nobody asked for, funding, starts."""
    rig.faults.largest_tick_fill = D("0.004")
    await rig.start(fundingIntervalHours=1)
    fuzz, told = Fuzz(rig, seed), 0
    for number in range(1, STEPS + 1):
        await fuzz.step()
        await fuzz.check()
        if number % RESTART_EVERY == 0:
            events = rig.strategy.events
            fuzz.endings += Counter(event.ending for event in events if isinstance(event, OrderEnded))
            told += sum(isinstance(event, OrderFilled) for event in events)
            await rig.restart()
            await fuzz.check()
    assert set(fuzz.did) >= {"stop", "transfer", "autoclose", "expire"}
    assert set(fuzz.endings) == set(Ending)
    with rig.audit() as audit:
        assert told == len(audit.fills()) > 50
        assert audit.funding()
        assert audit.transfers()
