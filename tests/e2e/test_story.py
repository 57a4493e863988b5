"""What a platform engineer does on the first days, on a real kubelet: each test is a step, in this order."""

import json
import urllib.request
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from time import monotonic
from typing import Any

import pytest

from naut_hedgegrid.venues.sim.audit import Audit
from tests import pod_api
from tests.e2e.installation import (
    CHART,
    NEXT,
    OPERATOR_IMAGE,
    RELEASE,
    REQUESTS,
    SLOW,
    STEADY,
    STRATEGY_IMAGE,
    SYSTEM,
    Installed,
    another_pod,
    is_flat,
    market_moves,
    pod_of,
    pod_uid,
    refused,
    restarts,
    trades,
)
from tests.e2e.memory import container_cgroup, exhaust
from tests.e2e.port_forward import port_forward
from tests.e2e.report import Report
from tests.e2e.scraping import Prometheus
from tests.images import Images
from tests.kube import scraping, wait_until
from tests.kube.debian import PackageUnavailable
from tests.kube.helm import Helm, HelmFailed, find_helm
from tests.kube.progress import Say
from tests.kube.real import RealCluster
from tests.operator.grid_parts import Grid, kill_of, moment
from tests.operator.rollout_parts import Exits

pytestmark = [pytest.mark.story, pytest.mark.timeout(900)]

HOME = "grids"
OTHER = "grids-elsewhere"
MEBIBYTE = 1 << 20


@dataclass
class World:
    """What one step leaves for the next."""

    installed: Installed
    grids: dict[str, Grid[RealCluster]] = field(default_factory=dict[str, Grid[RealCluster]])

    @property
    def cluster(self) -> RealCluster:
        return self.installed.cluster

    @property
    def btc(self) -> Grid[RealCluster]:
        """The example."""
        return self.grids["btc"]

    @property
    def steady(self) -> Grid[RealCluster]:
        """The same, but its positions stay once they are there."""
        return self.grids["steady"]


@pytest.fixture(scope="module")
def world(cluster: RealCluster, images: Images, say: Say, report: Report) -> World:
    """Both images on the node, each under two tags; nothing installed yet."""
    began = monotonic()
    for archive in (images.operator, images.strategy):
        cluster.load(archive)
    for name in (OPERATOR_IMAGE, STRATEGY_IMAGE):
        cluster.tag(name, f"{name.rpartition(':')[0]}:{NEXT}")
    report.preparation["images loaded"] = monotonic() - began
    return World(Installed(cluster, Helm(find_helm(say), cluster.folder / "helm", cluster.kubeconfig)))


def test_helm_installs_two_operators_of_which_one_leads(world: World) -> None:
    world.installed.make_namespace(SYSTEM)
    world.installed.make_namespace(HOME)
    told = world.installed.helm("install", RELEASE, str(CHART), "--wait", f"--timeout={SLOW:.0f}s")
    assert "STATUS: deployed" in told
    operators = world.installed.operators()
    assert len(operators) == 2
    lease = world.cluster.api.wait(
        "coordination.k8s.io/v1", "Lease", RELEASE, SYSTEM, lambda found: found["spec"].get("holderIdentity"), SLOW
    )
    assert lease["spec"]["holderIdentity"].startswith(tuple(pod["metadata"]["name"] for pod in operators))


def test_an_applied_grid_trades_within_its_requests(world: World, report: Report) -> None:
    grid = world.grids["btc"] = world.installed.apply_grid("btc", HOME)
    trades(grid)
    assert world.cluster.kubectl("get", "hg", "btc", f"--namespace={HOME}").count("True") == 1
    pod = pod_of(grid)
    assert pod["spec"]["containers"][0]["resources"]["requests"] == REQUESTS
    # Two samples of the kubelet's: by then the start is over.
    usage = wait_until(lambda: _usage(world, grid), SLOW, "the kubelet's figures of the pod", every=0.5)
    report.figures["pod, working set"] = f"{usage['memory'] / MEBIBYTE:.0f} MiB of {REQUESTS['memory']}"
    report.figures["pod, CPU"] = f"{usage['cpu'] * 1000:.0f} m of {REQUESTS['cpu']}"
    assert usage["memory"] < 192 * MEBIBYTE
    assert usage["cpu"] < 0.1
    assert restarts(pod_of(grid)) == 0


