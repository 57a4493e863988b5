"""The conditions of all grids as one metric, made at the scrape: no object for each series is kept."""

from collections.abc import Iterable, Iterator
from sys import intern
from typing import override

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from hedgegrid_api.status import Condition
from hedgegrid_operator.objects import GridRef

type _Row = tuple[str, str, str]
"""Type, status and reason."""


class Conditions(Collector):
    """One series a condition, always 1: it goes when status or reason change, and with its grid."""

    def __init__(self) -> None:
        self._rows: dict[GridRef, tuple[_Row, ...]] = {}

    def show(self, grid: GridRef, conditions: Iterable[Condition]) -> None:
        """Replace a grid's conditions."""
        self._rows[grid] = tuple(
            (intern(found.type), intern(found.status), intern(found.reason)) for found in conditions
        )

    def forget(self, grid: GridRef) -> None:
        """The grid is gone."""
        self._rows.pop(grid, None)

    @override
    def collect(self) -> Iterator[GaugeMetricFamily]:
        family = GaugeMetricFamily(
            "hedgegrid_operator_condition",
            "Always 1: status and reason that a condition of a grid has now, by its object's status",
            labels=("grid_namespace", "grid", "type", "status", "reason"),
        )
        for grid, rows in tuple(self._rows.items()):
            for row in rows:
                family.add_metric((grid.namespace, grid.name, *row), 1)
        yield family
