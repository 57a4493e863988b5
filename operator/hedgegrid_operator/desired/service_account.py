"""The pod's ServiceAccount: it may read its own HedgeGrid (own_watch.py); no token is mounted by itself."""

from hedgegrid_operator.desired.naming import child_name, labels
from hedgegrid_operator.objects import GridRef, Json


def service_account(grid: GridRef) -> Json:
    """The manifest."""
    return {
        "metadata": {"name": child_name(grid.name), "namespace": grid.namespace, "labels": labels(grid)},
        "automountServiceAccountToken": False,
    }