def _usage(world: World, grid: Grid[RealCluster]) -> dict[str, float] | None:
    """What the pod uses by the kubelet: cores, and bytes that count against its limit; None while it isn't settled."""
    summary = world.cluster.api.request("GET", f"/api/v1/nodes/{world.cluster.name}/proxy/stats/summary")
    pods = [pod for pod in summary["pods"] if pod["podRef"]["name"] == f"{grid.child}-0"]
    if not pods or "usageNanoCores" not in pods[0].get("cpu", {}):
        return None
    age = datetime.now(UTC) - moment(pod_of(grid)["status"]["containerStatuses"][0]["state"]["running"]["startedAt"])
    if age.total_seconds() < 40:
        return None
    return {"cpu": pods[0]["cpu"]["usageNanoCores"] / 1e9, "memory": pods[0]["memory"]["workingSetBytes"]}


def test_logs_exec_and_port_forward_work_as_a_user_tries_them(world: World) -> None:
    grid, kubectl = world.btc, world.cluster.kubectl
    lines = kubectl("logs", f"{grid.child}-0", f"--namespace={HOME}").splitlines()
    assert lines
    assert all(isinstance(json.loads(line), dict) for line in lines)
    version = kubectl("exec", f"{grid.child}-0", f"--namespace={HOME}", "--", "python", "--version")
    assert version.startswith("Python 3.13")
    user = kubectl("exec", f"{grid.child}-0", f"--namespace={HOME}", "--", "id", "-u")
    assert user.strip() == "10001"
    with port_forward(world.cluster, HOME, f"service/{grid.child}", 8080) as port:
        connection = pod_api.Connection(
            "127.0.0.1", f"{grid.child}.{HOME}.svc", pod_api.trusting(grid.authorities()), 10, port
        )
        status, answer = pod_api.call(connection, "GET", "/status", key=grid.key("viewer"))
    assert status == 200
    assert answer["running"] is True
    with (
        port_forward(world.cluster, HOME, f"pod/{grid.child}-0", 9090) as port,
        urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answered,
    ):
        assert b"hedgegrid_open_orders" in answered.read()


def test_a_prometheus_scrapes_what_the_venue_shows(world: World) -> None:
    grid, pod = world.btc, f"{world.btc.child}-0"
    with port_forward(world.cluster, HOME, f"pod/{pod}", scraping.PORT) as port:
        target = scraping.of_pod("127.0.0.1", HOME, grid.name, port)
        try:
            found = Prometheus(world.cluster.folder / "prometheus", [target])
        except PackageUnavailable as reason:
            pytest.skip(str(reason))
        with found as prometheus:
            wait_until(lambda: prometheus.query("up").get(pod) == 1, SLOW, "the pod to be up in Prometheus", every=0.5)
            for leg in grid.venue().positions:
                name = f"hedgegrid_{leg.value.lower()}_inventory_usdt"
                wait_until(lambda name=name: prometheus.query(name).get(pod, 0) > 0, SLOW, name, every=0.5)


def test_a_throttle_halves_the_entries_of_the_running_pod(world: World) -> None:
    grid, before = world.btc, pod_uid(world.btc)
    wait_until(lambda: _largest_entry(grid) == Decimal("0.010"), SLOW, "entries in full")
    _patch(world, grid, throttle=0.5)
    grid.wait(lambda seen: seen["control"]["throttle"].get("effective") == 0.5, "the throttle to act", timeout=SLOW)
    wait_until(lambda: Decimal(0) < _largest_entry(grid) <= Decimal("0.005"), SLOW, "smaller entries at the venue")
    _patch(world, grid, throttle=1)
    wait_until(lambda: _largest_entry(grid) == Decimal("0.010"), SLOW, "entries in full again")
    assert pod_uid(grid) == before


def _largest_entry(grid: Grid[RealCluster]) -> Decimal:
    resting = [order.quantity for order in grid.venue().open_orders if order.side is order.leg.opening]
    return max(resting, default=Decimal(0))


def _patch(world: World, grid: Grid[RealCluster], **spec: Any) -> None:
    """`kubectl patch`."""
    change = f"--patch={json.dumps({'spec': spec})}"
    world.cluster.kubectl("patch", "hg", grid.name, f"--namespace={grid.namespace}", "--type=merge", change)


def test_a_kill_is_flat_and_a_release_trades_again(world: World, report: Report) -> None:
    grid, began = world.btc, monotonic()
    _patch(world, grid, killSwitch="flattenBoth")
    is_flat(grid)
    report.figures["kill, from kubectl patch to Flat in the status"] = f"{monotonic() - began:.1f} s"
    grid.nothing_opened_since(moment(kill_of((grid.get() or {})["status"])["deliveredTime"]))
    _patch(world, grid, killSwitch="none")
    trades(grid)


