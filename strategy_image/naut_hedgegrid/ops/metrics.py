"""Prometheus metrics: figures of one snapshot, taken on the strategy's loop. A scrape touches nothing but that."""

import math
from collections.abc import Iterator, Mapping
from typing import override

from prometheus_client import CollectorRegistry, make_asgi_app  # pyright: ignore[reportUnknownVariableType]  not annotated there
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector
from starlette.types import ASGIApp

from hedgegrid_api import __version__
from hedgegrid_api.types import Mode
from naut_hedgegrid.ops.catalogue import CATALOGUE, Definition, Kind
from naut_hedgegrid.ops.figures import Snapshot, Values
from naut_hedgegrid.strategies.hedge_grid_v1.distribution import Observed


class Exporter(Collector):
    """Metrics of one grid, in a registry of its own."""

    def __init__(self, instrument_id: str, labels: Mapping[str, str] | None = None) -> None:
        """`labels` stand beside `instrument` on every metric."""
        base = {"instrument": instrument_id, **(labels or {})}
        self._names = list(base)
        self._values = list(base.values())
        self._info: Values = {(__version__, Mode.SIM.value): 1.0}
        self._snapshot: Snapshot = {}
        registry = CollectorRegistry()
        registry.register(self)
        self.app: ASGIApp = make_asgi_app(registry)

    def show(self, snapshot: Snapshot | None) -> None:
        """Export this snapshot from now on; None: nothing is known."""
        self._snapshot = snapshot or {}

    @override
    def collect(self) -> Iterator[Metric]:
        """The metrics of the snapshot."""
        shown = {**self._snapshot, "info": self._info}
        for definition in CATALOGUE:
            yield self._metric(definition, shown.get(definition.name, {}))

    def _metric(self, definition: Definition, values: Values) -> Metric:
        labels = [*self._names, *definition.labels]
        if definition.kind is Kind.HISTOGRAM:
            histogram = HistogramMetricFamily(definition.exported, definition.text, labels=labels)
            for own, seen in values.items():
                if isinstance(seen, Observed):
                    histogram.add_metric([*self._values, *own], _buckets(seen), seen.total)
            return histogram
        family = CounterMetricFamily if definition.kind is Kind.COUNTER else GaugeMetricFamily
        metric = family(definition.exported.removesuffix("_total"), definition.text, labels=labels)
        for own in dict.fromkeys((*definition.series, *values)):
            value = values.get(own, math.nan)
            if isinstance(value, float):
                metric.add_metric([*self._values, *own], value)
        return metric


def _buckets(seen: Observed) -> list[tuple[str, float]]:
    bounds = [f"{bound:g}" for bound in seen.bounds]
    return list(zip([*bounds, "+Inf"], map(float, seen.cumulated), strict=True))
