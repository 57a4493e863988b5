"""A grid whose process is killed at its steps, and what venue, store and report have to say of it afterwards."""

import json
import multiprocessing
import shutil
import signal
import sqlite3
import time
import urllib.error
from collections.abc import Callable, Sequence
from contextlib import closing
from decimal import Decimal
from http.client import HTTPException
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, Self

import yaml

from naut_hedgegrid.domain.values import ZERO, Leg, OrderFilled, VenueOrder
from naut_hedgegrid.venues.sim.audit import Audit, Snapshot
from naut_hedgegrid.venues.sim.records import Action, LoggedCommand
from tests.strategy.marked_child import Life, live
from tests.strategy.ops_support import INSTRUMENT, Answer, Process, wait_until

UID = "0badcafe-0000-4000-8000-000000000000"
BEGIN_MS = 1_640_995_200_000 + 30 * 60_000
"""2022-01-01 00:30."""
SETTLED_MS = BEGIN_MS + 30 * 60_000
"""Time of the next settlement."""
ROW_MS = 400
ROWS = 3_000
SPEED = 5
"""A tick each 20 ms, of 100 ms of market time: a phase takes seconds of both."""
PATIENCE = 30.0
STRATEGY: dict[str, Any] = {
    "grid": {
        "stepBps": 25,
        "levelsLong": 3,
        "levelsShort": 3,
        "baseQty": "0.010",
        "maxInventoryQuote": "20000",
        "recenterTriggerBps": 500,
    },
    "exits": {"takeProfitSteps": 3, "stopLossSteps": 10},
    "execution": {"barSeconds": 1, "staleDataSeconds": 3600},
    "risk": {"confirmations": 1},
}

type Booking = tuple[str, ...]
"""A fill or a settlement without its time and ids."""

_fork = multiprocessing.get_context("forkserver")
_fork.set_forkserver_preload(["tests.strategy.marked_child"])

type Rest = tuple[str, str, str, str, str]
"""Leg, side, kind, price or trigger, and what is still to be filled."""


