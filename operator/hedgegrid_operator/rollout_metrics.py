"""Pod templates that wait until they may restart their pods, as a metric: the ages are taken at the scrape."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import override

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from hedgegrid_operator.objects import GridRef


class Rollouts(Collector):
    """One series for each grid whose changed template waits."""

    def __init__(self) -> None:
        self._since: dict[GridRef, datetime] = {}

    def show(self, grid: GridRef, since: datetime | None) -> None:
        """Since when a template of a grid has been waiting; None: none waits."""
        if since is None:
            self.forget(grid)
        else:
            self._since[grid] = since

    def forget(self, grid: GridRef) -> None:
        """The grid is gone, or nothing waits."""
        self._since.pop(grid, None)

    @override
    def collect(self) -> Iterator[GaugeMetricFamily]:
        family = GaugeMetricFamily(
            "hedgegrid_operator_rollout_waiting_seconds",
            "Age of a changed pod template that waits until it may restart the pod; absent where none waits",
            labels=("grid_namespace", "grid"),
        )
        now = datetime.now(UTC)
        for grid, since in tuple(self._since.items()):
            family.add_metric((grid.namespace, grid.name), max(0.0, (now - since).total_seconds()))
        yield family
