"""What the operator makes of an object, keeps as it made it, changes when it may, and refuses."""

from collections.abc import Iterable
from typing import Any

import pytest
import yaml

from tests.kube import ApiError, wait_until
from tests.kube.cluster import CHECKOUT
from tests.kube.installation import CHILDREN, RBAC
from tests.operator.grid_parts import (
    API,
    CHILD_COUNT,
    Field,
    Grid,
    allow_pods,
    condition,
    forbid_pods,
    kill_of,
    moment,
)


def test_one_object_becomes_one_pod_that_trades(field: Field) -> None:
    grid = field.running()
    found = grid.get()
    assert found is not None
    assert found["metadata"]["finalizers"] == ["hedgegrid.io/flatten"]
    assert {child.split()[0] for child in grid.all_children()} == {kind for _, kind in CHILDREN}
    assert [child.split()[1] for child in grid.all_children() if child.startswith("Secret")] == [
        f"{grid.child}-api",
        f"{grid.child}-tls",
    ]
    assert _owned(grid) == []
    status = found["status"]
    assert status["podUID"] == grid.pod.uid
    assert status["control"]["appliedGeneration"] == 1
    assert status["control"]["throttle"]["effective"] == 1
    assert {item["type"] for item in status["conditions"]} >= {"Accepted", "Progressing", "PodReady", "VenueReady"}
    assert "the object is valid" in grid.wait_event("Accepted")
    assert grid.wait_event("PodCreated")
    # A key of the object's own Secret opens the pod, a wrong one doesn't.
    assert grid.call("GET", "/control", key="viewer")[0] in {200, 403}
    assert grid.call("GET", "/status", key="viewer")[0] == 200


def _owned(grid: Grid) -> list[Any]:
    """Children with an owner; a pod's is its StatefulSet."""
    children = [
        child for version, kind in CHILDREN if kind != "Pod" for child in grid.children(api_version=version, kind=kind)
    ]
    return [child for child in children if child["metadata"].get("ownerReferences")]


def test_throttle_takes_effect_without_a_restart(field: Field) -> None:
    grid = field.running()
    pod, boot = grid.pod.uid, grid.call("GET", "/control")[1]["bootID"]
    # Entries are held until risk has had its say.
    full = max(wait_until(lambda: _entry_quantities(grid), 30, "entries"))
    generation = grid.patch(throttle=0.5)
    grid.wait(lambda seen: seen["control"]["throttle"]["effective"] == 0.5, "throttle 0.5")
    status = grid.wait(lambda seen: seen["control"]["appliedGeneration"] == generation, "the generation")["status"]
    assert status["control"]["throttle"]["desired"] == 0.5
    wait_until(
        lambda: (entries := _entry_quantities(grid)) and max(entries) == full / 2, 30, "every entry to be half as large"
    )
    assert (grid.pod.uid, grid.call("GET", "/control")[1]["bootID"]) == (pod, boot)
    assert "0.5" in grid.wait_event("ThrottleApplied") + str(grid.events("ThrottleApplied"))


def test_limits_take_effect_without_a_restart_and_a_trip_stands_until_rearm(field: Field) -> None:
    grid = field.with_positions()
    pod, config = grid.pod.uid, grid.get()["status"]["configHash"]
    grid.patch(risk={"maxPositionQuote": "1"})
    told = grid.wait_condition("KillSwitchEngaged", "RiskTrip")
    assert "risk.maxPositionQuote was exceeded at " in told["message"]
    flat = grid.wait(lambda seen: kill_of(seen).get("state") == "Flat", "flat by risk")["status"]
    trip, latch = flat["control"]["trip"], flat["control"]["latches"][0]
    assert (trip["reason"], trip["limit"], trip["id"]) == ("maxPositionQuote", "1", latch["id"])
    assert float(trip["observed"]) > 1
    assert kill_of(flat)["source"] == "risk"
    ready = grid.wait_condition("Ready", "RiskTrip")
    assert (ready["status"], "raise spec.rearm to 1" in ready["message"]) == ("False", True)
    assert "maxPositionQuote" in grid.wait_event("RiskTrip")
    # Wider limits alone don't release it.
    generation = grid.patch(risk={"maxPositionQuote": None})
    grid.wait(lambda seen: seen["control"]["appliedGeneration"] == generation, "the wider limits")
    assert grid.get()["status"]["control"]["trip"] == trip
    grid.patch(rearm=1)
    status = grid.wait(lambda seen: condition(seen, "Ready")["reason"] == "Trading", "trading again")["status"]
    assert "trip" not in status["control"]
    assert status["control"]["rearm"] == 1
    assert (status["podUID"], status["configHash"]) == (pod, config)


