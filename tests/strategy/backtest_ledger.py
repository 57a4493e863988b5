"""An independent ledger of a backtest: nothing but its files, in exact fractions.

Shares no code with the program. `Ledger(folder).check(...)` recomputes every figure of summary.json but the wall-clock
ones, every row of equity.csv and funding.csv, and what must hold at every event.
"""

import csv
import json
import re
from bisect import bisect_right
from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

from tests.strategy.backtest_markets import Bar

F = Fraction
LEGS = {"LONG": 1, "SHORT": -1}
CENT = F(1, 10**8)
IDENTITY = re.compile(r"hg-[0-9a-f]{8}-([LS])([0-9a-z]+)-([ETSF])([0-9a-z]*)-([0-9a-z]+)")
ROLES = {"E": "ENTRY", "T": "TAKE_PROFIT", "S": "STOP_LOSS", "F": "FLATTEN"}


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


@cache
def moment(text: str) -> datetime:
    assert text.endswith("Z"), "UTC"
    return datetime.fromisoformat(text)


def half_even(value: Fraction, unit: Fraction = CENT) -> Fraction:
    """Rounded to a unit, halves to the even one (what `round` does with fractions)."""
    return round(value / unit) * unit


@dataclass(frozen=True)
class Terms:
    """What the files of the run asked for."""

    start: Fraction
    maker: Fraction
    taker: Fraction
    tick: Fraction
    step_bps: Fraction
    take_profit: int
    cap: Fraction
    through: bool
    min_notional: Fraction


