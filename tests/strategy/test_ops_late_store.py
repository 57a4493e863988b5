"""A store that answers late: the flatten didn't wait for it, and what it says in the end counts."""

import sqlite3
from pathlib import Path

from hedgegrid_api.control import ControlDocument
from naut_hedgegrid.domain.values import Instrument
from naut_hedgegrid.grid.records import Changes
from naut_hedgegrid.store.sqlite import SqliteStore
from naut_hedgegrid.strategies.hedge_grid_v1.strategy import HedgeGridV1
from naut_hedgegrid.venues.instrument import instrument_of
from tests.strategy.direct import INSTRUMENT, OWNER, strategy_file, venue_file
from tests.strategy.ops_support import until


def _instrument() -> Instrument:
    return instrument_of(venue_file())


async def test_f47_a_late_store_goes_on_writing_and_the_kill_is_delivered(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "grid.sqlite", OWNER, INSTRUMENT)
    snapshot, values = store.load()
    strategy = HedgeGridV1(strategy_file(), _instrument(), OWNER, store, snapshot, values, await_control=True)
    strategy.port.bind()
    blocker = sqlite3.connect(tmp_path / "grid.sqlite", isolation_level=None)
    blocker.execute("begin immediate")
    kill = ControlDocument.model_validate({"uid": "u", "generation": 1, "killSwitch": "flattenBoth"})
    report = await strategy.apply(kill)
    assert report.kill_switch.legs.long.state == "Requested"
    assert report.kill_switch.legs.long.last_error == "the store has not answered for 0.5 s"

    blocker.execute("rollback")
    await until(lambda: strategy.report().kill_switch.legs.long.delivered, "the delivery")
    after = strategy.report().kill_switch.legs.long
    assert (after.state, after.last_error) == ("Delivered", None)
    assert after.operation_id == report.kill_switch.legs.long.operation_id
    store.commit(Changes(values={"probe": 1})).result(10)
    store.close()
