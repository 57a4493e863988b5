"""Grids in Git: a kill by hand outlives every sync, one by commit works, and GitOps tools see the health that is.

Syncs are what the tools send: server-side apply (Argo CD, Flux) and the three-way merge of `kubectl apply` (Argo CD).
"""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import lupa
import pytest
import yaml

from tests.chart.chart_parts import Json
from tests.kube import Cluster, KubectlFailed, wait_until
from tests.kube.cluster import CHECKOUT
from tests.kube.installation import CRD, wait_served

EXAMPLES = CHECKOUT / "examples" / "gitops"
API = "hedgegrid.io/v1alpha1"


class Git:
    """A folder of the example, and the ways in which tools sync it."""

    def __init__(self, cluster: Cluster, namespace: str) -> None:
        self._cluster = cluster
        self.namespace = namespace

    def built(self, folder: str) -> str:
        """What Kustomize makes of it."""
        return self._cluster.kubectl("kustomize", str(EXAMPLES / folder))

    def server_side(self, text: str) -> None:
        """As Argo CD and Flux do: forced, by a manager of their own."""
        flags = ("--server-side", "--force-conflicts", "--field-manager=gitops")
        self._cluster.kubectl("-n", self.namespace, "apply", *flags, "-f", "-", stdin=text)

    def client_side(self, text: str) -> None:
        """As Argo CD does without ServerSideApply."""
        self._cluster.kubectl("-n", self.namespace, "apply", "-f", "-", stdin=text)

    def by_hand(self, **spec: Any) -> None:
        """The command of the README."""
        patch = json.dumps({"spec": spec})
        self._cluster.kubectl("-n", self.namespace, "patch", "hg", "btc", "--type", "merge", "-p", patch)

    @property
    def spec(self) -> Json:
        """The object's."""
        found = self._cluster.api.get(API, "HedgeGrid", "btc", self.namespace)
        assert found is not None
        return found["spec"]


@pytest.fixture
def git(cluster: Cluster, namespace: str) -> Iterator[Git]:
    """A namespace for one test."""
    cluster.kubectl("apply", "--server-side", "-f", str(CHECKOUT / CRD))
    wait_served(cluster)
    yield Git(cluster, namespace)


SYNCS: dict[str, Callable[[Git, str], None]] = {"server-side": Git.server_side, "client-side": Git.client_side}


@pytest.mark.parametrize("sync", SYNCS.values(), ids=SYNCS)
def test_a_kill_by_hand_outlives_syncs_of_the_layout(git: Git, sync: Callable[[Git, str], None]) -> None:
    sync(git, git.built("base"))
    git.by_hand(killSwitch="flattenBoth", throttle=0.25)
    sync(git, git.built("base"))
    changed = git.built("base").replace("stepBps: 25", "stepBps: 30")
    sync(git, changed)
    assert (git.spec["grid"]["stepBps"], git.spec["killSwitch"], git.spec["throttle"]) == (30, "flattenBoth", 0.25)


@pytest.mark.parametrize("sync", SYNCS.values(), ids=SYNCS)
def test_a_manifest_that_holds_the_field_releases_a_kill(git: Git, sync: Callable[[Git, str], None]) -> None:
    """Why the layout leaves it out."""
    wrong = git.built("base").replace("  mode: sim", "  killSwitch: none\n  mode: sim")
    sync(git, wrong)
    git.by_hand(killSwitch="flattenBoth")
    sync(git, wrong)
    assert git.spec["killSwitch"] == "none"


def test_throttle_and_kill_by_commit_and_back(git: Git) -> None:
    git.server_side(git.built("base"))
    git.server_side(git.built("throttle"))
    assert git.spec["throttle"] == 0.5
    git.server_side(git.built("kill"))
    assert (git.spec["throttle"], git.spec["killSwitch"]) == (1, "flattenBoth")
    git.server_side(git.built("base"))
    assert git.spec["killSwitch"] == "none"


def test_a_kill_with_a_second_owner_outlives_the_commit_that_is_taken_back(cluster: Cluster, git: Git) -> None:
    git.server_side(git.built("kill"))
    (block,) = [text for text in (EXAMPLES / "README.md").read_text().split("```") if "--field-manager=risk" in text]
    manifest = (
        block.partition("<<'EOF'\n")[2].partition("EOF")[0].replace("namespace: grids", f"namespace: {git.namespace}")
    )
    cluster.kubectl("apply", "--server-side", "--field-manager=risk", "-f", "-", stdin=manifest)
    git.server_side(git.built("base"))
    assert git.spec["killSwitch"] == "flattenBoth"


def test_no_folder_but_those_of_the_controls_holds_a_control(git: Git) -> None:
    controls = {"killSwitch", "throttle", "rearm"}
    for folder, held in {"base": set(), "throttle": {"throttle"}, "kill": {"killSwitch"}}.items():
        for found in yaml.safe_load_all(git.built(folder)):
            assert controls & set(found["spec"]) == held
            assert found["metadata"]["annotations"]["kustomize.toolkit.fluxcd.io/ssa"] == "Merge"


def test_tools_never_make_an_object_anew() -> None:
    application = yaml.safe_load((EXAMPLES / "argocd" / "application.yaml").read_text())
    options = application["spec"]["syncPolicy"]["syncOptions"]
    assert options == ["ServerSideApply=true"]
    assert "ignoreDifferences" not in application["spec"]
    assert yaml.safe_load((EXAMPLES / "flux" / "kustomization.yaml").read_text())["spec"]["force"] is False


def _health(found: Json) -> str:
    (script,) = yaml.safe_load((EXAMPLES / "argocd" / "health.yaml").read_text())["data"].values()
    runtime = lupa.LuaRuntime()
    run: Any = runtime.execute(f"return function(obj)\n{script}\nend")
    return str(run(runtime.table_from(found, recursive=True))["status"])


