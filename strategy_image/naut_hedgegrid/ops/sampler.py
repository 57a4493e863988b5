"""The history's source: a sample of the grid's figures every 10 s of wall time while the grid runs."""

import asyncio
import logging
import time
from concurrent.futures import Future
from decimal import Decimal

from naut_hedgegrid.domain.values import Leg
from naut_hedgegrid.store.protocol import Archive
from naut_hedgegrid.store.samples import Sample
from naut_hedgegrid.strategies.hedge_grid_v1.strategy import HedgeGridV1

log = logging.getLogger(__name__)

SAMPLE_SECONDS = 10.0
"""Interval; samples are taken when the clock is at a multiple of it."""


class Sampler:
    """Takes samples and hands them to the archive, whose disk it never waits for."""

    def __init__(self, strategy: HedgeGridV1, archive: Archive) -> None:
        self._strategy = strategy
        self._archive = archive
        self._failing = False

    async def run(self) -> None:
        """Sample until cancelled."""
        while True:
            await asyncio.sleep(SAMPLE_SECONDS - time.time() % SAMPLE_SECONDS)
            try:
                sample = await self._strategy.port.fetch(lambda: sample_of(self._strategy, time.time_ns()))
                if sample is not None:
                    self._archive.record_sample(sample).add_done_callback(self._stored)
            except Exception:
                log.exception("no sample for the history")

    def _stored(self, done: Future[None]) -> None:
        error = None if done.cancelled() else done.exception()
        if error is not None and not self._failing:
            log.error("the history has a gap from now on: %s", error)
        self._failing = error is not None


def sample_of(strategy: HedgeGridV1, ts: int) -> Sample | None:
    """The figures of now, None while the node isn't running. Called on the strategy's loop."""
    if not strategy.running:
        return None
    figures = strategy.figures()
    report = strategy.report()
    return Sample(
        ts=ts,
        equity=figures.equity,
        wallet=figures.wallet,
        realized=figures.realized,
        unrealized=figures.unrealized,
        funding=None if figures.funding_paid is None else -figures.funding_paid,
        fees=figures.fees,
        net_inventory=figures.net,
        long_inventory=figures.notional[Leg.LONG],
        short_inventory=figures.notional[Leg.SHORT],
        margin_ratio=figures.margin_ratio,
        drawdown=figures.drawdown,
        mark=figures.mark,
        open_orders=report.telemetry.open_orders,
        throttle=Decimal(str(report.throttle.effective)),
        fills=figures.fills,
    )