class Ledger:
    """The files of a run."""

    def __init__(self, folder: Path, bars: list[Bar]) -> None:
        """`bars` on the tick."""
        self.summary: dict[str, Any] = json.loads((folder / "summary.json").read_text())
        self.fills, self.orders = rows(folder / "fills.csv"), rows(folder / "orders.csv")
        self.equity, self.funding = rows(folder / "equity.csv"), rows(folder / "funding.csv")
        self.bars = bars
        self.by_id = {order["client_order_id"]: order for order in self.orders}

    def check(self, terms: Terms) -> None:
        """Everything."""
        self.check_orders()
        self.check_fills(terms)
        self.check_ranges(terms)
        self.check_curve_and_summary(terms)
        self.check_live_entries()
        self.check_caps(terms)
        self.check_lots(terms)

    # -- orders and fills

    def check_orders(self) -> None:
        """Ids are used once and mean what the columns say; states fit what was filled."""
        assert len(self.by_id) == len(self.orders)
        filled: dict[str, Fraction] = defaultdict(F)
        for fill in self.fills:
            filled[fill["client_order_id"]] += F(fill["quantity"])
        for order in self.orders:
            match = IDENTITY.fullmatch(order["client_order_id"])
            assert match is not None, order
            assert order["leg"][0] == match[1]
            assert order["role"] == ROLES[match[3]]
            opens = order["role"] == "ENTRY"
            assert (order["side"] == "BUY") == ((order["leg"] == "LONG") == opens), order
            quantity = F(order["quantity"])
            assert F(order["filled"]) == filled[order["client_order_id"]] <= quantity, order
            assert (order["status"] == "FILLED") == (filled[order["client_order_id"]] == quantity), order
            assert (order["status"] in {"OPEN", "SENT"}) == (order["closed"] == ""), order
            assert order["status"] != "SENT", "everything was answered"
            if order["closed"]:
                assert moment(order["created"]) <= moment(order["closed"]), order
            assert (order["price"] == "") == (order["type"] == "MARKET"), order

    def check_fills(self, terms: Terms) -> None:
        """Commissions, and the profit of each fill by the leg's average entry; positions are never below 0."""
        quantity, cost = dict.fromkeys(LEGS, F(0)), dict.fromkeys(LEGS, F(0))
        last = moment(self.summary["start"])
        bar_of = {row["ts"]: bar for row, bar in zip(self.equity, self.bars, strict=True)}
        for number, fill in enumerate(self.fills, 1):
            order = self.by_id[fill["client_order_id"]]
            leg, size, price = fill["leg"], F(fill["quantity"]), F(fill["price"])
            assert int(fill["trade_id"]) == number
            assert (order["leg"], order["role"], order["side"]) == (leg, fill["role"], fill["side"])
            assert last <= moment(fill["ts"])
            last = moment(fill["ts"])
            assert moment(order["created"]) <= last, fill
            assert not order["closed"] or last <= moment(order["closed"]), fill
            rate = terms.maker if fill["liquidity"] == "MAKER" else terms.taker
            assert F(fill["commission"]) == half_even(size * price * rate), fill
            if order["type"] == "LIMIT":
                better = F(order["price"]) - price if fill["side"] == "BUY" else price - F(order["price"])
                assert better >= 0, fill
                # A maker gets its own price; where nobody traded at it, the nearest that was traded.
                end = bar_of[fill["ts"]]
                assert better == 0 or fill["liquidity"] == "TAKER" or price in end[2:4], fill
            if fill["role"] == "ENTRY":
                assert fill["liquidity"] == "MAKER", "entries are post-only"
                profit = F(0)
                quantity[leg] += size
                cost[leg] += size * price
            else:
                released = cost[leg] * size / quantity[leg]
                profit = LEGS[leg] * (size * price - released)
                quantity[leg] -= size
                cost[leg] -= released
            assert quantity[leg] >= 0, fill
            assert abs(F(fill["realized_pnl"]) - profit) <= F(1, 2 * 10**16), fill

    def check_ranges(self, terms: Terms) -> None:
        """No maker fill outside of its bar, nor of more than was traded; `through`: the price went beyond it."""
        ends = [bar[0] for bar in self.bars]
        filled: dict[tuple[str, str], Fraction] = defaultdict(F)
        for fill in self.fills:
            if fill["liquidity"] == "TAKER":
                continue
            place = bisect_right(ends, moment(fill["ts"])) - 1
            end, _, high, low, _, volume = self.bars[place]
            assert end == moment(fill["ts"])
            filled[fill["ts"], fill["client_order_id"]] += F(fill["quantity"])
            # A quarter for each of open, high, low and close, at least the smallest quantity.
            most = max(volume, 4 * F("0.001")) if volume else F(0)
            assert filled[fill["ts"], fill["client_order_id"]] <= most, fill
            assert low <= F(fill["price"]) <= high, fill
            limit = F(self.by_id[fill["client_order_id"]]["price"])
            beyond = terms.tick if terms.through else 0
            if fill["side"] == "BUY":
                assert low + beyond <= limit, fill
            else:
                assert limit <= high - beyond, fill

    # -- money

    def check_curve_and_summary(self, terms: Terms) -> None:
        """Row by row from fills and settlements; at the end stand the figures of the summary."""
        figures = self.summary
        fills, settlements = list(self.fills), list(self.funding)
        quantity, cost = dict.fromkeys(LEGS, F(0)), dict.fromkeys(LEGS, F(0))
        realized = commissions = funding = F(0)
        peak, drawdown = F(0), F(0)
        before: dict[str, str] | None = None
        assert len(self.equity) == len(self.bars)
        for row, bar in zip(self.equity, self.bars, strict=True):
            ts, mark = moment(row["ts"]), F(row["mark"])
            assert (ts, mark) == (bar[0], bar[4])
            while settlements and moment(settlements[0]["ts"]) < ts:
                assert before is not None
                funding += self._settled(settlements.pop(0), quantity, F(before["mark"]))
            while fills and moment(fills[0]["ts"]) <= ts:
                fill = fills.pop(0)
                leg, size, price = fill["leg"], F(fill["quantity"]), F(fill["price"])
                commissions += F(fill["commission"])
                if fill["role"] == "ENTRY":
                    quantity[leg], cost[leg] = quantity[leg] + size, cost[leg] + size * price
                else:
                    released = cost[leg] * size / quantity[leg]
                    realized += LEGS[leg] * (size * price - released)
                    quantity[leg], cost[leg] = quantity[leg] - size, cost[leg] - released
            while settlements and moment(settlements[0]["ts"]) == ts:
                funding += self._settled(settlements.pop(0), quantity, mark)
            unrealized = sum((LEGS[leg] * (quantity[leg] * mark - cost[leg]) for leg in LEGS), F(0))
            wallet, equity = F(row["wallet"]), F(row["equity"])
            exact = terms.start + realized - commissions + funding
            assert abs(wallet - exact) <= CENT / 2
            assert equity == exact + unrealized
            assert F(row["unrealized"]) == equity - wallet
            assert (F(row["long_quantity"]), F(row["short_quantity"])) == (quantity["LONG"], quantity["SHORT"])
            peak = max(peak, equity)
            drawdown = max(drawdown, (peak - equity) / peak)
            before = row
        assert before is not None
        assert not fills
        assert not settlements
        assert figures["start"] == self.equity[0]["ts"]
        assert figures["end"] == before["ts"]
        assert figures["bars"] == len(self.equity)
        assert (figures["orders"], figures["fills"]) == (len(self.orders), len(self.fills))
        assert F(figures["realized_pnl"]) == half_even(realized)
        assert F(figures["commissions"]) == commissions
        assert F(figures["funding"]) == funding
        assert abs(F(figures["unrealized_pnl"]) - unrealized) <= CENT / 2
        assert F(figures["total_pnl"]) == realized - commissions + funding + unrealized
        assert F(figures["total_pnl"]) == sum(
            (F(figures[name]) for name in ("realized_pnl", "funding", "unrealized_pnl")), -F(figures["commissions"])
        )
        assert F(figures["starting_equity"]) == terms.start
        assert F(figures["final_equity"]) == F(before["equity"]) == terms.start + F(figures["total_pnl"])
        assert abs(F(figures["max_drawdown"]) - drawdown) < F(1, 10**12)
        self._check_ends(quantity, cost)

    def _check_ends(self, quantity: dict[str, Fraction], cost: dict[str, Fraction]) -> None:
        figures = self.summary
        notional = [(F(fill["price"]) * F(fill["quantity"]), fill["liquidity"]) for fill in self.fills]
        everything = sum((amount for amount, _ in notional), F(0))
        if everything:
            maker = sum((amount for amount, liquidity in notional if liquidity == "MAKER"), F(0))
            assert abs(F(figures["maker_ratio"]) - maker / everything) < F(1, 10**12)
        else:
            assert figures["maker_ratio"] is None
        for leg, name in (("LONG", "long"), ("SHORT", "short")):
            assert F(figures[f"{name}_quantity"]) == quantity[leg]
            price = figures[f"{name}_entry_price"]
            if quantity[leg]:
                assert F(price) == half_even(cost[leg] / quantity[leg])
            else:
                assert price is None

    @staticmethod
    def _settled(row: dict[str, str], quantity: dict[str, Fraction], mark: Fraction) -> Fraction:
        assert F(row["mark"]) == mark
        for leg, name in (("LONG", "long"), ("SHORT", "short")):
            assert F(row[name]) == half_even(-LEGS[leg] * F(row["rate"]) * mark * quantity[leg])
        return F(row["long"]) + F(row["short"])

    # -- orders at work

    def check_live_entries(self) -> None:
        """At the end of each bar: taken by then, and not ended."""
        changes: list[tuple[datetime, int]] = []
        for order in self.orders:
            if order["role"] == "ENTRY" and order["status"] != "REJECTED":
                changes.append((moment(order["created"]), 1))
                if order["closed"]:
                    changes.append((moment(order["closed"]), -1))
        changes.sort()
        live = place = 0
        for row in self.equity:
            while place < len(changes) and changes[place][0] <= moment(row["ts"]):
                live += changes[place][1]
                place += 1
            assert int(row["live_entries"]) == live, row

    def check_caps(self, terms: Terms) -> None:
        """R9: no entry takes its leg above 1.02 times the cap."""
        held = dict.fromkeys(LEGS, F(0))
        for fill in self.fills:
            opens = fill["role"] == "ENTRY"
            held[fill["leg"]] += F(fill["quantity"]) if opens else -F(fill["quantity"])
            if opens:
                price = F(self.by_id[fill["client_order_id"]]["price"])
                assert held[fill["leg"]] * price <= terms.cap * F(102, 100), fill

    def check_lots(self, terms: Terms) -> None:
        """R6, R13, R15, told by the ids: an entry's exits carry its number."""
        Lots(self, terms).check()


