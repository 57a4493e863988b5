"""Names and labels of the children."""

from hedgegrid_operator.objects import UID_LABEL, GridRef


def child_name(grid: str) -> str:
    """Name of the StatefulSet, the Service, the ServiceAccount, its Role and RoleBinding of a grid."""
    return f"hedgegrid-{grid}"


def api_secret_name(grid: str) -> str:
    """Name of the Secret with the API keys."""
    return f"{child_name(grid)}-api"


def tls_secret_name(grid: str) -> str:
    """Name of the Secret with the pod's certificate."""
    return f"{child_name(grid)}-tls"


def config_map_name(grid: str, config_hash: str) -> str:
    """Name of the ConfigMap with this content."""
    return f"{child_name(grid)}-{config_hash}"


def pod_name(grid: str) -> str:
    """Name of the only pod."""
    return f"{child_name(grid)}-0"


def claim_name(grid: str) -> str:
    """Name of the PersistentVolumeClaim of the store."""
    return f"data-{pod_name(grid)}"


def labels(grid: GridRef) -> dict[str, str]:
    """Labels of every child: whose it is, and what Kubernetes recommends."""
    return {UID_LABEL: grid.uid, **shared_labels(grid)}


def shared_labels(grid: GridRef) -> dict[str, str]:
    """Labels of what may outlive the object, its volume claim: no uid."""
    return {
        "app.kubernetes.io/name": "hedgegrid",
        "app.kubernetes.io/instance": grid.name,
        "app.kubernetes.io/component": "strategy",
        "app.kubernetes.io/managed-by": "hedgegrid-operator",
    }
