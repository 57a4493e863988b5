"""kill −9 at any moment: the book goes on as it stood, and the strategy misses nothing and hears nothing twice."""

import json
import random
import signal
import sqlite3
import subprocess
import sys
import time
from decimal import Decimal
from pathlib import Path
from typing import Any

from naut_hedgegrid.domain.values import Leg
from naut_hedgegrid.venues.sim.audit import Audit, Snapshot

KILLS = 10
DEADLINE_SECONDS = 20
FILLS_BEFORE_A_KILL = 12


def _lines(journal: Path) -> list[dict[str, Any]]:
    """Whole lines of the journal: a kill may cut the last."""
    if not journal.exists():
        return []
    return [json.loads(line) for line in journal.read_text().splitlines(keepends=True) if line.endswith("\n")]


def _run_and_kill(book: Path, journal: Path, chance: random.Random) -> dict[str, Any]:
    """Run a process until it has traded some, kill it a random while later; its state at the start."""
    before = len(_lines(journal))
    output = book.with_name("output")
    with output.open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.strategy.sim_child", book, journal], stdout=log, stderr=log
        )
    try:
        deadline = time.monotonic() + DEADLINE_SECONDS
        while len(_lines(journal)) < before + 1 + FILLS_BEFORE_A_KILL:
            assert process.poll() is None, output.read_text()
            assert time.monotonic() < deadline, f"no fills: {_lines(journal)[before:]} {output.read_text()}"
            time.sleep(0.005)
        time.sleep(chance.random() * 0.1)  # the moment of the kill, not a wait
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert output.read_text() == ""
    return _lines(journal)[before]


def _as_reported(snapshot: Snapshot) -> dict[str, Any]:
    return {
        "positions": {leg: str(snapshot.positions[leg].quantity) for leg in Leg},
        "open": {
            order.client_order_id: [str(order.quantity), str(order.filled), str(order.trigger_price)]
            for order in snapshot.open_orders
        },
    }


def test_nothing_is_missing_and_nothing_is_extra_after_kills_at_random_moments(tmp_path: Path) -> None:
    book, journal = tmp_path / "book", tmp_path / "journal"
    chance = random.Random(20231115)
    left: dict[str, Any] | None = None
    for _ in range(KILLS):
        began = _run_and_kill(book, journal, chance)
        if left is not None:
            # What the strategy was given at its start is what the killed venue held, to the last digit.
            assert {name: began[name] for name in left} == left
        with Audit(book) as audit:
            left = _as_reported(audit.snapshot())
            _check_book(audit)
    _check_journal(_lines(journal), book)
    _check_variety(book)


def _check_variety(book: Path) -> None:
    """What there was to be lost: stops that triggered, orders that met, transfers, the venue's own closes."""
    with Audit(book) as audit:
        ids = {fill.client_order_id for fill in audit.fills()}
        assert audit.transfers()
    assert any("-S-" in identity for identity in ids)
    assert "adl_autoclose" in ids
    with sqlite3.connect(f"{book.as_uri()}?mode=ro", uri=True) as db:
        statuses = {status for (status,) in db.execute("select distinct status from orders")}
    assert statuses >= {"EXPIRED_IN_MATCH", "CANCELED", "FILLED"}


def _check_book(audit: Audit) -> None:
    snapshot, fills = audit.snapshot(), audit.fills()
    booked = sum((fill.realized_pnl - fill.commission for fill in fills), snapshot.starting_balance)
    booked += sum(payment.amount for payment in audit.funding())
    assert snapshot.wallet == booked + sum(transfer.amount for transfer in audit.transfers())
    for leg in Leg:
        signed = [fill.quantity if fill.side is leg.opening else -fill.quantity for fill in fills if fill.leg is leg]
        assert snapshot.positions[leg].quantity == sum(signed, Decimal(0))
    places = [order.client_order_id.split("-")[2] for order in snapshot.open_orders if order.trigger_price is None]
    assert len(places) == len(set(places)), "two live orders at one level"


def _check_journal(lines: list[dict[str, Any]], book: Path) -> None:
    heard = [number for line in lines for number in line.get("fills", [line.get("fill")])]
    with Audit(book) as audit:
        booked = [fill.trade_id for fill in audit.fills()]
    assert heard == booked[: len(heard)]
    assert len(booked) - len(heard) < 5  # committed just before the last kill
    assert len(heard) >= KILLS * FILLS_BEFORE_A_KILL
