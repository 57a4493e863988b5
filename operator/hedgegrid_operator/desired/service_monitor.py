"""The ServiceMonitor of a grid that asks for one: its pod's metrics, with the grid's name on the target itself.

So `up` carries `grid` and `grid_namespace`, too. The pod's own labels of these names become `exported_…` then, which
say the same and are dropped: whatever a pod writes, the target's stand.
"""

from hedgegrid_api.monitoring import ServiceMonitor
from hedgegrid_operator.desired.naming import child_name, labels
from hedgegrid_operator.objects import UID_LABEL, GridRef, Json

_TARGET_LABELS = [
    {"sourceLabels": ["__meta_kubernetes_service_label_app_kubernetes_io_instance"], "targetLabel": "grid"},
    {"sourceLabels": ["__meta_kubernetes_namespace"], "targetLabel": "grid_namespace"},
]
_METRIC_LABELS = [{"action": "labeldrop", "regex": "exported_grid|exported_grid_namespace"}]


def service_monitor(grid: GridRef, wanted: ServiceMonitor) -> Json:
    """The manifest."""
    endpoint: Json = {"port": "metrics", "relabelings": _TARGET_LABELS, "metricRelabelings": _METRIC_LABELS}
    if wanted.interval_seconds is not None:
        endpoint["interval"] = f"{wanted.interval_seconds}s"
    return {
        "metadata": {
            "name": child_name(grid.name),
            "namespace": grid.namespace,
            "labels": {**wanted.labels, **labels(grid)},
        },
        "spec": {
            "jobLabel": "app.kubernetes.io/name",
            "selector": {"matchLabels": {UID_LABEL: grid.uid}},
            "endpoints": [endpoint],
        },
    }
