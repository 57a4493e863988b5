"""What the operator tells Prometheus."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from hedgegrid_operator.objects import GridRef

_GRID = ("grid_namespace", "grid")
_FAST = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15, 60, 300)


class Metrics:
    """All metrics of one operator, in a registry of its own."""

    def __init__(self) -> None:
        registry = CollectorRegistry()
        self._registry = registry
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
            "hedgegrid_operator_pods_unreachable", "Pods that didn't answer the last call", registry=registry
        )
        self.queue_depth = Gauge(
            "hedgegrid_operator_queue_depth", "Grids that wait for their turn, by lane", ["lane"], registry=registry
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

    def exposition(self) -> bytes:
        """Text for a scrape."""
        return generate_latest(self._registry)
