"""A kill from patch to flat, and a bare delivery, in turns.

Every time is the wall clock of one machine. sent and answered: this process's around the PATCH; by the answer the API
server has stored it. received: the recorder's in front of the endpoint. stored: the pod's, the latch being on disk.
flat: the venue's, when the last cancel or fill has made it flat.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from naut_hedgegrid.venues.sim.audit import Audit
from tests.bench.recorder import Records
from tests.bench.rig import ARRIVALS, BARE, BARE_NAMESPACE, GRID, NAMESPACE, Json, Rig
from tests.kube import wait_until

NAME = "btc"
KILL, RELEASE = {"killSwitch": "flattenBoth"}, {"killSwitch": "none"}
SETTLE_SECONDS = 0.1
"""Between two patches, so that nothing of the one before is under way: status writes, polls."""


@dataclass(frozen=True)
class Bare:
    """A watch and a call over TLS, ns since the epoch."""

    sent: int
    answered: int
    received: int


@dataclass(frozen=True)
class Kill:
    """A kill, ns since the epoch."""

    sent: int
    answered: int
    received: int
    stored: int
    flat: int
    commands: int
    """Cancels and market closes that the venue got for it."""


def measure(rig: Rig, count: int, say: Callable[[str], None]) -> tuple[list[Bare], list[Kill]]:
    """`count` of each, in turns, after a warm-up of one each."""
    bare_records = rig.start_bare()
    made = rig.cluster.api.create(rig.manifest(NAME, NAMESPACE))
    records, book = Records(rig.volume(NAME) / ARRIVALS), rig.volume(NAME) / f"{made['metadata']['uid']}.venue.sqlite"
    wait_until(lambda: _settled(rig), 60, "a pod that reports")
    wait_until(lambda: _trades(book), 60, "the grid to trade")
    rig.make_alike(BARE, BARE_NAMESPACE, rig.status(NAME))
    bares: list[Bare] = []
    kills: list[Kill] = []
    for number in range(count + 1):
        bares.append(_bare(rig, bare_records, number))
        kills.append(_kill(rig, records, book))
        if number and number % 20 == 0:
            say(f"  {number} of {count} kills")
    return bares[1:], kills[1:]


def _bare(rig: Rig, records: Records, number: int) -> Bare:
    time.sleep(SETTLE_SECONDS)
    sent, answered, generation = _patch(rig, BARE, BARE_NAMESPACE, RELEASE if number % 2 else KILL)
    received = wait_until(lambda: records.arrival(generation), 10, "the bare delivery")
    return Bare(sent, answered, received)


def _kill(rig: Rig, records: Records, book: Path) -> Kill:
    wait_until(lambda: _trades(book), 60, "the grid to trade")
    wait_until(lambda: _settled(rig), 60, "a status that shows it")
    time.sleep(SETTLE_SECONDS)
    with Audit(book) as audit:
        command, trade = audit.order_log()[-1].sequence, audit.snapshot().last_trade_id
    sent, answered, generation = _patch(rig, NAME, NAMESPACE, KILL)
    switch = wait_until(lambda: _flat(rig, generation), 60, "state Flat")
    received = wait_until(lambda: records.arrival(generation), 10, "the recorder")
    with Audit(book) as audit:
        if not audit.snapshot().flat:
            raise RuntimeError("the status says Flat, the venue doesn't")
        commands = [found for found in audit.order_log(command) if found.wall_ns >= received]
        moments = [found.wall_ns for found in commands] + [fill.ts for fill in audit.fills(trade)]
    _patch(rig, NAME, NAMESPACE, RELEASE)
    return Kill(sent, answered, received, _ns(switch["deliveredTime"]), max(moments), len(commands))


def _patch(rig: Rig, name: str, namespace: str, spec: Json) -> tuple[int, int, int]:
    sent = time.time_ns()
    found = rig.cluster.api.patch(*GRID, name, namespace, {"spec": spec})
    return sent, time.time_ns(), found["metadata"]["generation"]


def _trades(book: Path) -> bool:
    """Entries rest on both legs, and one of them has a position: a kill has something to do."""
    with Audit(book) as audit:
        found = audit.snapshot()
    opening = {order.leg for order in found.open_orders if order.side is order.leg.opening}
    return len(opening) == 2 and any(position.quantity for position in found.positions.values())


def _settled(rig: Rig) -> bool:
    switch = rig.status(NAME).get("control", {}).get("killSwitch", {})
    return switch.get("state") == "Released"


def _flat(rig: Rig, generation: int) -> Json | None:
    control = rig.status(NAME).get("control", {})
    switch: Json = control.get("killSwitch", {})
    return switch if control.get("appliedGeneration") == generation and switch.get("state") == "Flat" else None


def _ns(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp() * 1e9)