def test_a_new_strategy_image_waits_until_both_legs_are_flat(world: World) -> None:
    grid = world.grids["steady"] = world.installed.apply_grid("steady", HOME, **STEADY)
    trades(grid)
    before, exits = pod_uid(grid), Exits(grid)
    _patch(world, grid, image={"tag": NEXT})
    grid.wait_condition("Progressing", "WaitingForFlat", timeout=SLOW)
    market_moves(grid, 2)
    assert pod_uid(grid) == before
    exits.were_kept()
    _patch(world, grid, killSwitch="flattenBoth")
    pod = another_pod(grid, before)
    assert pod["spec"]["containers"][0]["image"].endswith(f":{NEXT}")
    is_flat(grid)
    _patch(world, grid, killSwitch="none")
    trades(grid)


def test_a_drain_is_refused_while_a_grid_that_waits_for_flat_has_a_position(world: World) -> None:
    grid, before = world.steady, pod_uid(world.steady)
    said = refused(lambda: _drain(world, grid, seconds=8))
    assert "disruption budget" in said
    world.cluster.kubectl("uncordon", world.cluster.name)
    assert pod_uid(grid) == before


def _drain(world: World, grid: Grid[RealCluster], seconds: float = SLOW) -> str:
    """`kubectl drain`, of this grid's pod only: two operators can't leave the only node, and their budget says so."""
    return world.cluster.kubectl(
        *("drain", world.cluster.name, f"--pod-selector=hedgegrid.io/uid={grid.uid}", "--ignore-daemonsets"),
        *("--delete-emptydir-data", f"--timeout={seconds:.0f}s"),
        timeout=seconds + 60,
    )


def test_f28_a_drain_passes_with_immediate_and_the_volume_comes_back_with_the_book(world: World) -> None:
    grid, before = world.steady, pod_uid(world.steady)
    folder = world.cluster.claim_folder(HOME, f"data-{grid.child}-0")
    _patch(world, grid, update={"strategy": "Immediate"})
    api = world.cluster.api
    api.wait("policy/v1", "PodDisruptionBudget", grid.child, HOME, _allows, SLOW)
    exits = Exits(grid)
    assert "evicted" in _drain(world, grid)
    # No place for it: it waits, and its exits rest at the venue.
    wait_until(lambda: pod_uid(grid) not in {None, before}, SLOW, "the next pod", every=0.2)
    assert pod_of(grid)["status"]["phase"] == "Pending"
    exits.were_kept()
    world.cluster.kubectl("uncordon", world.cluster.name)
    another_pod(grid, before)
    trades(grid)
    exits.were_kept()
    assert world.cluster.claim_folder(HOME, f"data-{grid.child}-0") == folder


def _allows(budget: dict[str, dict[str, int]]) -> bool:
    return budget.get("status", {}).get("disruptionsAllowed", 0) > 0


def test_a_pod_that_ran_out_of_memory_comes_back_with_its_exits(world: World) -> None:
    grid, exits, before = world.steady, Exits(world.steady), pod_of(world.steady)
    boot = (grid.get() or {})["status"]["control"]["bootID"]
    exhaust(world.cluster, container_cgroup(world.cluster, before["status"]["containerStatuses"][0]["containerID"]))
    grid.wait(lambda seen: seen["control"].get("bootID") not in {None, boot}, "another start of the pod", timeout=SLOW)
    pod = pod_of(grid)
    assert pod["metadata"]["uid"] == before["metadata"]["uid"]
    assert restarts(pod) == restarts(before) + 1
    assert pod["status"]["containerStatuses"][0]["lastState"]["terminated"]["reason"] == "OOMKilled"
    trades(grid)
    exits.were_kept()


def test_f46_a_kill_stays_requested_while_the_image_does_not_exist(world: World) -> None:
    grid, exits = world.steady, Exits(world.steady)
    _patch(world, grid, image={"tag": "missing"})
    grid.wait_condition("PodReady", "ImagePullFailed", timeout=SLOW)
    exits.were_kept()
    stuck = pod_uid(grid)
    _patch(world, grid, killSwitch="flattenBoth")
    told = grid.wait(lambda seen: kill_of(seen).get("desired") == "flattenBoth", "the kill in the status", timeout=SLOW)
    assert kill_of(told["status"])["state"] == "Requested"
    _patch(world, grid, image={"tag": NEXT})
    another_pod(grid, stuck)
    is_flat(grid)
    _patch(world, grid, killSwitch="none")
    trades(grid)


