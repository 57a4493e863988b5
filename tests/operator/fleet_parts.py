"""A fleet: many grids whose pods are played by the farm, in a control plane without a kubelet, and their operators."""

import os
import secrets
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any
from weakref import WeakKeyDictionary

import pytest
import yaml

from hedgegrid_operator.settings import ENVIRONMENT_PREFIX, Settings
from tests.farm import Farm
from tests.kube import Cluster, wait_until
from tests.kube.api_proxy import ApiProxy
from tests.kube.fixtures import UNAVAILABLE
from tests.kube.installation import CHILDREN, NAMESPACE, SERVICE_ACCOUNT, Operator, install
from tests.operator.grid_parts import API, EXAMPLE, QUICK, Grid, Json, condition, merged

SIZE = int(os.environ.get("HEDGEGRID_TEST_FLEET", "100"))
"""Grids; with fewer than 60 not all tests find enough of them."""
LEASE = ("coordination.k8s.io/v1", "Lease", "hedgegrid-operator", NAMESPACE)
SHIPPED = {name: str(getattr(Settings(), name.removeprefix(ENVIRONMENT_PREFIX).lower())) for name in QUICK}
"""The times that the operator ships with, in place of the tests' quick ones."""
GENTLE = {"HEDGEGRID_OPERATOR_CHILDREN_INTERVAL": "5", "HEDGEGRID_OPERATOR_SECRET_INTERVAL": "300"}
"""What is quick for a few grids would keep the machine busy for a hundred."""
_AT_ONCE = 8
_STARTED: WeakKeyDictionary[Cluster, list[Operator]] = WeakKeyDictionary()
"""The operators of all fleets of a control plane: one of them may lead."""
_PAUSE = 0.2
"""Seconds between two looks at the whole fleet."""


@pytest.fixture(scope="session")
def fleet_cluster(request: pytest.FixtureRequest) -> Iterator[Cluster]:
    """A control plane without a kubelet, for fleets and for faults of the API server, with the operator's role."""
    reason = request.config.stash.get(UNAVAILABLE, None)
    if reason:
        pytest.skip(reason)
    if request.config.getoption("--kube-context"):
        pytest.skip("needs a control plane of its own, that it may stop")
    with Cluster(pods_run=False, say=lambda _: None) as started:
        install(started)
        yield started


@pytest.fixture(scope="session")
def lasting_fleet(fleet_cluster: Cluster) -> Iterator["Fleet"]:
    """A hundred grids that trade, for all tests of the run."""
    found = Fleet(fleet_cluster)
    try:
        found.lead(found.operator("first"))
        found.grow(SIZE)
        yield found
    finally:
        found.close()


@pytest.fixture(scope="module")
def fleet(lasting_fleet: "Fleet") -> Iterator["Fleet"]:
    """The same for the tests of one file; each takes those grids that it changes, and its operators."""
    yield lasting_fleet
    lasting_fleet.rest()


@pytest.fixture
def proxy(fleet_cluster: Cluster) -> Iterator[ApiProxy]:
    """A proxy before its API server."""
    with ApiProxy(fleet_cluster) as found:
        yield found