def test_a_grid_that_collapses_is_refused_until_it_is_changed(field: Field) -> None:
    grid = field.create(grid={"stepBps": 1}, sim={"startPrice": "900"})
    told = grid.wait_condition("Accepted", "GridCollapsed")
    assert told["message"].endswith("rungs would fall on one price; write at least 1.12")
    assert grid.all_children() == []
    grid.patch(grid={"stepBps": 2})
    assert "no LONG rung" in grid.wait_condition("Accepted", "Valid")["message"]


def _entry_quantities(grid: Grid) -> list[Any]:
    return [order.quantity for order in grid.venue().open_orders if order.side is order.leg.opening]


def test_children_that_are_deleted_or_changed_are_put_back(field: Field) -> None:
    grid = field.running()
    api, keys = field.cluster.api, grid.key("admin")
    config = grid.children(kind="ConfigMap")[0]["metadata"]["name"]
    pod = grid.pod.uid
    api.patch("v1", "Service", grid.child, field.namespace, {"spec": {"publishNotReadyAddresses": False}})
    api.patch("apps/v1", "StatefulSet", grid.child, field.namespace, {"spec": {"replicas": 3}})
    api.wait("apps/v1", "StatefulSet", grid.child, field.namespace, lambda s: s["spec"]["replicas"] == 1)
    api.wait("v1", "Service", grid.child, field.namespace, lambda s: s["spec"].get("publishNotReadyAddresses"))
    label = {"metadata": {"labels": {"hedgegrid.io/uid": None}}}
    api.patch("v1", "ServiceAccount", grid.child, field.namespace, label)
    api.wait("v1", "ServiceAccount", grid.child, field.namespace, lambda s: _uid_label(s) == grid.uid)
    assert grid.pod.uid == pod
    for version, kind in CHILDREN:
        if kind in {"Service", "ServiceAccount", "Role", "RoleBinding", "PodDisruptionBudget"}:
            api.delete(version, kind, grid.child, field.namespace)
    api.delete("v1", "ConfigMap", config, field.namespace)
    api.delete("v1", "Secret", f"{grid.child}-api", field.namespace)
    api.delete("apps/v1", "StatefulSet", grid.child, field.namespace)
    wait_until(lambda: len(grid.all_children()) == CHILD_COUNT and grid.pod.uid != pod, 60, "all children")
    grid.wait_condition("Ready", "Trading")
    # Keys that are lost are made anew; the operator's own is always the same.
    assert grid.key("admin") != keys
    assert grid.call("GET", "/control", key="operator")[0] == 200


def _uid_label(obj: Any) -> str | None:
    return (obj["metadata"].get("labels") or {}).get("hedgegrid.io/uid")


def test_a_rollout_is_held_until_flat_and_a_lost_pod_comes_back_as_it_was(field: Field) -> None:
    grid = field.with_positions()
    old = _revision(grid)
    before = grid.pod.uid
    grid.patch(grid={"levelsLong": 4}, pod={"env": [{"name": "COLOUR", "value": "blue"}]})
    waiting = grid.wait_condition("Progressing", "WaitingForFlat")
    assert "flattenBoth" in waiting["message"]
    assert grid.wait_condition("Ready", "WaitingForFlat")["status"] == "False"
    assert grid.pod.uid == before
    # OnDelete alone would bring a lost pod back on the new template.
    field.cluster.api.delete("v1", "Pod", f"{grid.child}-0", field.namespace, grace=0)
    wait_until(lambda: grid.pod.uid not in {None, before}, 30, "another pod")
    grid.wait(
        lambda seen: seen.get("podUID") == grid.pod.uid and condition(seen, "ControlSynced")["status"] == "True", "it"
    )
    second = grid.pod.uid
    assert _revision(grid) == old
    assert grid.wait_condition("Progressing", "WaitingForFlat")["message"] == waiting["message"]
    grid.patch(killSwitch="flattenBoth")
    wait_until(lambda: grid.pod.uid not in {None, second} and _revision(grid) != old, 60, "the rollout")
    status = grid.wait_phase("Flat")
    assert grid.wait_condition("Progressing", "Idle")
    assert kill_of(status)["state"] == "Flat"
    assert {"name": "COLOUR", "value": "blue"} in _container(grid)["env"]
    wait_until(lambda: len(grid.children(kind="ConfigMap")) == 1, 30, "the old ConfigMap to go")
    grid.nothing_opened_since(moment(kill_of(status)["deliveredTime"]))


