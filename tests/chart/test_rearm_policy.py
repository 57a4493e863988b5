"""A risk officer may engage every kill switch and release none: by the chart's policy, on a real API server."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from tests.chart.chart_parts import Json, grid, render
from tests.kube import Cluster, KubectlFailed, wait_until
from tests.kube.cluster import CHECKOUT
from tests.kube.helm import Helm
from tests.kube.installation import CRD, wait_served

API = "hedgegrid.io/v1alpha1"
POLICY = "hedgegrid-operator-rearm"
OFFICER, DESK, ROBOT = "officer", "desk", "robot"
POLICY_KINDS = {"ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding", "ClusterRole"}


class Room:
    """A grid, and three users: an officer who may kill, a desk that may release, too, and an operator."""

    def __init__(self, cluster: Cluster, namespace: str) -> None:
        self._cluster = cluster
        self._namespace = namespace

    def patch(self, user: str, body: Json, *flags: str) -> str:
        """What kubectl says to this user; raises KubectlFailed."""
        config = self._cluster.kubeconfig_for(self._namespace, user)
        arguments = ("-n", self._namespace, "patch", "hg", "btc", "--type=merge", "-p", json.dumps(body))
        return self._cluster.kubectl(*arguments, *flags, kubeconfig=config)

    def control(self, user: str, **spec: Any) -> str:
        """Change controls."""
        return self.patch(user, {"spec": spec})

    def refused(self, user: str, **spec: Any) -> str:
        """The message of a refusal."""
        with pytest.raises(KubectlFailed) as error:
            self.control(user, **spec)
        return str(error.value)

    def put(self, **spec: Any) -> None:
        """Set controls as an administrator, who has every verb."""
        self._cluster.api.patch(API, "HedgeGrid", "btc", self._namespace, {"spec": spec})

    @property
    def kill_switch(self) -> str:
        """What the object says now."""
        found = self._cluster.api.get(API, "HedgeGrid", "btc", self._namespace)
        assert found is not None
        return str(found["spec"]["killSwitch"])


@pytest.fixture
def room(helm: Helm, cluster: Cluster, namespace: str) -> Iterator[Room]:
    """The policy in force, and both users bound to the roles that come with it."""
    cluster.kubectl("apply", "--server-side", "-f", str(CHECKOUT / CRD))
    wait_served(cluster)
    objects = render(helm, {"rearmPolicy": {"enabled": True}})
    ours = [found for found in objects if found["kind"] in POLICY_KINDS]
    cluster.kubectl("apply", "-f", "-", stdin=yaml.safe_dump_all(ours))
    for user in (OFFICER, DESK, ROBOT):
        cluster.kubectl("-n", namespace, "create", "serviceaccount", user)
        _bind(cluster, namespace, user, "hedgegrid-operator-risk-officer")
    _bind(cluster, namespace, DESK, POLICY)
    made = grid()
    cluster.kubectl("-n", namespace, "create", "-f", "-", stdin=yaml.safe_dump(made))
    found = Room(cluster, namespace)
    found.put(killSwitch="haltEntries")
    wait_until(lambda: _in_force(found), 60, "the policy in force")
    found.put(killSwitch="none")
    yield found


def _bind(cluster: Cluster, namespace: str, user: str, role: str) -> None:
    account = f"--serviceaccount={namespace}:{user}"
    cluster.kubectl("-n", namespace, "create", "rolebinding", f"{user}-{role}", f"--clusterrole={role}", account)


def _in_force(room: Room) -> bool:
    try:
        room.patch(OFFICER, {"spec": {"killSwitch": "none"}}, "--dry-run=server")
    except KubectlFailed as error:
        return "needs the verb rearm" in str(error)
    return False


STRONGER = (
    ("none", "haltEntries"),
    ("none", "flattenLong"),
    ("none", "flattenBoth"),
    ("haltEntries", "flattenBoth"),
    ("flattenLong", "flattenBoth"),
)
WEAKER = (
    ("flattenBoth", "none"),
    ("flattenBoth", "haltEntries"),
    ("flattenBoth", "flattenShort"),
    ("haltEntries", "none"),
    ("haltEntries", "flattenLong"),
    ("flattenLong", "flattenShort"),
    ("flattenShort", "none"),
)


def test_an_officer_engages_every_kill_switch(room: Room) -> None:
    for before, after in STRONGER:
        room.put(killSwitch=before)
        room.control(OFFICER, killSwitch=after)
        assert room.kill_switch == after


def test_an_officer_weakens_none_and_is_told_what_it_takes(room: Room) -> None:
    for before, after in WEAKER:
        room.put(killSwitch=before)
        told = room.refused(OFFICER, killSwitch=after)
        assert f"weakening killSwitch from {before} to {after} needs the verb rearm on hedgegrids" in told
        assert f"Bind ClusterRole {POLICY}" in told
        assert room.kill_switch == before


def test_the_desk_releases(room: Room) -> None:
    for before, after in WEAKER:
        room.put(killSwitch=before)
        room.control(DESK, killSwitch=after)
        assert room.kill_switch == after


def test_raising_rearm_releases_latches_and_takes_the_verb_too(room: Room) -> None:
    assert "raising rearm needs the verb rearm" in room.refused(OFFICER, rearm=1)
    room.control(DESK, rearm=1)


def test_what_isnt_a_release_needs_no_verb(room: Room) -> None:
    """A throttle, a reason, an engagement that changes nothing; and an operator's finalizer on an engaged grid."""
    room.put(killSwitch="flattenBoth")
    room.control(OFFICER, throttle=0)
    room.control(OFFICER, killSwitch="flattenBoth", throttle=1)
    room.patch(OFFICER, {"metadata": {"annotations": {"hedgegrid.io/reason": "limit"}}})
    room.patch(ROBOT, {"metadata": {"finalizers": ["hedgegrid.io/flatten"]}})
    room.patch(ROBOT, {"metadata": {"finalizers": None}})
