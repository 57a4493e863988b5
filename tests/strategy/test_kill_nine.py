"""SIGKILL at any moment of a flatten, on real processes: resumed, nothing opens, one operation, flat."""

import random
import signal
import time
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from naut_hedgegrid.domain.values import Leg
from naut_hedgegrid.venues.sim.audit import Audit
from naut_hedgegrid.venues.sim.records import Action
from tests.strategy.ops_support import LIVELY, Process, strategy_values, wait_until

D = Decimal
LATENCY_MS = 40
SLOW = {**LIVELY, "latencyMs": LATENCY_MS}
"""Each command takes a while, so that the kill finds the flatten at different steps."""
RANDOM = random.Random(11)


def opened_after(book: Path, wall_ns: int) -> list[Any]:
    with Audit(book) as audit:
        return audit.openings(wall_ns)


def wait_flat(process: Process) -> dict[str, Any]:
    def report() -> dict[str, Any] | None:
        answer = process.ask("GET", "/control").json
        return answer if answer["killSwitch"]["state"] == "Flat" else None

    found = wait_until(report, "state Flat", 30)
    assert found is not None
    return found


def document(generation: int, switch: str) -> dict[str, Any]:
    return {"uid": "0badcafe-0000-4000-8000-000000000000", "generation": generation, "killSwitch": switch}


@pytest.mark.parametrize("delay_ms", [0, 15, 50, 90, 140, 200])
def test_a_flatten_survives_sigkill(tmp_path: Path, delay_ms: int) -> None:
    strategy = strategy_values(baseQty="0.020", maxInventoryQuote="20000", stepBps=3)
    with Process(tmp_path, sim=SLOW, strategy=strategy) as process:
        process.start("--await-control").running()
        process.ask("PUT", "/control", document(1, "none"))
        wait_until(lambda: any(p.quantity for p in process.venue().positions.values()), "a position")
        answer = process.ask("PUT", "/control", document(2, "flattenBoth")).json
        answered = time.time_ns()
        operation = answer["killSwitch"]["operationID"]
        time.sleep(delay_ms / 1000 * RANDOM.uniform(0.8, 1.2))  # where in the flatten the kill falls
        process.signal(signal.SIGKILL)
        assert process.ended() == -signal.SIGKILL
        process.start("--await-control").running()
        report = wait_flat(process)
        assert report["killSwitch"]["operationID"] == operation
        assert not report["synced"], "resumed from the store, before any document came"
        again = process.ask("PUT", "/control", document(2, "flattenBoth")).json
        assert again["killSwitch"]["operationID"] == operation
        snapshot = process.venue()
        assert snapshot.flat
        # What was on the wire when the gate closed arrives a latency later; nothing is sent after the answer.
        assert opened_after(process.book, answered + LATENCY_MS * 1_000_000) == []
        with Audit(process.book) as audit:
            for leg in Leg:
                signed = [f.quantity if f.side is leg.opening else -f.quantity for f in audit.fills() if f.leg is leg]
                assert sum(signed, D(0)) == 0
        process.ask("PUT", "/control", document(3, "none"))
        wait_until(lambda: process.venue().open_orders, "trading again")


def test_sigkill_while_trading_again_and_again_loses_and_doubles_nothing(tmp_path: Path) -> None:
    """Twelve lives of one strategy: each ends at a random moment; the books agree at every start."""
    with Process(tmp_path, sim=LIVELY) as process:
        for life in range(12):
            process.start().running()
            wait_until(lambda: process.ask("GET", "/readyz").status == 200, "ready")
            status = process.ask("GET", "/control").json
            assert status["conditions"][0]["reason"] == "Reconciled", (life, status["conditions"])
            time.sleep(RANDOM.uniform(0, 0.7))  # the life's length
            process.signal(signal.SIGKILL)
            process.ended()
            snapshot = process.venue()
            ids = [order.client_order_id for order in snapshot.open_orders]
            assert len(ids) == len(set(ids))
            entries = [(o.leg, o.price) for o in snapshot.open_orders if o.side is o.leg.opening]
            assert len(entries) == len(set(entries)), "never two live entries of a leg at one price"
        process.start().running()
        process.ask("POST", "/flatten", {"side": "both"})
        wait_flat(process)
        with Audit(process.book) as audit:
            submits = [c for c in audit.order_log() if c.action is Action.SUBMIT and c.accepted]
            assert len({c.client_order_id for c in submits}) == len(submits), "no id is ever used twice"
        assert process.venue().flat
