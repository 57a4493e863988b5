"""What the pod needs to watch its own HedgeGrid: the right to read that one object, and the way to the API server.

The token is mounted into the strategy's container only, and by an explicit volume: it expires, is bound to the pod, and
is put back by the kubelet before it does.
"""

from hedgegrid_api.types import GROUP, PLURAL
from hedgegrid_operator.desired.naming import child_name, labels
from hedgegrid_operator.objects import GridRef, Json

CLUSTER_VOLUME = "hedgegrid-cluster"
CLUSTER_DIR = "/etc/hedgegrid/cluster"
"""Where the pod finds `token`, `ca.crt` and `namespace`."""
_TOKEN_SECONDS = 3600
_CA = {"key": "ca.crt", "path": "ca.crt"}
_RBAC = "rbac.authorization.k8s.io"


def role(grid: GridRef) -> Json:
    """The manifest of the Role. Named objects may be listed and watched by `fieldSelector: metadata.name=` only."""
    rule = {
        "apiGroups": [GROUP],
        "resources": [PLURAL],
        "resourceNames": [grid.name],
        # Nothing that the operator may not do itself: it could not grant it.
        "verbs": ["get", "list", "watch"],
    }
    return {"metadata": _metadata(grid), "rules": [rule]}


def role_binding(grid: GridRef) -> Json:
    """The manifest of the RoleBinding."""
    name = child_name(grid.name)
    return {
        "metadata": _metadata(grid),
        "roleRef": {"apiGroup": _RBAC, "kind": "Role", "name": name},
        "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": grid.namespace}],
    }


def cluster_volume() -> Json:
    """The volume of the pod."""
    field = {"path": "namespace", "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"}}
    return {
        "name": CLUSTER_VOLUME,
        "projected": {
            "defaultMode": 0o440,
            "sources": [
                {"serviceAccountToken": {"path": "token", "expirationSeconds": _TOKEN_SECONDS}},
                # Not there at once in a new namespace, and anybody may delete it: the watch waits for it, no pod does.
                {"configMap": {"name": "kube-root-ca.crt", "items": [_CA], "optional": True}},
                {"downwardAPI": {"items": [field]}},
            ],
        },
    }


def _metadata(grid: GridRef) -> Json:
    return {"name": child_name(grid.name), "namespace": grid.namespace, "labels": labels(grid)}
