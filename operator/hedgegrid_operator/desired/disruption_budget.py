"""The PodDisruptionBudget: whether a drain of the node may take the pod."""

from hedgegrid_operator.desired.naming import child_name, labels
from hedgegrid_operator.objects import UID_LABEL, GridRef, Json


def disruption_budget(grid: GridRef, *, evictable: bool) -> Json:
    """The manifest. `minAvailable` needs nothing but the pod itself to be counted, so that a budget whose StatefulSet
    is gone still says what it says here.
    """
    return {
        "metadata": {"name": child_name(grid.name), "namespace": grid.namespace, "labels": labels(grid)},
        "spec": {
            "selector": {"matchLabels": {UID_LABEL: grid.uid}},
            "minAvailable": 0 if evictable else 1,
            # By default a pod that isn't ready can't be evicted where the budget allows nobody to be missing.
            "unhealthyPodEvictionPolicy": "AlwaysAllow" if evictable else "IfHealthyBudget",
        },
    }