class Lots:
    """The lots of a run, followed in time: what each entry filled, until its exits have closed it."""

    def __init__(self, ledger: Ledger, terms: Terms) -> None:
        self._ledger = ledger
        self._terms = terms
        self._open: dict[tuple[str, ...], Fraction] = {}
        self._entry: dict[tuple[str, ...], dict[str, str]] = {}
        self._opened = {(fill["client_order_id"], fill["ts"]) for fill in ledger.fills}
        self._flattens = any(order["role"] == "FLATTEN" for order in ledger.orders)

    def check(self) -> None:
        """All of them."""
        self._check_prices()
        events = [(moment(order["created"]), 1, number, order) for number, order in enumerate(self._ledger.orders)]
        events += [(moment(fill["ts"]), 0, number, fill) for number, fill in enumerate(self._ledger.fills)]
        if self._flattens:
            return  # a flatten closes lots that no id names
        for _, kind, _, event in sorted(events, key=lambda event: event[:3]):
            if kind:
                self._sent(event)
            else:
                self._filled(event)
        self._check_covered()

    def _sent(self, order: dict[str, str]) -> None:
        """R6: an entry is sent only where no open lot of its leg is within half a step."""
        if order["role"] != "ENTRY" or order["status"] == "REJECTED":
            return
        price = F(order["price"])
        # A step is kept until it is 10 % off.
        half = price * self._terms.step_bps / 10_000 / 2 * F(89, 100)
        for key, left in self._open.items():
            if left and key[0] == order["leg"][0] and not self._opened_now(key, order):
                assert abs(F(self._entry[key]["price"]) - price) >= half, (order, self._entry[key])

    def _opened_now(self, key: tuple[str, ...], order: dict[str, str]) -> bool:
        """Filled at the very time at which the entry was sent: the file doesn't say which came first."""
        return (self._entry[key]["client_order_id"], order["created"]) in self._opened

    def _filled(self, fill: dict[str, str]) -> None:
        key = _lot(fill["client_order_id"])
        if fill["role"] == "ENTRY":
            self._open[key] = self._open.get(key, F(0)) + F(fill["quantity"])
            self._entry[key] = self._ledger.by_id[fill["client_order_id"]]
            return
        closed = F(fill["quantity"])
        own = min(closed, self._open[key])
        self._open[key] -= own
        if closed > own:
            self._close_what_joined(key, closed - own)

    def _close_what_joined(self, key: tuple[str, ...], rest: Fraction) -> None:
        """R15: a rest too small for an exit of its own has joined the nearest lot's."""
        price = F(self._entry[key]["price"])
        others = [other for other, left in self._open.items() if left and other[0] == key[0]]
        for other in sorted(others, key=lambda other: abs(F(self._entry[other]["price"]) - price)):
            part = min(rest, self._open[other])
            # Otherwise it would have had an exit of its own.
            assert part * price < self._terms.min_notional or part == 0, "an exit closes its own lot"
            self._open[other] -= part
            rest -= part
        assert rest == 0, "an exit closes what is held"

    def _check_prices(self) -> None:
        """R13: so many steps beyond the entry's limit, rounded away from it."""
        entries = {_lot(o["client_order_id"]): o for o in self._ledger.orders if o["role"] == "ENTRY"}
        terms = self._terms
        for order in self._ledger.orders:
            assert order["price"] == "" or F(order["price"]) % terms.tick == 0
            if order["role"] != "TAKE_PROFIT":
                continue
            entry = entries[_lot(order["client_order_id"])]
            level = int(_lot(order["client_order_id"])[1], 36)
            price, sign = F(entry["price"]), LEGS[order["leg"]]
            steps = (F(order["price"]) - price) * sign / terms.take_profit
            # The ladder's centre is the entry's price and its level's steps.
            step = (price + sign * level * price * terms.step_bps / 10_000) * terms.step_bps / 10_000
            room = F(11, 100) * step + terms.tick
            assert step - room <= steps <= step + room, (order, entry)

    def _check_covered(self) -> None:
        """R15: at the end of each bar the open take-profits are the position, but for what waits to be joined by the
        rest of an entry that is still filling."""
        ledger = self._ledger
        changes: list[tuple[datetime, str, Fraction]] = []
        for order in ledger.orders:
            if order["role"] == "TAKE_PROFIT" and order["status"] != "REJECTED":
                changes.append((moment(order["created"]), order["leg"], F(order["quantity"])))
                if order["closed"]:
                    changes.append((moment(order["closed"]), order["leg"], F(order["filled"]) - F(order["quantity"])))
        changes += [
            (moment(fill["ts"]), fill["leg"], -F(fill["quantity"]))
            for fill in ledger.fills
            if fill["role"] == "TAKE_PROFIT"
        ]
        changes.sort(key=lambda change: change[0])
        waiting = self._partly_filled()
        covered, place = dict.fromkeys(LEGS, F(0)), 0
        for row in ledger.equity:
            ts = moment(row["ts"])
            while place < len(changes) and changes[place][0] <= ts:
                covered[changes[place][1]] += changes[place][2]
                place += 1
            for leg, name in (("LONG", "long_quantity"), ("SHORT", "short_quantity")):
                assert covered[leg] <= F(row[name]), row
                if not any(begin <= ts < end for begin, end in waiting[leg]):
                    assert covered[leg] == F(row[name]), (row, covered)

    def _partly_filled(self) -> dict[str, list[tuple[datetime, datetime]]]:
        """When an entry of a leg was open with a part filled."""
        found: dict[str, list[tuple[datetime, datetime]]] = {leg: [] for leg in LEGS}
        first: dict[str, datetime] = {}
        for fill in self._ledger.fills:
            first.setdefault(fill["client_order_id"], moment(fill["ts"]))
        end = moment(self._ledger.summary["end"])
        for order in self._ledger.orders:
            begin = first.get(order["client_order_id"])
            if order["role"] == "ENTRY" and begin is not None:
                closed = moment(order["closed"]) if order["closed"] else end.replace(year=9999)
                if begin < closed:
                    found[order["leg"]].append((begin, closed))
        return found


def _lot(client_order_id: str) -> tuple[str, ...]:
    match = IDENTITY.fullmatch(client_order_id)
    assert match is not None
    return match[1], match[2], match[5]
