"""A month of real bars on the real node: identities at every event, the venue's ledger at the end."""

import os
from decimal import Decimal
from pathlib import Path

import pytest
import uvloop

from hedgegrid_api.files import VenueFile
from naut_hedgegrid.domain.values import Leg, OrderEvent
from naut_hedgegrid.engine.node import SimNode
from naut_hedgegrid.grid.records import Snapshot
from naut_hedgegrid.store.sqlite import SqliteStore
from naut_hedgegrid.strategies.hedge_grid_v1.clock import ReplayClock
from naut_hedgegrid.strategies.hedge_grid_v1.strategy import HedgeGridV1
from naut_hedgegrid.venues.instrument import instrument_of
from naut_hedgegrid.venues.sim.audit import Audit
from tests.strategy.direct import INSTRUMENT, OWNER, strategy_file, venue_file

D = Decimal
DATA = Path(os.environ.get("HEDGEGRID_DATA", Path(__file__).parents[2].parent / "shared" / "data"))
BARS = DATA / "btc-perp-1m-2022-01.csv.gz"
BALANCE = D(1_000_000)


class Watched(HedgeGridV1):
    """The strategy, with the identities checked after each order event."""

    checks = 0
    most_lots = 0

    def on_order_event(self, event: OrderEvent) -> None:
        super().on_order_event(event)
        ledger = self._core.ledger
        for leg in Leg:
            lots = ledger.lots_of(leg)
            assert sum((lot.open for lot in lots), D(0)) == ledger.positions[leg]
            if self.idle:
                exits = sum((o.leaves for lot in lots for o in ledger.working.takes(lot.key)), D(0))
                assert exits + self._core.exits.unprotected(leg) == ledger.positions[leg]
        self.checks += 1
        self.most_lots = max(self.most_lots, len(ledger.lots_of(Leg.LONG)))


@pytest.mark.timeout(300)
@pytest.mark.skipif(not BARS.exists(), reason=f"no {BARS.name} beside the checkout; HEDGEGRID_DATA names its folder")
def test_the_real_month(tmp_path: Path) -> None:
    """25 bps, 5 + 5 rungs, take profit 2 steps, trigger 200: 1,700 to 2,000 entries, at most 85 open LONG lots."""
    uvloop.run(replayed(tmp_path))


async def replayed(tmp_path: Path) -> None:
    replay = {"market": "replay", "replay": {"path": str(BARS), "speed": 1_000_000}}
    venue: VenueFile = venue_file(startingBalance=str(BALANCE), filters={"maxOrders": 1000}, sim=replay)
    store = SqliteStore(tmp_path / "grid.sqlite", OWNER, INSTRUMENT)
    strategy = Watched(
        strategy_file(baseQty="0.002", maxInventoryQuote="1000000", placement={"policy": "symmetric"}),
        instrument_of(venue),
        OWNER,
        store,
        Snapshot(),
        {},
        await_control=False,
        clock=ReplayClock(),
    )
    async with SimNode(venue, strategy, tmp_path / "venue.sqlite") as node:
        await node.wait_for_market_end()
        assert node.errors.counts == {}
        assert strategy.report().conditions[0].reason == "StaleData", "the market has ended"
    store.close()
    with Audit(tmp_path / "venue.sqlite") as audit:
        snapshot, fills, funding = audit.snapshot(), audit.fills(), audit.funding()
    assert strategy.errors == 0
    assert strategy.checks > len(fills)
    ledger = strategy._core.ledger
    for leg in Leg:
        bought = sum((f.quantity for f in fills if f.leg is leg and f.side is leg.opening), D(0))
        sold = sum((f.quantity for f in fills if f.leg is leg and f.side is leg.closing), D(0))
        exits = sum((o.leaves for o in snapshot.open_orders if o.leg is leg and o.side is leg.closing), D(0))
        assert bought - sold == snapshot.positions[leg].quantity == ledger.positions[leg] == exits
        assert not [o for o in snapshot.open_orders if o.leg is leg and o.side is leg.opening]
    totals = ledger.totals
    assert totals.fills == len(fills)
    assert totals.realized == sum((f.realized_pnl for f in fills), D(0))
    assert totals.fees == sum((f.commission for f in fills), D(0))
    paid = sum((payment.amount for payment in funding), D(0))
    assert paid != 0
    assert totals.funding == paid
    assert snapshot.wallet == BALANCE + totals.realized - totals.fees + paid
    assert strategy.figures().realized == snapshot.wallet - BALANCE
    entries = {f.client_order_id for f in fills if f.side is f.leg.opening}
    assert 1_700 <= len(entries) <= 2_000
    assert strategy.most_lots <= 85
