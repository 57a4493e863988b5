"""What the operator tells Prometheus."""

import math

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    Info,
    disable_created_metrics,
    generate_latest,
)

from hedgegrid_api import __version__
from hedgegrid_operator.condition_metrics import Conditions
from hedgegrid_operator.objects import GridRef
from hedgegrid_operator.rollout_metrics import Rollouts

_GRID = ("grid_namespace", "grid")
_FAST = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15, 60, 300)


class Metrics:
    """All metrics of one operator, in a registry of its own."""

    def __init__(self) -> None:
        registry = CollectorRegistry()
        self._registry = registry
        # Times of birth would be two series for each counter and histogram.
        disable_created_metrics()
        build = Info("hedgegrid_operator_build", "Always 1: version of the operator", registry=registry)
        build.info({"version": __version__})
        self.conditions = Conditions()
        registry.register(self.conditions)
        self.rollouts = Rollouts()
        registry.register(self.rollouts)
        self.leader = Gauge("hedgegrid_operator_leader", "1 while this operator holds the Lease", registry=registry)
        self.reconcile_seconds = Histogram(
            "hedgegrid_operator_reconcile_seconds",
            "Time of one reconciliation of one grid, by result",
            ["result"],
            buckets=_FAST,
            registry=registry,
        )
        self.kill_delivery_seconds = Histogram(
            "hedgegrid_operator_kill_delivery_seconds",
            "From seeing a kill in the object until the pod had stored it",
            buckets=_FAST,
            registry=registry,
        )
        self.kill_pending_seconds = Gauge(
            "hedgegrid_operator_kill_pending_seconds",
            "Age of a kill that the pod hasn't stored yet; 0 when none is pending",
            _GRID,
            registry=registry,
        )
        self.kill_delivery_failures = Counter(
            "hedgegrid_operator_kill_delivery_failures",
            "Tries to deliver a kill that failed",
            _GRID,
            registry=registry,
        )
        self.kill_escalations = Counter(
            "hedgegrid_operator_kill_escalations",
            "Pods deleted because they didn't take a kill",
            _GRID,
            registry=registry,
        )
        self.deletion_pending_seconds = Gauge(
            "hedgegrid_operator_deletion_pending_seconds",
            "Age of a deletion that isn't done yet; absent where none is under way",
            _GRID,
            registry=registry,
        )
        self.pods_unreachable = Gauge(
            "hedgegrid_operator_pods_unreachable",
            "Pods that didn't answer the last call; NaN while another operator leads",
            registry=registry,
        )
        self.pods_unreachable.set(math.nan)
        self.watch_age_seconds = Gauge(
            "hedgegrid_operator_watch_age_seconds",
            "Age of the last proof that changes are seen, an event of a watch or a complete LIST; NaN before the first",
            registry=registry,
        )
        self.watch_age_seconds.set(math.nan)
        self.queue_depth = Gauge(
            "hedgegrid_operator_queue_depth", "Grids that wait for their turn, by lane", ["lane"], registry=registry
        )
        self.queue_oldest_seconds = Gauge(
            "hedgegrid_operator_queue_oldest_seconds",
            "How long the grid has waited for its turn that has waited longest, by lane; 0 where none waits",
            ["lane"],
            registry=registry,
        )
        self.certificate_expiry_seconds = Gauge(
            "hedgegrid_operator_certificate_expiry_seconds",
            "Seconds until the pods' certificate authority ends (ca), and the pod's certificate that ends first (pod)",
            ["certificate", *_GRID],
            registry=registry,
        )
        self.api_requests = Counter(
            "hedgegrid_operator_api_requests",
            "Requests to the API server, by verb and resource as a role names them; code none: no answer",
            ["verb", "resource", "code"],
            registry=registry,
        )

    def forget(self, grid: GridRef) -> None:
        """Drop the series of a grid that is gone."""
        for metric in (
            self.kill_pending_seconds,
            self.kill_delivery_failures,
            self.kill_escalations,
            self.deletion_pending_seconds,
        ):
            metric.remove_by_labels({"grid_namespace": grid.namespace, "grid": grid.name})
        self.conditions.forget(grid)
        self.rollouts.forget(grid)

    def exposition(self) -> bytes:
        """Text for a scrape."""
        return generate_latest(self._registry)