class Killed:
    """A grid in a folder: one life after the other on the same store and book."""

    def __init__(self, folder: Path, *, latency_ms: int = 0) -> None:
        """`latency_ms` is the way to the venue and back again, each."""
        self.folder = folder
        self.store = folder / "store" / "sim.sqlite"
        self.book = folder / "store" / "sim.venue.sqlite"
        self.log = folder / "log"
        self.marks = folder / "marks"
        self.child: BaseProcess | None = None
        self._market = folder / "bars.csv"
        self._panel: str | None = None
        folder.mkdir(exist_ok=True)
        (folder / "strategy.yaml").write_text(yaml.safe_dump(STRATEGY))
        sim = {"market": "replay", "replay": {"path": str(self._market), "speed": SPEED}, "latencyMs": latency_ms}
        venue = {"instrument": INSTRUMENT, "startingBalance": "100000", "fundingIntervalHours": 1, "sim": sim}
        (folder / "venue.yaml").write_text(yaml.safe_dump(venue))

    def copy(self, folder: Path, *, latency_ms: int = 0) -> "Killed":
        """The same grid at the same moment in another folder."""
        copied = Killed(folder, latency_ms=latency_ms)
        shutil.copytree(self.folder / "store", folder / "store")
        shutil.copy(self._market, copied._market)
        return copied

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.kill()

    # -- the market

    def plays(self, *prices: int, hour: bool = False) -> None:
        """What the market does from where it is: these prices, the last one for ever. `hour`: after the full hour."""
        place, path = self._place(), [(BEGIN_MS + ROW_MS * row, 50_000) for row in range(ROWS)]
        if place is not None:
            with self._market.open() as lines:
                played = [line.split(",") for line in list(lines)[1 : place + 2]]
            path = [(int(row[0]), int(row[1])) for row in played]
            start = path[-1][0] + ROW_MS
            if hour:
                del path[-1]  # the rest of its ticks would come first, and then half an hour nothing
                start = SETTLED_MS
            values = [*prices, *[prices[-1]] * (ROWS - len(prices))]
            path += [(start + ROW_MS * row, price) for row, price in enumerate(values)]
        rows = [f"{at},{price},{price},{price},{price},1,{at + ROW_MS - 1}" for at, price in path]
        self._market.write_text("\n".join(["open_time,open,high,low,close,volume,close_time", *rows]) + "\n")

    def _place(self) -> int | None:
        """Row of the market that the venue has seen last."""
        if not self.book.exists():
            return None
        place = self.snapshot().place
        return None if place is None else int(place.position) // 4

    # -- its lives

    def start(self, *, armed_by: int | None = None, kill_at: str | None = None) -> None:
        """Another life."""
        self.kill()
        arguments = ["--strategy-config", str(self.folder / "strategy.yaml")]
        arguments += ["--venue-config", str(self.folder / "venue.yaml"), "--store-dir", str(self.store.parent)]
        arguments += ["--enable-ops", "--api-port", "0", "--prometheus-port", "0", "--log-level", "INFO"]
        self.log.unlink(missing_ok=True)
        self.marks.unlink(missing_ok=True)
        self.marks.touch()
        self._panel = None
        self.child = _fork.Process(
            target=live, args=(Life(tuple(arguments), self.log, self.marks, armed_by, kill_at),), daemon=True
        )
        self.child.start()

    def kill(self) -> None:
        """SIGKILL from outside, where it still lives."""
        if self.child is not None:
            self.child.kill()
            self.child.join()
            self.child = None

    @property
    def dead(self) -> bool:
        """It has been killed. Raises AssertionError where it has ended otherwise."""
        assert self.child is not None
        code = self.child.exitcode
        assert code in (None, -signal.SIGKILL), f"it ended with {code}: {self.log.read_text()}"
        return code is not None

    def passed(self) -> list[str]:
        """Marks of this life so far."""
        return self.marks.read_text().splitlines()

    # -- what it says

    def ask(self, verb: str, path: str, body: Any = None) -> Answer:
        """One request. Raises OSError or http.client.HTTPException where it dies meanwhile."""
        asked = Process.__new__(Process)
        asked.address = self.address
        return asked.ask(verb, path, body)

    @property
    def listening(self) -> bool:
        """Whether it can be asked."""
        try:
            return bool(self.address)
        except OSError:
            return False

    @property
    def address(self) -> str:
        """Of the API, once it listens."""
        if self._panel is None:
            text = self.log.read_text() if self.log.exists() else ""
            lines = [json.loads(line) for line in text.splitlines() if line.startswith("{") and line.endswith("}")]
            found = next((str(line["control_api"]) for line in lines if "control_api" in line), None)
            if found is None:
                raise urllib.error.URLError("not listening yet")
            self._panel = found.removesuffix("/docs")
        return self._panel

    def put(self, generation: int, switch: str) -> dict[str, Any] | None:
        """PUT /control again and again until it is answered; None where the process has been killed before that."""

        def answer() -> dict[str, Any] | bool:
            if self.dead:
                return True
            try:
                told = self.ask("PUT", "/control", {"uid": UID, "generation": generation, "killSwitch": switch})
            except (OSError, HTTPException):
                return False
            assert told.status == 200, told
            return told.json

        found = wait_until(answer, f"an answer to {switch}", PATIENCE)
        return None if isinstance(found, bool) else found

    # -- what the venue says

    def snapshot(self) -> Snapshot:
        """The venue now."""
        with Audit(self.book) as audit:
            return audit.snapshot()

    def resting(self) -> list[Rest]:
        """Open orders of the venue without their ids, sorted."""
        return sorted(_rest(order) for order in self.snapshot().open_orders)

    def held(self) -> dict[Leg, Decimal]:
        """Positions of the venue."""
        return {leg: position.quantity for leg, position in self.snapshot().positions.items()}

    def booked(self) -> list[Booking]:
        """What the venue has booked, fills and settlements, sorted."""
        with Audit(self.book) as audit:
            fills, payments = audit.fills(), audit.funding()
        lines: list[Booking] = [(fill.leg, fill.side, str(fill.quantity), str(fill.price)) for fill in fills]
        lines += [("funding", payment.leg, str(payment.ts), str(payment.amount)) for payment in payments]
        return sorted(lines)

    def commands(self) -> list[LoggedCommand]:
        """The venue's order log."""
        with Audit(self.book) as audit:
            return audit.order_log()

    def funding(self) -> list[Any]:
        """Settlements, as the venue paid them."""
        with Audit(self.book) as audit:
            return audit.funding()

    def openings(self, after_wall_ns: int) -> list[LoggedCommand]:
        """Opening orders that the venue took after a moment."""
        with Audit(self.book) as audit:
            return audit.openings(after_wall_ns)

    # -- whether they agree

    def settles(self, goal: Callable[[], object], what: str) -> None:
        """Wait until the venue is at its goal and venue, strategy and store say the same."""

        def apart() -> str:
            if self.dead:
                return "it is dead"
            try:
                return "" if goal() else f"not yet {what}"
            except (OSError, HTTPException, sqlite3.Error) as error:
                return repr(error)

        def differ() -> str:
            return apart() or self._differences()

        deadline, seen = time.monotonic() + PATIENCE, differ()
        while seen:
            assert time.monotonic() < deadline, f"{seen}; at the venue {self.held()} {self.resting()}; {self._last()}"
            time.sleep(0.02)
            seen = differ()
        assert self._complaints() == []

    def _differences(self) -> str:
        """What venue, strategy and store don't say alike; empty where they agree."""
        try:
            report, orders = self.ask("GET", "/control").json, self.ask("GET", "/orders").json["orders"]
        except (OSError, HTTPException) as error:
            return repr(error)
        snapshot = self.snapshot()
        ids = sorted(order.client_order_id for order in snapshot.open_orders)
        told = sorted(order["client_order_id"] for order in orders if order["status"] == "OPEN")
        if ids != told or len(told) != len(orders):
            return f"orders: venue {ids}, strategy {[(o['client_order_id'], o['status']) for o in orders]}"
        if (reason := report["conditions"][0]["reason"]) != "Reconciled":
            return f"condition {reason}: {report['conditions'][0]['message']}"
        telemetry = report["telemetry"]
        positions = {leg: D(telemetry[leg.lower()]["quantity"]) for leg in Leg}
        if positions != self.held():
            return f"positions: venue {self.held()}, report {positions}"
        return self._stored_differently(ids)

    def _stored_differently(self, ids: Sequence[str]) -> str:
        with closing(sqlite3.connect(f"{self.store.as_uri()}?mode=ro", uri=True)) as db, Audit(self.book) as audit:
            orders = sorted(row[0] for row in db.execute("select client_order_id from orders"))
            if orders != list(ids):
                return f"orders: venue {ids}, store {orders}"
            lots = dict.fromkeys(Leg, ZERO)
            for leg, bought, sold in db.execute("select leg, bought, sold from lots"):
                lots[Leg(leg)] += D(bought) - D(sold)
            if lots != self.held():
                return f"lots: venue {self.held()}, store {lots}"
            query = "select trade_id, client_order_id, quantity, price, commission, realized_pnl from fills order by 1"
            fills = [tuple(map(str, row)) for row in db.execute(query)]
            booked = audit.fills()
            theirs = [tuple(map(str, _fill(fill))) for fill in booked]
            if fills != theirs:
                return f"fills: venue {theirs}, store {fills}"
            query = "select ts, long, short from funding"
            funding = {
                (ts, leg): D(cash)
                for ts, long, short in db.execute(query)
                for leg, cash in ((Leg.LONG, long), (Leg.SHORT, short))
            }
            payments = {(payment.ts, payment.leg): payment.amount for payment in audit.funding()}
            if funding != payments:
                return f"funding: venue {payments}, store {funding}"
            row = db.execute("select value from entries where name = 'totals'").fetchone()
        totals: dict[str, Any] = json.loads(row[0]) if row else {}
        sums = (D(totals.get("fees", 0)), D(totals.get("realized", 0)), D(totals.get("funding", 0)))
        due = (
            sum((fill.commission for fill in booked), ZERO),
            sum((fill.realized_pnl for fill in booked), ZERO),
            sum(payments.values(), ZERO),
        )
        return "" if sums == due else f"fees, realized, funding: venue {due}, store {sums}"

    def _complaints(self) -> list[str]:
        """Errors in the log of this life."""
        lines = [json.loads(line) for line in self.log.read_text().splitlines() if line.startswith("{")]
        return [line["message"] for line in lines if line["level"] in ("ERROR", "CRITICAL")]

    def _last(self) -> str:
        return f"log: {self.log.read_text()[-2000:]}; marks: {self.passed()[-5:]}"


