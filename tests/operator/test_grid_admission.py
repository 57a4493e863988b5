"""Whom the operator runs a grid for, whose objects it never touches, and what it does when somebody touches its own."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from typing import Any

import pytest

from tests.kube import ApiError, wait_until
from tests.kube.installation import NAMESPACE, SERVICE_ACCOUNT
from tests.operator.grid_parts import API, Field, Grid, Json, condition, moment

OWN_INSTALLATION = "hedgegrid-system"
_RBAC = "rbac.authorization.k8s.io/v1"


def marked(field: Field, name: str, installation: str, **spec: Any) -> Grid:
    """A grid that says from the beginning whose it is."""
    manifest = field.manifest(name, **spec)
    manifest["metadata"]["annotations"] = {"hedgegrid.io/installation": installation}
    return field.adopt(field.cluster.api.create(manifest))


def about(grid: Grid) -> Json:
    found = grid.get()
    assert found is not None
    metadata: Json = found["metadata"]
    return metadata


def test_another_installations_grid_is_left_alone_and_ours_once_its_mark_says_so(field: Field) -> None:
    grid = marked(field, "strange", "green")
    told = grid.wait_condition("Accepted", "OtherInstallation", "False")["message"]
    assert "belongs to installation green" in told
    assert f"set the annotation to {OWN_INSTALLATION}" in told
    grid.patch(killSwitch="flattenBoth")
    grid.wait(lambda seen: seen.get("observedGeneration") == 2, "the status of its new generation")
    assert grid.all_children() == []
    assert "finalizers" not in about(grid)
    grid.patch(killSwitch="none")
    # Without a restart, and by itself, it is everybody's again.
    grid.annotate(installation=None)
    grid.wait_condition("Ready", "Trading")
    assert about(grid)["annotations"]["hedgegrid.io/installation"] == OWN_INSTALLATION
    assert about(grid)["finalizers"] == ["hedgegrid.io/flatten"]


def test_two_installations_share_a_cluster_and_never_write_in_turn(field: Field) -> None:
    green = field.new_operator("green", HEDGEGRID_OPERATOR_INSTALLATION="green", HEDGEGRID_OPERATOR_LEASE_NAME="green")
    _may_hold(field, "green")
    green.start()
    theirs = marked(field, "theirs", "green")
    ours = marked(field, "ours", OWN_INSTALLATION)
    for grid in (theirs, ours):
        grid.wait(lambda seen: condition(seen, "Ready").get("reason") == "Trading", "trading", timeout=120)
    # Nobody but its own installation stops it, or lets it go.
    theirs.patch(killSwitch="haltEntries")
    theirs.wait_phase("Halted")
    field.operator.stop()
    theirs.patch(killSwitch="flattenBoth")
    theirs.wait_phase("Flat")
    ours.delete()
    field.start()
    ours.gone()
    green.kill()
    theirs.delete()
    generation = theirs.generation
    # The one that is left sees a deleted grid for several LISTs, and doesn't touch it.
    wait_until(lambda: field.metric("hedgegrid_operator_api_requests_total"), 20, "metrics")
    lists = _lists(field)
    wait_until(lambda: _lists(field) >= lists + 3, 40, "three more LISTs")
    assert (theirs.generation, about(theirs)["finalizers"]) == (generation, ["hedgegrid.io/flatten"])
    assert theirs.children(api_version="apps/v1", kind="StatefulSet")
    written = {event.get("grid") for event in field.operator.events() if event.get("message") in {"applied", "removed"}}
    assert "theirs" not in written
    green.start()
    theirs.gone()


def _may_hold(field: Field, lease: str) -> None:
    """The role that ships names its own Lease only."""
    group, about = "rbac.authorization.k8s.io", {"name": f"{lease}-lease", "namespace": NAMESPACE}
    rules = [{"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": ["get", "create", "patch"]}]
    field.cluster.api.apply({"apiVersion": f"{group}/v1", "kind": "Role", "metadata": about, "rules": rules})
    subject = {"kind": "ServiceAccount", "name": SERVICE_ACCOUNT, "namespace": NAMESPACE}
    role = {"apiGroup": group, "kind": "Role", "name": about["name"]}
    binding = {"apiVersion": f"{group}/v1", "kind": "RoleBinding", "metadata": about}
    field.cluster.api.apply(binding | {"roleRef": role, "subjects": [subject]})


def _lists(field: Field) -> float:
    samples = field.metric("hedgegrid_operator_api_requests_total")
    return sum(value for series, value in samples.items() if 'verb="list"' in series and '"hedgegrids"' in series)


def strangers(field: Field, name: str, config_map: str) -> list[Json]:
    """An object of somebody else under the name of each child."""
    child = f"hedgegrid-{name}"
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "x"}
    pod = {
        "metadata": {"labels": {"a": "b"}},
        "spec": {"containers": [{"name": "a", "image": "a", "command": ["true"]}]},
    }
    stateful_set = {"selector": {"matchLabels": {"a": "b"}}, "serviceName": "a", "replicas": 0, "template": pod}
    found: list[tuple[str, str, str, Json]] = [
        ("v1", "ConfigMap", config_map, {"data": {"a": "b"}}),
        ("v1", "Secret", f"{child}-api", {"stringData": {"a": "b"}}),
        ("v1", "Secret", f"{child}-tls", {"stringData": {"a": "b"}}),
        ("v1", "Service", child, {"spec": {"ports": [{"port": 80}]}}),
        ("v1", "ServiceAccount", child, {}),
        ("policy/v1", "PodDisruptionBudget", child, {"spec": {"maxUnavailable": 1}}),
        (_RBAC, "Role", child, {"rules": []}),
        (_RBAC, "RoleBinding", child, {"roleRef": role, "subjects": []}),
        ("apps/v1", "StatefulSet", child, {"spec": stateful_set}),
    ]
    return [
        {"apiVersion": version, "kind": kind, "metadata": {"name": own, "namespace": field.namespace}, **content}
        for version, kind, own, content in found
    ]


@pytest.mark.parametrize("place", range(9))
def test_a_name_that_is_taken_is_never_adopted_whatever_it_is(field: Field, place: int) -> None:
    api, name = field.cluster.api, f"t-{place}"
    # What the pod does isn't the matter here.
    field.cluster.hold_pending(field.namespace, "hedgegrid-t-*")
    listed = strangers(field, name, _config_map(field, name))
    assert len(listed) == 9
    stranger = listed[place]
    version, kind, own = stranger["apiVersion"], stranger["kind"], stranger["metadata"]["name"]
    made = api.create(stranger)
    grid = field.create(name)
    told = grid.wait_condition("Accepted", "NameTaken", "False")["message"]
    assert told.startswith(f"{kind} {own} exists and isn't this grid's")
    assert "delete or rename it, or give this HedgeGrid another name" in told
    assert grid.children(api_version="apps/v1", kind="StatefulSet") == []
    found = api.get(version, kind, own, field.namespace)
    assert found is not None
    assert (found["metadata"]["uid"], found["metadata"].get("labels")) == (made["metadata"]["uid"], None)
    # Nobody tells us that it has gone: the next check of the children sees it.
    api.delete(version, kind, own, field.namespace)
    grid.wait_condition("Accepted", "Valid", "True")
    api.wait("apps/v1", "StatefulSet", grid.child, field.namespace, bool)
    field.drop(grid)


def _config_map(field: Field, name: str) -> str:
    """The name that the ConfigMap of such a grid will have: its hash is that of any grid with the same spec."""
    sample = field.create("t-sample")
    found = wait_until(lambda: sample.children(kind="ConfigMap"), 30, "a ConfigMap")
    field.drop(sample)
    return str(found[0]["metadata"]["name"]).replace("t-sample", name)


# Kind → a change of something that is ours, and how it looks when it is as it was.
CHANGES: dict[tuple[str, str], Json] = {
    ("v1", "Service"): {"spec": {"publishNotReadyAddresses": False}},
    ("v1", "ServiceAccount"): {"automountServiceAccountToken": True},
    ("v1", "ConfigMap"): {"metadata": {"labels": {"hedgegrid.io/uid": "another"}}},
    ("policy/v1", "PodDisruptionBudget"): {"spec": {"minAvailable": 7}},
    (_RBAC, "Role"): {"rules": [{"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"]}]},
    (_RBAC, "RoleBinding"): {"subjects": []},
    ("apps/v1", "StatefulSet"): {"spec": {"replicas": 2}},
}


def test_a_change_of_any_child_is_put_back(field: Field) -> None:
    api, grid = field.cluster.api, field.running()
    pod = grid.pod.uid
    names = {
        (version, kind): grid.children(api_version=version, kind=kind)[0]["metadata"]["name"]
        for version, kind in CHANGES
    }
    before = {key: _ours(api.get(*key, names[key], field.namespace)) for key in CHANGES}
    for key, change in CHANGES.items():
        changed = api.patch(*key, names[key], field.namespace, change)
        assert _ours(changed) != before[key]
    for key in CHANGES:
        wait_until(lambda key=key: _ours(api.get(*key, names[key], field.namespace)) == before[key], 40, f"{key[1]}")
    # One change each is no conflict, and none of them touched the pod.
    assert grid.events("ApplyConflict") == []
    assert grid.pod.uid == pod


def _ours(found: Json | None) -> Json:
    """An object without what the API server and other controllers write."""
    return {
        name: {part: value for part, value in content.items() if part in {"labels", "name"}}
        if name == "metadata"
        else content
        for name, content in (found or {}).items()
        if name != "status"
    }


@contextmanager
def fighting(field: Field, grid: Grid) -> Iterator[list[str]]:
    """Another field manager takes a field of the Service whenever it has been put back; each time is listed."""
    api, stop, taken = field.cluster.api, threading.Event(), list[str]()
    about = {"name": grid.child, "namespace": field.namespace}
    manifest: Json = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": about,
        "spec": {"publishNotReadyAddresses": False},
    }

    def fight() -> None:
        while not stop.wait(0.05):
            found = api.get("v1", "Service", grid.child, field.namespace)
            if found is not None and found["spec"].get("publishNotReadyAddresses"):
                try:
                    taken.append(api.apply(manifest, "fighter")["metadata"]["resourceVersion"])
                except ApiError as error:
                    if error.status != 409:
                        raise

    thread = threading.Thread(target=fight)
    thread.start()
    try:
        yield taken
    finally:
        stop.set()
        thread.join()


def test_a_field_that_is_taken_again_and_again_is_a_conflict_that_names_field_and_manager(field: Field) -> None:
    field.operator.stop()
    patient = field.new_operator(
        "patient", HEDGEGRID_OPERATOR_CONFLICT_WINDOW="60", HEDGEGRID_OPERATOR_CONFLICT_PAUSE="6"
    )
    patient.start()
    patient.wait_leading()
    grid = field.running()
    began = len(_put_back(patient.events()))
    with fighting(field, grid) as taken:
        told = grid.wait_condition("Progressing", "ApplyConflict")["message"]
        assert told.startswith(
            f"Service {grid.child}: spec.publishNotReadyAddresses is changed again and again by fighter"
        )
        assert "hedgegrid.io/reconcile" in told
        assert "it is put back every 6 s" in told
        assert grid.wait_event("ApplyConflict") == told
        assert condition((grid.get() or {})["status"], "Ready")["reason"] == "ApplyConflict"
        since = condition((grid.get() or {})["status"], "Ready")["lastTransitionTime"]
        wait_until(lambda: len(_put_back(patient.events())) >= began + 5, 60, "five times in all")
        # Every one of them was taken again, and the grid traded all the while.
        assert len(taken) >= 5
        # Put back for a moment is no end of it: the condition doesn't come and go.
        ready = condition((grid.get() or {})["status"], "Ready")
        assert (ready["reason"], ready["lastTransitionTime"]) == ("ApplyConflict", since)
        times = [moment(event["time"]) for event in _put_back(patient.events())[began : began + 5]]
    gaps = [(later - earlier).total_seconds() for earlier, later in pairwise(times)]
    # Three when they are seen, the others after a pause each. (The log is written a moment after the decision.)
    assert min(gaps[:2]) < 5.5 <= min(gaps[2:])
    grid.wait_condition("Progressing", "Idle")
    field.cluster.api.wait(
        "v1", "Service", grid.child, field.namespace, lambda s: s["spec"].get("publishNotReadyAddresses")
    )
    grid.wait_condition("Ready", "Trading")


def _put_back(events: list[Json]) -> list[Json]:
    return [event for event in events if (event.get("message"), event.get("kind")) == ("applied", "Service")]


def test_a_refused_duplicate_goes_on_by_itself_when_the_other_grid_is_gone(field: Field) -> None:
    first = field.create(account={"name": "shared"})
    first.wait_condition("Accepted", "Valid")
    wait_until(lambda: first.children(api_version="apps/v1", kind="StatefulSet"), 30, "its StatefulSet")
    second = field.create(account={"name": "shared"})
    second.wait_condition("Accepted", "DuplicateTarget", "False")
    field.drop(first)
    field.cluster.api.wait_gone(API, "HedgeGrid", first.name, field.namespace)
    second.wait_condition("Accepted", "Valid", "True")
