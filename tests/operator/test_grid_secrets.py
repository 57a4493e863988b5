"""Nothing secret where a person or a program may look: logs at DEBUG, Events, statuses, metrics, answers, processes."""

import base64
import json
import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kube import Cluster, wait_until
from tests.kube.installation import CHILDREN, NAMESPACE
from tests.operator.grid_parts import Field, Grid

CANARY = f"canary-{secrets.token_hex(12)}"


@pytest.fixture(scope="module")
def shared_field(own_cluster: Cluster) -> Iterator[Field]:
    """An operator that tells everything."""
    found = Field(own_cluster, HEDGEGRID_OPERATOR_LOG_LEVEL="DEBUG")
    try:
        found.start()
        yield found
    finally:
        found.close()


def _forms(value: bytes) -> set[str]:
    """A secret as it is, in base64, and in hexadecimal digits; of a PEM file its longest line."""
    text = value.decode(errors="ignore")
    lines = [line for line in text.splitlines() if "-----" not in line]
    if "PRIVATE KEY" in text:
        text = max(lines, key=len)
    return {text.strip(), base64.b64encode(value).decode(), value.hex()}


def _planted(field: Field, grid: Grid) -> dict[str, set[str]]:
    """Everything that nobody may see, by what it is."""
    api, found = field.cluster.api, dict[str, set[str]]()
    for secret in [*api.list("v1", "Secret", NAMESPACE), *grid.children(kind="Secret")]:
        for name, value in secret.get("data", {}).items():
            if name not in {"tls.crt", "ca.crt"}:
                found[f"{secret['metadata']['name']}/{name}"] = _forms(base64.b64decode(value))
    for path in field.cluster.folder.rglob("token"):
        if path.is_file():
            found[str(path)] = {path.read_text().strip()}
    for path in field.cluster.folder.glob("kubeconfig*"):
        for line in path.read_text().splitlines():
            name, _, value = line.strip().partition(": ")
            if name in {"token", "client-key-data"}:
                found[f"{path.name} {name}"] = {value.strip("'\"")}
    return {what: {form for form in forms if len(form) >= 16} for what, forms in found.items()}


def _shown(field: Field, grid: Grid) -> dict[str, str]:
    """Everything that may be seen, by where."""
    api = field.cluster.api
    found = {
        "operator's log": field.operator.process.log(),
        "operator's metrics": field.operator.probe("/metrics") or "",
        "pod's log": grid.pod.log(),
        "Events": json.dumps(api.list("events.k8s.io/v1", "Event", field.namespace)),
        "object": json.dumps(grid.get()),
    }
    for version, kind in CHILDREN:
        if kind != "Secret":
            found[kind] = json.dumps(grid.children(api_version=version, kind=kind))
    for route in ("/history", "/audit", "/status", "/control", "/orders", "/fills", "/openapi.json"):
        found[route] = json.dumps(grid.call("GET", route, key="admin"))
    for name, pid in (("operator", field.operator.process.pid), ("pod", grid.pod.pid)):
        found[f"{name}'s command line"] = Path(f"/proc/{pid}/cmdline").read_text()
        found[f"{name}'s environment"] = Path(f"/proc/{pid}/environ").read_text(errors="replace")
    return found


def test_whatever_goes_wrong_nothing_secret_is_shown(field: Field) -> None:
    """Keys are used and refused, the pod is cut off and killed, Secrets are taken, the operator starts anew."""
    hostile = "\u202e\x1b[31mred\nforged: line\r"
    grid = field.running(pod={"env": [{"name": "TOKEN", "value": CANARY}]})
    grid.annotate(reason=hostile)
    for key in ("viewer", "trader", "admin", "operator"):
        grid.call("POST", "/flatten", {"side": "up", "reason": hostile}, key=key)
        grid.call("PUT", "/control", {"uid": "another"}, key=key)
    grid.pod.refuse()
    wait_until(lambda: grid.events("PodUnreachable"), 60, "the pod to be unreachable")
    grid.pod.heal()
    grid.pod.drop_answer()
    grid.patch(killSwitch="haltEntries")
    wait_until(lambda: "kill_delivery_failures" in (field.operator.probe("/metrics") or ""), 30, "a failed delivery")
    grid.pod.heal()
    grid.wait_phase("Halted")
    # What is in the Secrets is lost and made anew, together with the pod.
    before = _planted(field, grid)
    names = [secret["metadata"]["name"] for secret in grid.children(kind="Secret")]
    pod = grid.pod.uid
    for name in names:
        field.cluster.api.delete("v1", "Secret", name, field.namespace)
    field.cluster.api.delete("v1", "Pod", f"{grid.child}-0", field.namespace, grace=0)
    wait_until(lambda: len(grid.children(kind="Secret")) == len(names), 60, "the Secrets")
    wait_until(lambda: grid.pod.uid not in {None, pod}, 60, "another pod")
    grid.wait(lambda seen: seen.get("podUID") == grid.pod.uid, "the pod in the status")
    grid.wait_condition("Ready", "Halted")
    field.operator.kill()
    field.start()
    grid.patch(killSwitch="flattenBoth")
    grid.wait_phase("Flat")
    planted, shown = before | _planted(field, grid), _shown(field, grid)
    assert len(planted) >= 7
    leaks = [
        (what, where)
        for what, forms in {**before, **planted}.items()
        for where, text in shown.items()
        if any(form in text for form in forms)
    ]
    assert leaks == []
    # What somebody wrote into the spec's environment stands in the object and its pod, and is told nowhere.
    assert [where for where, text in shown.items() if CANARY in text and where not in _SPEC] == []
    assert all(line.isprintable() for line in shown["operator's log"].splitlines())
    assert not any("\\u202e" in shown[where] or "\\u001b" in shown[where] for where in ("Events", "/status"))


_SPEC = {"object", "StatefulSet", "Pod", "pod's environment"}