D = Decimal


def _fill(fill: OrderFilled) -> tuple[object, ...]:
    return (
        fill.trade_id,
        fill.client_order_id,
        fill.quantity,
        fill.price,
        fill.commission,
        fill.realized_pnl,
    )


def _rest(order: VenueOrder) -> Rest:
    return (order.leg, order.side, order.kind, str(order.price or order.trigger_price), str(order.leaves))


def check_order_log(grid: Killed) -> None:
    """What may never have been, at any time of all lives: an id taken twice, two live entries of a leg at one price, an
    exit that turned a leg round."""
    with Audit(grid.book) as audit:
        commands, fills = audit.order_log(), audit.fills()
    taken = [command.client_order_id for command in commands if command.action is Action.SUBMIT and command.accepted]
    assert len(set(taken)) == len(taken), f"an id was taken twice: {taken}"
    live: dict[str, LoggedCommand] = {}
    for command in commands:
        if not command.accepted:
            continue
        if command.action is Action.CANCEL:
            live.pop(command.client_order_id, None)
        elif command.opening:
            for fill in (fill for fill in fills if fill.ts <= command.ts):
                live.pop(fill.client_order_id, None)
            twins = [o for o in live.values() if (o.leg, o.price) == (command.leg, command.price)]
            assert not twins, f"two live entries at one price: {twins[0]}, {command}"
            live[command.client_order_id] = command
    held = dict.fromkeys(Leg, ZERO)
    for fill in fills:
        held[fill.leg] += fill.quantity if fill.side is fill.leg.opening else -fill.quantity
        assert held[fill.leg] >= 0, f"{fill} turned {fill.leg} round"


def check_protection(grid: Killed, open_legs: Sequence[Leg] = tuple(Leg)) -> None:
    """Each leg's take-profits and its stops stand for exactly what it holds."""
    orders = grid.snapshot().open_orders
    for leg in open_legs:
        exits = [order for order in orders if order.leg is leg and order.side is leg.closing]
        stops = [order for order in exits if order.trigger_price is not None]
        takes = [order for order in exits if order.trigger_price is None]
        for kind in (stops, takes):
            assert sum((order.leaves for order in kind), ZERO) == grid.held()[leg], (leg, exits)