def _container(grid: Grid) -> Any:
    found = grid.pod.get()
    assert found is not None
    return found["spec"]["containers"][0]


def _revision(grid: Grid) -> str:
    found = grid.pod.get()
    return found["metadata"]["annotations"]["hedgegrid.io/revision"] if found else ""


def test_one_account_and_instrument_has_one_grid(field: Field) -> None:
    first = field.running()
    second = field.create(account={"name": first.name})
    refused = second.wait_condition("Accepted", "DuplicateTarget", "False")
    assert f"{field.namespace}/{first.name}" in refused["message"]
    assert (second.get() or {})["status"]["phase"] == "Rejected"
    # A kill of an object that has no pod has nothing to kill, and says so.
    second.patch(killSwitch="flattenBoth")
    assert "nothing to kill" in second.wait_condition("KillSwitchEngaged", "Requested")["message"]
    second.patch(killSwitch="none")
    assert second.all_children() == []
    first.delete()
    first.gone()
    second.wait_condition("Ready", "Trading")


def test_a_name_that_is_taken_is_never_adopted(field: Field) -> None:
    api = field.cluster.api
    taken = {"name": "hedgegrid-taken", "namespace": field.namespace}
    api.create({"apiVersion": "v1", "kind": "Service", "metadata": taken, "spec": {"ports": [{"port": 80}]}})
    grid = field.create("taken")
    assert "Service hedgegrid-taken" in grid.wait_condition("Accepted", "NameTaken", "False")["message"]
    assert grid.pod.uid is None
    found = api.get("v1", "Service", grid.child, field.namespace)
    assert found is not None
    assert "labels" not in found["metadata"]
    api.delete("v1", "Service", grid.child, field.namespace)
    grid.wait_condition("Ready", "Trading")


def test_a_child_that_the_api_server_refuses_is_told_and_tried_again(field: Field) -> None:
    two_sources = {"name": "bars", "emptyDir": {}, "hostPath": {"path": "/bars"}}
    grid = field.create(pod={"volumes": [two_sources]})
    told = grid.wait(lambda seen: "refuses" in condition(seen, "Progressing").get("message", ""), "the refusal")
    assert "may not specify more than 1 volume type" in condition(told["status"], "Progressing")["message"]
    assert condition(told["status"], "Ready")["status"] == "False"
    assert grid.wait_event("ChildRefused")
    grid.patch(pod={"volumes": [{"name": "bars", "emptyDir": {}}]})
    grid.wait_condition("Ready", "Trading")


def test_a_pod_that_the_api_server_refuses_is_told_wherever_it_is_waited_for(field: Field) -> None:
    """Only the StatefulSet's controller is told; it tries again by itself."""
    grid = field.running()
    forbid_pods(field.cluster, field.namespace)
    field.cluster.api.delete("v1", "Pod", f"{grid.child}-0", field.namespace, grace=0)

    def told(kind: str) -> bool:
        return "is forbidden: exceeded quota" in condition((grid.get() or {})["status"], kind).get("message", "")

    for kind in ("PodReady", "ControlReachable", "Ready"):
        wait_until(lambda kind=kind: told(kind), 60, f"{kind} to name the quota")
    assert "exceeded quota" in grid.wait_event("ChildRefused")
    grid.patch(killSwitch="flattenBoth")
    grid.wait_condition("KillSwitchEngaged", "Requested", "True")
    wait_until(lambda: told("KillSwitchEngaged"), 60, "the kill to name the quota")
    allow_pods(field.cluster, field.namespace)
    grid.wait_phase("Flat")
    assert not any("quota" in item["message"] for item in (grid.get() or {})["status"]["conditions"])


def test_while_paused_nothing_is_changed_but_a_kill_gets_through(field: Field) -> None:
    grid = field.running()
    grid.annotate(reconcile="disabled")
    grid.wait_condition("Paused", "ReconcileAnnotation", "True")
    field.cluster.api.delete("v1", "Service", grid.child, field.namespace)
    grid.patch(throttle=0.25, killSwitch="flattenBoth")
    status = grid.wait_phase("Flat")
    assert status["control"]["throttle"]["effective"] == 1
    assert field.cluster.api.get("v1", "Service", grid.child, field.namespace) is None
    grid.annotate(reconcile=None)
    grid.wait(lambda seen: seen["control"]["throttle"]["effective"] == 0.25, "the throttle")
    field.cluster.api.wait("v1", "Service", grid.child, field.namespace, lambda _: True)


