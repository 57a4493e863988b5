"""The headless Service: stable names of the pod for people, scripts and Prometheus, ready or not."""

from hedgegrid_operator.desired.naming import child_name, labels
from hedgegrid_operator.objects import UID_LABEL, GridRef, Json

API_PORT = 8080
METRICS_PORT = 9090


def service(grid: GridRef) -> Json:
    """The manifest."""
    return {
        "metadata": {"name": child_name(grid.name), "namespace": grid.namespace, "labels": labels(grid)},
        "spec": {
            "clusterIP": "None",
            "publishNotReadyAddresses": True,
            "selector": {UID_LABEL: grid.uid},
            "ports": [
                {"name": "api", "port": API_PORT, "targetPort": "api", "protocol": "TCP"},
                {"name": "metrics", "port": METRICS_PORT, "targetPort": "metrics", "protocol": "TCP"},
            ],
        },
    }