def _shown(phase: str, ready: str, reason: str, *, generation: int = 1, **conditions: tuple[str, str]) -> Json:
    all_of_them = {"Ready": (ready, reason), "Accepted": ("True", "Valid"), **conditions}
    return {
        "metadata": {"name": "btc", "generation": generation},
        "status": {
            "phase": phase,
            "observedGeneration": 1,
            "conditions": [
                {"type": kind, "status": status, "reason": why, "message": "told"}
                for kind, (status, why) in all_of_them.items()
            ],
        },
    }


HEALTH = {
    "trading": (_shown("Running", "True", "Trading"), "Healthy"),
    "killed and flat": (_shown("Flat", "True", "Flat"), "Healthy"),
    "halted as asked": (_shown("Halted", "True", "Halted"), "Healthy"),
    "a kill under way": (_shown("Flattening", "False", "Flattening"), "Progressing"),
    "a kill that fails": (_shown("Flattening", "False", "FlattenFailed"), "Degraded"),
    "tripped": (_shown("Flat", "False", "RiskTrip"), "Degraded"),
    "engaged through the API": (_shown("Halted", "False", "EngagedByAPI"), "Degraded"),
    "dust": (_shown("Flat", "False", "Dust"), "Degraded"),
    "pod unreachable": (_shown("Degraded", "False", "NotReachable"), "Degraded"),
    "starting": (_shown("Starting", "False", "Starting"), "Progressing"),
    "waits for flat": (_shown("Running", "False", "WaitingForFlat"), "Progressing"),
    "changed just now": (_shown("Running", "True", "Trading", generation=2), "Progressing"),
    "refused": (_shown("Rejected", "False", "DuplicateTarget", Accepted=("False", "DuplicateTarget")), "Degraded"),
    "paused": (_shown("Running", "True", "Trading", Paused=("True", "ReconcileAnnotation")), "Suspended"),
    "new": ({"metadata": {"name": "btc", "generation": 1}}, "Progressing"),
}


@pytest.mark.parametrize(("found", "expected"), HEALTH.values(), ids=HEALTH)
def test_argo_cd_sees_the_health_that_is(found: Json, expected: str) -> None:
    assert _health(found) == expected


def test_a_deletion_is_under_way_whatever_else_is_shown() -> None:
    found = _shown("Deleting", "False", "Deleting")
    found["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    assert _health(found) == "Progressing"


FLUX = yaml.safe_load((EXAMPLES / "flux" / "kustomization.yaml").read_text())["spec"]["healthCheckExprs"][0]


def test_flux_sees_the_health_that_is(cluster: Cluster, git: Git) -> None:
    """Its expressions, in its order, evaluated by the API server: in a policy that refuses and says the verdict."""
    order = (("inProgress", "InProgress"), ("failed", "Failed"), ("current", "Current"))
    verdict = " : ".join([*(f"({FLUX[name]}) ? '{shown}'" for name, shown in order), "'Waiting'"])
    shown = verdict.replace("status.", "object.status.").replace("c.object.status", "c.status")
    shown = shown.replace("metadata.generation", "object.metadata.generation")
    _say_by_policy(cluster, shown)
    expected = {"Healthy": "Current", "Suspended": "Current"}
    git.server_side(git.built("base"))
    for name, (found, health) in HEALTH.items():
        if found.get("status") is None or health == "Progressing" or "fails" in name:
            continue
        told = _told(cluster, git, found)
        assert told == expected.get(health, told), name
        assert (told == "Current") == (health in expected), name
    behind = _shown("Running", "True", "Trading")
    behind["status"]["observedGeneration"] = 99
    assert _told(cluster, git, behind) == "InProgress"


POLICY = "says-health"


def _say_by_policy(cluster: Cluster, expression: str) -> None:
    rule = {
        "apiGroups": ["hedgegrid.io"],
        "apiVersions": ["*"],
        "operations": ["UPDATE"],
        "resources": ["hedgegrids/status"],
    }
    spec = {
        "failurePolicy": "Fail",
        "matchConstraints": {"resourceRules": [rule]},
        "validations": [{"expression": "false", "messageExpression": f"'verdict ' + ({expression})"}],
    }
    kinds = {"ValidatingAdmissionPolicy": spec}
    kinds["ValidatingAdmissionPolicyBinding"] = {"policyName": POLICY, "validationActions": ["Deny"]}
    for kind, content in kinds.items():
        cluster.api.create(
            {
                "apiVersion": "admissionregistration.k8s.io/v1",
                "kind": kind,
                "metadata": {"name": POLICY},
                "spec": content,
            }
        )


def _told(cluster: Cluster, git: Git, found: Json) -> str:
    status = {**found["status"], "observedGeneration": found["status"]["observedGeneration"]}
    patch = json.dumps({"status": status})
    arguments = ("-n", git.namespace, "patch", "hg", "btc", "--subresource=status", "--type=merge", "-p", patch)

    def refused() -> str | None:
        try:
            cluster.kubectl(*arguments, "--dry-run=server")
        except KubectlFailed as error:
            return str(error)
        return None

    told = wait_until(refused, 60, "the policy in force")
    assert "verdict " in told, told
    return told.partition("verdict ")[2].split()[0]


def test_examples_are_named_by_the_files_that_are_there() -> None:
    folders = {path.name for path in EXAMPLES.iterdir() if path.is_dir()}
    told = (EXAMPLES / "README.md").read_text()
    assert folders == {"base", "throttle", "kill", "argocd", "flux"}
    assert all(f"`{name}/`" in told for name in folders)
    assert Path(EXAMPLES / "base" / "btc.yaml").is_file()