class Fleet:
    """Grids in one namespace, the farm that plays their pods, and operators that watch only them."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.namespace = f"fleet-{secrets.token_hex(4)}"
        self.grids: dict[str, Grid] = {}
        self._operators = _STARTED.setdefault(cluster, [])
        self._taken = 0
        cluster.api.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": self.namespace}})
        self.farm = Farm(cluster, self.namespace)

    def operator(self, name: str, proxy: ApiProxy | None = None, **settings: str) -> Operator:
        """An operator, perhaps behind a proxy; not started yet."""
        known = {"HEDGEGRID_OPERATOR_WATCH_NAMESPACES": self.namespace, "TMPDIR": str(self.cluster.folder)}
        if proxy is not None:
            known["KUBECONFIG"] = str(proxy.kubeconfig(self.cluster.kubeconfig_for(NAMESPACE, SERVICE_ACCOUNT)))
        found = Operator(self.cluster, name=f"{name}-{self.namespace}", settings=QUICK | GENTLE | known | settings)
        self._operators.append(found)
        return found

    def lead(self, operator: Operator) -> Operator:
        """Let this one, and no other of this control plane, run and lead."""
        self._end([other for other in self._operators if other is not operator])
        self._operators[:] = [operator]
        operator.start()
        operator.wait_leading(120)
        return operator

    @property
    def newest(self) -> Operator:
        """The operator that was made last."""
        return self._operators[-1]

    def take(self, count: int) -> list[str]:
        """Names of grids that no test has changed yet."""
        names = list(self.grids)[self._taken : self._taken + count]
        assert len(names) == count, "the fleet is too small for its tests"
        self._taken += count
        return names

    def grow(self, count: int) -> None:
        """So many grids more; returns when all of them trade."""
        names = [f"grid-{number}" for number in range(len(self.grids), len(self.grids) + count)]
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            self.grids.update((grid.name, grid) for grid in pool.map(self._create, names))
        self.wait_all("Ready", "Trading", timeout=240)

    def _create(self, name: str) -> Grid:
        manifest: Json = yaml.safe_load(EXAMPLE.read_text())
        manifest["metadata"] = {"name": name, "namespace": self.namespace}
        manifest["spec"] = merged(manifest["spec"], {"account": {"name": name}})
        made = self.cluster.api.create(manifest)
        return Grid(self.cluster, self.namespace, name, made["metadata"]["uid"])

    def patch(self, names: list[str], **spec: Any) -> None:
        """Change fields of many grids' specs, at the same time."""
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            list(pool.map(lambda name: self.grids[name].patch(**spec), names))

    def objects(self) -> dict[str, Json]:
        """All grids as they are now, by name."""
        listed = self.cluster.api.list(API, "HedgeGrid", self.namespace)
        return {found["metadata"]["name"]: found for found in listed}

    def wait_all(self, kind: str, reason: str, names: list[str] | None = None, timeout: float = 120) -> None:
        """Return when a condition of all (or these) grids has this reason, for their newest generation."""

        def done() -> bool:
            nonlocal left
            now = self.objects()
            left = {name: seen for name in wanted if (seen := _reason(now[name], kind)) != reason}
            return not left

        wanted, left = names or list(self.grids), dict[str, str]()
        try:
            wait_until(done, timeout, f"{kind} of {len(wanted)} grids to be {reason}", every=_PAUSE)
        except TimeoutError as error:
            some = list(left.items())[:5]
            raise TimeoutError(
                f"{error}; {len(left)} are not: {some}; {self.objects()[some[0][0]].get('status')}"
            ) from None

    def wait_held(
        self, names: list[str], what: str = "killSwitch", value: object = "flattenBoth", timeout: float = 60
    ) -> None:
        """Return when the pods of these grids hold a document with this value in a field."""

        def missing() -> list[str]:
            held = self.farm.held()
            return [name for name in names if (held.get(name) or {}).get(what) != value]

        wait_until(lambda: not missing(), timeout, f"pods to hold {what} = {value}", every=_PAUSE)

    def wait_fenced(self, operator: Operator) -> None:
        """Return when every pod has the epoch that stands in the Lease."""

        def fenced() -> bool:
            held = {document["epoch"] if document else None for document in self.farm.held().values()}
            return held == {operator.epoch}

        wait_until(fenced, 120, "the pods to have the leader's epoch", every=_PAUSE)

    def statuses(self) -> Mapping[str, Json]:
        """The status of every grid by name."""
        return {name: grid.get("status", {}) for name, grid in self.objects().items()}

    def versions(self) -> Mapping[tuple[str, str], str]:
        """Resource versions of every grid and everything that was made for it, by kind and name."""
        found = {("HedgeGrid", name): grid["metadata"]["resourceVersion"] for name, grid in self.objects().items()}
        for version, kind in CHILDREN:
            for child in self.cluster.api.list(version, kind, self.namespace):
                if "hedgegrid.io/uid" in child["metadata"].get("labels", {}):
                    found[kind, child["metadata"]["name"]] = child["metadata"]["resourceVersion"]
        return found

    def pods(self) -> dict[str, str]:
        """Uids of all pods by name."""
        listed = self.cluster.api.list("v1", "Pod", self.namespace)
        return {pod["metadata"]["name"]: pod["metadata"]["uid"] for pod in listed}

    def rest(self) -> None:
        """No operator runs until the next one leads."""
        self._end(self._operators)
        self._operators.clear()

    def _end(self, operators: list[Operator]) -> None:
        for operator in operators:
            with suppress(LookupError):
                if operator.process.running:
                    operator.process.thaw()
                    operator.kill()
        if self.cluster.api.get(*LEASE) is not None:
            # As if it had run out.
            self.cluster.api.patch(*LEASE, {"spec": {"holderIdentity": ""}})

    def close(self) -> None:
        """Let everything go as it is: the control plane ends soon."""
        self.rest()
        self.farm.process.kill()


def _reason(grid: Json, kind: str) -> str:
    status = grid.get("status") or {}
    if status.get("observedGeneration") != grid["metadata"]["generation"]:
        return "an older generation"
    return str(condition(status, kind).get("reason"))
