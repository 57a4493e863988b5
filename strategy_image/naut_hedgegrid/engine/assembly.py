"""Puts an engine node together around a simulated venue."""

from collections.abc import Coroutine

from nautilus_trader.common import Clock, Environment, LoggerConfig, LogLevel
from nautilus_trader.config import DataClientConfig, ExecutionClientConfig
from nautilus_trader.live import (
    ClientCache,
    LiveExecutionEngineConfig,
    LiveNode,
    LiveRiskEngineConfig,
)
from nautilus_trader.live.clients import DataClientFactory, ExecutionClientFactory
from nautilus_trader.model import TraderId

from naut_hedgegrid.engine.bridge import BridgeStrategy
from naut_hedgegrid.engine.data_client import SimDataClient
from naut_hedgegrid.engine.execution_client import SimExecutionClient
from naut_hedgegrid.engine.venue import SimVenue

_CLIENT = "SIM"
_IN_FLIGHT_MS = 5_000
_PURGE_MINUTES = 10


class Assembly:
    """A node and our parts in it."""

    def __init__(
        self, node: LiveNode, bridge: BridgeStrategy, data: SimDataClient, execution: SimExecutionClient
    ) -> None:
        """A node that is built and not yet run."""
        self._node: LiveNode | None = node
        self.handle = node.handle()
        """Stops the node and knows its state, also while it runs."""
        self.bridge = bridge
        self.data = data
        self.execution = execution

    def run(self) -> Coroutine[object, object, None]:
        """Run the node until its handle stops it."""
        if self._node is None:
            raise RuntimeError("the node was dropped")
        return self._node.run_async()

    def drop(self) -> None:
        """Let go of a node that has ended: a thread can have one at a time, and somebody may still hold us."""
        if self._node is not None:
            self._node.dispose()
            self._node = None


def assembled(venue: SimVenue, latency_ms: int, log_level: LogLevel) -> Assembly:
    """A node that is ready to run. There can be one on a thread: drop one before making the next."""
    data: list[SimDataClient] = []
    execution: list[SimExecutionClient] = []

    class DataFactory(DataClientFactory):
        @staticmethod
        def create(*, name: str, config: DataClientConfig, cache: ClientCache, clock: Clock) -> SimDataClient:
            client = SimDataClient(venue.translation, venue.traffic, name=name, config=config, cache=cache, clock=clock)
            data.append(client)
            return client

    class ExecutionFactory(ExecutionClientFactory):
        @staticmethod
        def create(
            *, name: str, config: ExecutionClientConfig, cache: ClientCache, clock: Clock, trader_id: TraderId
        ) -> SimExecutionClient:
            client = SimExecutionClient(venue, name=name, config=config, cache=cache, clock=clock, trader_id=trader_id)
            execution.append(client)
            return client

    node = (
        LiveNode.builder("HedgeGrid", TraderId("HEDGEGRID-001"), Environment.SANDBOX)
        .with_logging(LoggerConfig(stdout_level=log_level, is_colored=False, print_config=False))
        .with_delay_post_stop_secs(0)
        # The venue alone decides: its codes are what the strategy acts on, and the engine's risk engine would refuse
        # closes that the venue takes.
        .with_risk_engine_config(LiveRiskEngineConfig(bypass=True))
        .with_exec_engine_config(_execution_config(latency_ms))
        .add_data_client(_CLIENT, DataFactory(), DataClientConfig())
        .add_exec_client(_CLIENT, ExecutionFactory(), ExecutionClientConfig())
        .build()
    )
    bridge = BridgeStrategy(venue)
    node.add_strategy(bridge)
    return Assembly(node, bridge, data[0], execution[0])


def _execution_config(latency_ms: int) -> LiveExecutionEngineConfig:
    return LiveExecutionEngineConfig(
        reconciliation=True,
        reconciliation_startup_delay_secs=0.0,
        # Only what is later than the latency by far may be overdue.
        inflight_check_threshold_ms=_IN_FLIGHT_MS + 2 * latency_ms,
        # What has ended is in the book's file; the engine needs it no longer.
        purge_closed_orders_interval_mins=_PURGE_MINUTES,
        purge_closed_orders_buffer_mins=_PURGE_MINUTES,
        # With a position that it forgets, it forgets its snapshots too: one for each time that the leg was flat.
        purge_closed_positions_interval_mins=_PURGE_MINUTES,
        purge_closed_positions_buffer_mins=0,
        purge_account_events_interval_mins=_PURGE_MINUTES,
        purge_account_events_lookback_mins=_PURGE_MINUTES,
    )