def test_an_unreadable_spec_is_refused_and_still_killed(field: Field) -> None:
    grid = field.running()
    path = f"/apis/{API}/namespaces/{field.namespace}/hedgegrids/{grid.name}"
    # The schema lets no such object in; one of a newer schema may look like it to this operator.
    with AnySchema(field):
        change = {"spec": {"killSwitch": "haltEverythingForGood", "leverage": 20}}
        wait_until(lambda: taken(field, path, change), 20, "the API server to let go of the schema")
        refused = grid.wait_condition("Accepted", "InvalidSpec", "False")
        assert "spec.killSwitch" in refused["message"]
        status = grid.wait(lambda seen: kill_of(seen).get("state") == "Halted", "the kill")["status"]
        assert kill_of(status)["effective"] == "haltEntries"
        grid.nothing_opened_since(moment(kill_of(status)["flatTime"]))


def taken(field: Field, path: str, change: dict[str, Any]) -> bool:
    """Whether the API server takes a patch; a new schema acts a moment after the definition was written."""
    try:
        field.cluster.api.request("PATCH", path, change, "application/merge-patch+json")
    except ApiError as error:
        if error.status != 422:
            raise
        return False
    return True


class AnySchema:
    """The CRD accepts anything for a while."""

    def __init__(self, field: Field) -> None:
        self._api = field.cluster.api
        self._crd = self._api.get("apiextensions.k8s.io/v1", "CustomResourceDefinition", "hedgegrids.hedgegrid.io")

    def __enter__(self) -> None:
        assert self._crd is not None
        version = {**self._crd["spec"]["versions"][0]}
        version["schema"] = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
        self._write([version])

    def __exit__(self, *_: object) -> None:
        assert self._crd is not None
        self._write(self._crd["spec"]["versions"])

    def _write(self, versions: list[Any]) -> None:
        name = "hedgegrids.hedgegrid.io"
        self._api.patch(
            "apiextensions.k8s.io/v1", "CustomResourceDefinition", name, None, {"spec": {"versions": versions}}
        )


ASKED_FOR = frozenset({"networkpolicies", "servicemonitors", "prometheusrules", "apigroups"})
"""Children that a setting or a spec asks for, each right of which test_rbac.py sees needed; and the lookup of their
kinds, which needs no role.
"""


def test_the_role_that_ships_is_all_that_is_needed_and_no_more(field: Field) -> None:
    grid = field.running()
    first = grid.pod.uid
    grid.patch(exits={"takeProfitSteps": 7}, killSwitch="flattenBoth")
    wait_until(lambda: grid.pod.uid not in {first, None}, 60, "another pod")
    grid.wait_phase("Flat")
    grid.wait_condition("Progressing", "Idle")
    wait_until(lambda: len(grid.children(kind="ConfigMap")) == 1, 30, "the old ConfigMap to go")
    grid.delete()
    grid.gone()
    requests = field.metric("hedgegrid_operator_api_requests_total")
    assert [series for series in requests if 'code="403"' in series] == []
    used = {(_label(series, "verb"), _label(series, "resource")) for series in requests}
    # Server-Side Apply makes what isn't there: the role has to allow both verbs.
    made = {"statefulsets", "configmaps", "services", "serviceaccounts", "secrets", "roles", "rolebindings"}
    made |= {"poddisruptionbudgets"}
    used |= {("create", resource) for verb, resource in used if verb == "patch" and resource in made}
    # The Lease is made once for all tests, and the watches have a client of their own. Events are read where a pod is
    # refused: test_rbac.py sees that needed.
    used |= {("create", "leases"), ("list", "events")}
    used |= {("watch", resource) for resource in ("hedgegrids", "statefulsets", "pods")}
    assert {pair for pair in used if pair[1] not in ASKED_FOR} == {
        pair for pair in _allowed() if pair[1] not in ASKED_FOR
    }


def _label(series: str, name: str) -> str:
    return series.partition(f'{name}="')[2].partition('"')[0]


def _allowed() -> Iterable[tuple[str, str]]:
    documents = yaml.safe_load_all((CHECKOUT / RBAC).read_text())
    for rule in (rule for found in documents for rule in found.get("rules", [])):
        yield from ((verb, resource) for verb in rule["verbs"] for resource in rule["resources"])


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_probes_answer(field: Field, path: str) -> None:
    assert field.operator.probe(path) == "ok"
