"""What a failed test leaves to look at: a cluster's grids and pods, its processes' last words, the runner's errors."""

from datetime import UTC, datetime
from pathlib import Path

from tests.kube.cluster import Cluster

_LOGS = 3
_PODS = 20
_GRIDS = 20
"""Of more only those are shown that aren't ready, or don't trade."""
_LINES = 40
_LINE_CHARACTERS = 3000


def evidence(cluster: Cluster) -> str:
    """Text for a report; says so where something can't be had any more."""
    parts = [f"errors of the pod runner: {_problems(cluster)}", *_grids(cluster), *_pods(cluster)]
    logs = sorted((cluster.folder / "logs").glob("*.log"), key=lambda log: log.stat().st_mtime, reverse=True)
    parts += [f"-- {log.name}, last written {_age(log)}\n{_tail(log)}" for log in logs[:_LOGS]]
    return "\n".join(parts)


def _problems(cluster: Cluster) -> object:
    try:
        return cluster.problems()
    except Exception as error:  # noqa: BLE001  whatever it is, the failure itself matters more
        return error


def _grids(cluster: Cluster) -> list[str]:
    try:
        found = cluster.api.list("hedgegrid.io/v1alpha1", "HedgeGrid")
    except Exception as error:  # noqa: BLE001  as above
        return [f"grids can't be listed: {error}"]
    shown = []
    for grid in found:
        about, status = grid["metadata"], grid.get("status") or {}
        reasons = {item["type"]: item.get("reason") for item in status.get("conditions", [])}
        if len(found) > _GRIDS and reasons.get("Ready") == "Trading":
            continue
        marked = about.get("deletionTimestamp", "not asked to go")
        shown.append(f"grid {about['namespace']}/{about['name']}: {marked}, {about.get('finalizers')}, {reasons}")
    return shown


def _pods(cluster: Cluster) -> list[str]:
    try:
        found = cluster.api.list("v1", "Pod")
    except Exception as error:  # noqa: BLE001  as above
        return [f"pods can't be listed: {error}"]
    shown = []
    for pod in found:
        about, status = pod["metadata"], pod["status"]
        conditions = {item["type"]: item["status"] for item in status.get("conditions", [])}
        if len(found) > _PODS and conditions.get("Ready") == "True":
            continue
        states = [item.get("state") for item in status.get("containerStatuses", [])]
        marked = about.get("deletionTimestamp", "not asked to go")
        node = pod["spec"].get("nodeName")
        where = f"{about['namespace']}/{about['name']} on {node} at {status.get('podIP')}"
        shown.append(f"{where}: {status.get('phase')}, {marked}, {conditions}, {states}")
    return shown


def _age(log: Path) -> str:
    return datetime.fromtimestamp(log.stat().st_mtime, UTC).isoformat(timespec="seconds")


def _tail(log: Path) -> str:
    lines = log.read_text(errors="replace").splitlines()[-_LINES:]
    return "\n".join(line[:_LINE_CHARACTERS] for line in lines)
