"""The life of a strategy process of mode sim, from its files to its exit status.

Start: configuration → store → strategy → operations listening, so that a kill can be delivered as early as possible →
own watch → node. A store that can't be opened stops entries, not the process: it can still take a kill.

Stop: gate → entries cancelled, exits kept → a flatten under way finished → operations → node → store.
"""

import asyncio
import logging
import os
import signal
from contextlib import AsyncExitStack

from hedgegrid_api.files import VenueFile, settled
from naut_hedgegrid.barfile import BarFileError
from naut_hedgegrid.config import ConfigError, load_strategy_file, load_venue_file
from naut_hedgegrid.engine.agreement import VenueDisagreementError
from naut_hedgegrid.engine.node import NodeError, SimNode
from naut_hedgegrid.ops.apiserver import ApiServer
from naut_hedgegrid.ops.auth import ApiKeys, ApiKeysError, KeyFolder
from naut_hedgegrid.ops.manager import OperationsError, OperationsManager
from naut_hedgegrid.ops.own_watch import OwnWatch, place_of
from naut_hedgegrid.ops.tls import TlsFolder, TlsFolderError
from naut_hedgegrid.runners.identity import Identity
from naut_hedgegrid.runners.options import Options
from naut_hedgegrid.runners.panel import show
from naut_hedgegrid.runners.stopping import wind_down
from naut_hedgegrid.store.errors import StoreError
from naut_hedgegrid.store.start import open_store
from naut_hedgegrid.strategies.hedge_grid_v1.clock import ReplayClock, WallClock
from naut_hedgegrid.strategies.hedge_grid_v1.risk_monitor import RiskMonitor
from naut_hedgegrid.strategies.hedge_grid_v1.strategy import HedgeGridV1
from naut_hedgegrid.strategies.hedge_grid_v1.switchboard import stored_controls
from naut_hedgegrid.venues.instrument import instrument_of
from naut_hedgegrid.venues.sim.ledger import BookFileError
from naut_hedgegrid.venues.sim.market import MarketError
from naut_hedgegrid.venues.sim.markets import market_of

log = logging.getLogger(__name__)

MISUSED = (ConfigError, ApiKeysError, TlsFolderError, OperationsError, BarFileError, MarketError)
"""Asked for something that can't be: exit status 2."""
FAILED = (StoreError, BookFileError, NodeError, VenueDisagreementError, OSError)
"""Told in a sentence: exit status 1."""


async def run_process(options: Options, identity: Identity) -> int:
    """Run until a signal comes or something fails; the exit status."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, _ask_to_stop, stop, number)
    try:
        await _run(options, identity, stop)
    except MISUSED as error:
        log.critical("%s", error)
        return 2
    except FAILED as error:
        log.critical("%s", error)
        return 1
    except Exception:
        log.critical("the process failed", exc_info=True)
        return 1
    log.info("stopped")
    return 0


async def _run(options: Options, identity: Identity, stop: asyncio.Event) -> None:
    strategy_file = load_strategy_file(options.strategy_config)
    venue_file = settled(strategy_file, load_venue_file(options.venue_config))
    market = market_of(venue_file)
    keys = _keys(options)
    tls = None if options.tls_dir is None else TlsFolder(options.tls_dir)
    async with AsyncExitStack() as stack:
        path, owner = identity.store(options.store_dir), identity.owner(venue_file.instrument)
        kept = open_store(path, owner, venue_file.instrument, stored_controls)
        stack.callback(kept.store.close)
        strategy = HedgeGridV1(
            strategy_file,
            instrument_of(venue_file),
            owner,
            kept.store,
            kept.snapshot,
            kept.values,
            await_control=options.await_control,
            clock=WallClock() if market.wall_clock else ReplayClock(),
        )
        strategy.attach_kill_switch(RiskMonitor(venue_file.tiers, venue_file.margin_type, venue_file.leverage))
        strategy.port.bind()
        stack.callback(strategy.port.release)
        node = SimNode(
            venue_file,
            strategy,
            identity.book(options.store_dir),
            on_error=lambda _, error: strategy.on_error(error),
        )
        stack.push_async_callback(node.stop)
        ops = _operations(options, identity, strategy, venue_file, keys, tls) if options.enable_ops else None
        if ops is not None:
            ops.start()
            stack.push_async_callback(_stopped, ops)
        if (watch := _own_watch(identity, strategy)) is not None:
            watch.start()
            stack.callback(watch.stop)
        await node.start()
        show(venue_file, path, ops, awaits_control=options.await_control)
        try:
            await _until_asked(stop, node, ops)
        finally:
            if node.running:
                await wind_down(strategy, attended=options.await_control)


def _own_watch(identity: Identity, strategy: HedgeGridV1) -> OwnWatch | None:
    """The watch of the pod's own HedgeGrid; None for a grid that somebody started by hand."""
    if identity.uid is None:
        return None
    place = place_of(os.environ, identity.namespace, identity.name)
    if place is None:
        log.warning("no own watch of the HedgeGrid: not in a cluster, or HEDGEGRID_CLUSTER_DIR isn't set")
        return None
    return OwnWatch(strategy, ApiServer(place), identity.uid)


async def _until_asked(stop: asyncio.Event, node: SimNode, ops: OperationsManager | None) -> None:
    """Wait for a signal. Raises what ended the node or the operations by itself."""
    asked = asyncio.create_task(stop.wait())
    parts = [asyncio.create_task(node.wait())]
    if ops is not None:
        parts.append(asyncio.create_task(ops.closed()))
    try:
        ended, _ = await asyncio.wait([asked, *parts], return_when=asyncio.FIRST_COMPLETED)
        for task in ended:
            task.result()
    finally:
        for task in (asked, *parts):
            task.cancel()


async def _stopped(ops: OperationsManager) -> None:
    ops.stop()
    await ops.closed()


def _operations(
    options: Options,
    identity: Identity,
    strategy: HedgeGridV1,
    venue: VenueFile,
    keys: ApiKeys | None,
    tls: TlsFolder | None,
) -> OperationsManager:
    return OperationsManager(
        strategy,
        venue.instrument,
        options.prometheus_port,
        options.api_port,
        host=options.host,
        keys=keys,
        labels=identity.metric_labels,
        uid=identity.uid,
        tls=tls,
    )


def _keys(options: Options) -> ApiKeys | None:
    if options.api_keys_dir is not None:
        return KeyFolder(options.api_keys_dir)
    return None if options.api_key is None else ApiKeys.single(options.api_key)


def _ask_to_stop(stop: asyncio.Event, number: signal.Signals) -> None:
    log.info("%s: %s", number.name, "stopping already" if stop.is_set() else "stopping")
    stop.set()