def test_f48_a_kill_works_with_the_operators_gone_for_good(world: World) -> None:
    grid, kubectl = world.steady, world.cluster.kubectl
    kubectl("scale", "deployment", RELEASE, f"--namespace={SYSTEM}", "--replicas=0")
    wait_until(lambda: not world.installed.operators(), SLOW, "the operators to go", every=0.2)
    kubectl("wait", "pod", f"--namespace={SYSTEM}", "--for=delete", "--all", f"--timeout={SLOW:.0f}s", timeout=2 * SLOW)
    _patch(world, grid, killSwitch="flattenBoth")
    wait_until(lambda: grid.venue().flat, SLOW, "the venue to be flat by the pod's own watch", every=0.1)
    grid.nothing_opened_since(datetime.now(UTC))
    kubectl("scale", "deployment", RELEASE, f"--namespace={SYSTEM}", "--replicas=2")
    is_flat(grid)
    _patch(world, grid, killSwitch="none")
    trades(grid)


def test_an_upgrade_of_the_operator_restarts_no_pod(world: World) -> None:
    grid, before, exits = world.steady, pod_of(world.steady), Exits(world.steady)
    old = {pod["metadata"]["name"] for pod in world.installed.operators()}
    world.installed.helm(
        *("upgrade", RELEASE, str(CHART), "--reuse-values", f"--set=image.tag={NEXT}", "--wait"),
        f"--timeout={SLOW:.0f}s",
    )
    new = world.installed.operators()
    assert len(new) == 2
    assert not old & {pod["metadata"]["name"] for pod in new}
    generation = grid.patch(throttle=0.9)
    grid.wait(lambda seen: seen["control"].get("appliedGeneration") == generation, "the new operator", timeout=SLOW)
    after = pod_of(grid)
    assert after["metadata"]["uid"] == before["metadata"]["uid"]
    assert restarts(after) == restarts(before)
    exits.were_kept()


def test_helm_refuses_to_uninstall_while_there_is_a_grid(world: World) -> None:
    with pytest.raises(HelmFailed, match=f"{HOME}/btc"):
        world.installed.helm("uninstall", RELEASE, f"--timeout={SLOW:.0f}s")
    assert len(world.installed.operators()) == 2


def test_a_deleted_grid_is_flat_before_it_goes(world: World) -> None:
    claims = world.cluster.kubectl("get", "pvc", f"--namespace={HOME}", "--output=name")
    for grid in (world.btc, world.steady):
        trades(grid)
        name, namespace = grid.name, f"--namespace={HOME}"
        world.cluster.kubectl("delete", "hg", name, namespace, f"--timeout={SLOW:.0f}s", timeout=SLOW + 30)
        assert grid.venue().flat
        assert grid.all_children() == []
    assert world.cluster.kubectl("get", "pvc", f"--namespace={HOME}", "--output=name") == claims


def test_a_deleted_namespace_takes_its_grid_flat(world: World) -> None:
    world.installed.make_namespace(OTHER)
    grid = world.installed.apply_grid("btc", OTHER, **STEADY)
    trades(grid)
    folder = world.cluster.claim_folder(OTHER, f"data-{grid.child}-0")
    assert folder is not None
    world.cluster.kubectl("delete", "namespace", OTHER, f"--timeout={2 * SLOW:.0f}s", timeout=2 * SLOW + 30)
    with Audit(folder / f"{grid.uid}.venue.sqlite") as audit:
        assert audit.snapshot().flat


def test_after_the_uninstall_only_the_definition_and_what_it_kept_is_there(world: World) -> None:
    world.installed.helm("uninstall", RELEASE, "--wait", f"--timeout={SLOW:.0f}s")
    wait_until(lambda: not world.installed.operators(), SLOW, "the operators to go", every=0.2)
    api = world.cluster.api
    assert api.get("apiextensions.k8s.io/v1", "CustomResourceDefinition", "hedgegrids.hedgegrid.io")
    left = world.cluster.kubectl(
        "get", "clusterrole,clusterrolebinding", f"--selector=app.kubernetes.io/instance={RELEASE}", "--output=name"
    )
    assert left == ""
