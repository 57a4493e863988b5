"""A running operator in a namespace of its own, its grids, and the venue's book behind each of them."""

import json
import secrets
from base64 import b64decode
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import yaml

from naut_hedgegrid.venues.sim.audit import Audit, Snapshot
from naut_hedgegrid.venues.sim.records import LoggedCommand
from tests import pod_api
from tests.kube import ApiError, Cluster, Pod, wait_until
from tests.kube.access import Access
from tests.kube.installation import CHILDREN, Operator, install
from tests.kube.processes import Process

type Json = dict[str, Any]

API = "hedgegrid.io/v1alpha1"
EXAMPLE = Path(__file__).parents[2] / "examples" / "sim-btc.yaml"
QUICK = {
    "HEDGEGRID_OPERATOR_LEASE_DURATION": "3",
    "HEDGEGRID_OPERATOR_RENEW_DEADLINE": "2",
    "HEDGEGRID_OPERATOR_RETRY_PERIOD": "0.3",
    "HEDGEGRID_OPERATOR_RESYNC_INTERVAL": "2",
    "HEDGEGRID_OPERATOR_CHILDREN_INTERVAL": "1",
    "HEDGEGRID_OPERATOR_SECRET_INTERVAL": "0.5",
}


CHILD_COUNT = len(CHILDREN) + 1


@dataclass(frozen=True)
class Grid[C: Access = Cluster]:
    """One HedgeGrid and everything that belongs to it."""

    cluster: C
    namespace: str
    name: str
    uid: str

    @property
    def child(self) -> str:
        """Name of its StatefulSet, Service and ServiceAccount."""
        return f"hedgegrid-{self.name}"

    @property
    def pod(self) -> Pod:
        """Its pod, on the pod runner's node."""
        assert isinstance(self.cluster, Cluster)
        return self.cluster.pod(self.namespace, f"{self.child}-0")

    def get(self) -> Json | None:
        """The object as it is now."""
        return self.cluster.api.get(API, "HedgeGrid", self.name, self.namespace)

    def patch(self, **spec: Any) -> int:
        """Change fields of the spec; the new generation."""
        found = self.cluster.api.patch(API, "HedgeGrid", self.name, self.namespace, {"spec": spec})
        return int(found["metadata"]["generation"])

    def annotate(self, **annotations: str | None) -> None:
        """Set (or take away) annotations under hedgegrid.io/."""
        change = {f"hedgegrid.io/{name}": value for name, value in annotations.items()}
        self.cluster.api.patch(API, "HedgeGrid", self.name, self.namespace, {"metadata": {"annotations": change}})

    def delete(self, propagation: str | None = None) -> None:
        """Ask for its deletion."""
        self.cluster.api.delete(API, "HedgeGrid", self.name, self.namespace, propagation)

    def wait(self, until: Callable[[Json], object], what: str, timeout: float = 40) -> Json:
        """The object once something holds for its status; a time-out shows the status."""

        def holds() -> Json | None:
            found = self.get()
            return found if found and until(found.get("status") or {}) else None

        try:
            return wait_until(holds, timeout, what)
        except TimeoutError as error:
            status = (self.get() or {}).get("status")
            raise TimeoutError(f"{error}; status: {json.dumps(status, indent=1)}") from None

    def wait_condition(self, kind: str, reason: str, status: str | None = None, timeout: float = 40) -> Json:
        """The condition once it has this reason."""
        found = self.wait(
            lambda seen: (
                condition(seen, kind).get("reason") == reason and status in {None, condition(seen, kind)["status"]}
            ),
            f"{kind} to be {reason}",
            timeout,
        )
        return condition(found["status"], kind)

    def wait_phase(self, phase: str, timeout: float = 40) -> Json:
        """The status once the grid is in this phase, of the newest generation, and the pod holds it."""
        found = self.wait(
            lambda seen: seen.get("phase") == phase and seen.get("observedGeneration") == self.generation,
            phase,
            timeout,
        )
        status: Json = found["status"]
        return status

    @property
    def generation(self) -> int:
        """metadata.generation, 0 when there is no object."""
        found = self.get()
        return int(found["metadata"]["generation"]) if found else 0

    def gone(self, timeout: float = 60) -> None:
        """Wait until the object is gone."""
        self.cluster.api.wait_gone(API, "HedgeGrid", self.name, self.namespace, timeout=timeout)

    def children(self, *, api_version: str = "v1", kind: str) -> list[Json]:
        """Its children of a kind."""
        return self.cluster.api.list(api_version, kind, self.namespace, {"hedgegrid.io/uid": self.uid})

    def all_children(self) -> list[str]:
        """Kind and name of everything with its label, its pod included."""
        found = [(kind, child) for version, kind in CHILDREN for child in self.children(api_version=version, kind=kind)]
        return [f"{kind} {child['metadata']['name']}" for kind, child in found]

    def events(self, reason: str) -> list[Json]:
        """Its Events of a reason."""
        found = self.cluster.api.list("events.k8s.io/v1", "Event", self.namespace)
        return [event for event in found if event["reason"] == reason and event["regarding"].get("uid") == self.uid]

    def wait_event(self, reason: str) -> str:
        """Text of the first Event of a reason."""
        found = wait_until(lambda: self.events(reason), 20, f"Event {reason}")
        return str(found[0]["note"])

    def told(self, reason: str, words: str) -> int:
        """How many Events of a reason hold these words, once there is one."""
        return len(
            wait_until(
                lambda: [event for event in self.events(reason) if words in event["note"]], 20, f"Event {reason}"
            )
        )

    # The venue.

    def audit(self) -> Audit:
        """The venue's book."""
        folder = self.cluster.claim_folder(self.namespace, f"data-{self.child}-0")
        return Audit(folder / f"{self.uid}.venue.sqlite")

    def venue(self) -> Snapshot:
        """The venue as it is now."""
        with self.audit() as audit:
            return audit.snapshot()

    def commands(self) -> list[LoggedCommand]:
        """Everything that was ever sent to the venue."""
        with self.audit() as audit:
            return audit.order_log()

    def wait_positions(self) -> Snapshot:
        """The venue once both legs have a position."""
        return wait_until(lambda: _with_positions(self.venue()), 60, "positions on both legs")

    def nothing_opened_since(self, moment: datetime, seconds: float = 1.5) -> None:
        """The market moves on for a while, and no opening order arrives at the venue, but for what was on its way."""
        start = self.venue().ts
        wait_until(lambda: self.venue().ts > start + seconds * 1e9, 30, "the market to move on")
        with self.audit() as audit:
            opened = audit.openings(int((moment.timestamp() + UNDER_WAY_SECONDS) * 1e9))
        assert opened == [], f"opened after {moment}: {opened}"

    # The pod's API.

    def key(self, name: str) -> str:
        """One of the API keys."""
        secret = self.cluster.api.get("v1", "Secret", f"{self.child}-api", self.namespace)
        assert secret is not None
        return b64decode(secret["data"][name]).decode()

    def authorities(self) -> bytes:
        """What to trust when the pod is called: ca.crt of its Secret."""
        secret = self.cluster.api.get("v1", "Secret", f"{self.child}-tls", self.namespace)
        assert secret is not None
        return b64decode(secret["data"]["ca.crt"])

    def call(self, method: str, path: str, body: Json | None = None, key: str = "operator") -> tuple[int, Json]:
        """Call the pod's API; status and answer."""
        address = self.pod.address
        assert address is not None
        connection = pod_api.Connection(address, pod_api.host_name(self.uid), pod_api.trusting(self.authorities()), 10)
        return pod_api.call(connection, method, path, body, self.key(key))


def _with_positions(found: Snapshot) -> Snapshot | None:
    return found if all(position.quantity for position in found.positions.values()) else None


def condition(status: Json, kind: str) -> Json:
    """One condition of a status, empty where it hasn't got it."""
    found: Json = next((item for item in status.get("conditions", []) if item["type"] == kind), {})
    return found


def kill_of(status: Json) -> Json:
    """status.control.killSwitch."""
    found: Json = (status.get("control") or {}).get("killSwitch") or {}
    return found


def moment(text: str) -> datetime:
    """A time in an object."""
    return datetime.fromisoformat(text)


_QUOTA = "no-pods"
UNDER_WAY_SECONDS = 0.25
"""How long an order that was sent before the gates closed may take from the strategy to the venue on a busy machine."""
LIVELY = {"grid": {"stepBps": 3, "recenterTriggerBps": 30}, "sim": {"ticksPerSecond": 50}}
"""Positions on both legs within a second."""
POSITIONS_STAY = {"exits": {"takeProfitSteps": 100}}
"""Take-profits so far away that a position, once there, is there to stay."""


class Field:
    """A namespace with an operator that watches only it."""

    def __init__(self, cluster: Cluster, *, namespaced: bool = False, **settings: str) -> None:
        """`namespaced`: the operator has rights in this namespace and its own only, else in the whole cluster."""
        self.cluster = cluster
        self.namespace = f"field-{secrets.token_hex(4)}"
        self._grids: list[Grid] = []
        self._lasting: Grid | None = None
        self._operators: list[Operator] = []
        cluster.api.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": self.namespace}})
        install(cluster, [self.namespace] if namespaced else [])
        self.operator = self.new_operator("operator", **settings)

    def new_operator(self, name: str, **settings: str) -> Operator:
        """Another operator for the same namespace; not started yet."""
        known = {"HEDGEGRID_OPERATOR_WATCH_NAMESPACES": self.namespace, "TMPDIR": str(self.cluster.folder)}
        found = Operator(self.cluster, name=f"{name}-{self.namespace}", settings=QUICK | known | settings)
        self._operators.append(found)
        return found

    def start(self) -> None:
        """Start the operator and wait until it leads."""
        self.operator.start()
        self.operator.wait_leading()

    def manifest(self, name: str, **spec: Any) -> Json:
        """The lively example, with fields of its spec changed."""
        found: Json = yaml.safe_load(EXAMPLE.read_text())
        found["metadata"] = {"name": name, "namespace": self.namespace}
        found["spec"] = merged(found["spec"], {"account": {"name": name}} | LIVELY)
        found["spec"] = merged(found["spec"], spec)
        return found

    def create(self, name: str | None = None, **spec: Any) -> Grid:
        """A grid, by default of a name that no other one had."""
        name = name or f"grid-{len(self._grids)}"
        return self.adopt(self.cluster.api.create(self.manifest(name, **spec)))

    def adopt(self, made: Json) -> Grid:
        """A grid that was created otherwise: it is tidied up with the others."""
        grid = Grid(self.cluster, self.namespace, made["metadata"]["name"], made["metadata"]["uid"])
        self._grids.append(grid)
        return grid

    @property
    def grids(self) -> list[Grid]:
        """Those that are there."""
        return [grid for grid in self._grids if grid.get() is not None]

    def running(self, name: str | None = None, **spec: Any) -> Grid:
        """A grid that trades."""
        grid = self.create(name, **spec)
        grid.wait_condition("Ready", "Trading")
        return grid

    def with_positions(self) -> Grid:
        """A grid that trades and has a position on both legs, the one of an earlier test if it still can be used."""
        grid = self._lasting
        if grid is None or grid.get() is None or not self._released(grid):
            grid = self._lasting = self.running(**POSITIONS_STAY)
        grid.wait_positions()
        return grid

    def _released(self, grid: Grid) -> bool:
        grid.pod.heal()
        grid.patch(killSwitch="none", throttle=1)
        try:
            grid.wait(lambda seen: condition(seen, "Ready").get("reason") == "Trading", "another start", timeout=20)
        except TimeoutError:
            return False
        return True

    def _started(self) -> Iterator[Process]:
        for operator in self._operators:
            with suppress(LookupError):
                yield operator.process

    def metric(self, name: str) -> dict[str, float]:
        """Samples of one of the operator's metrics by their labels."""
        lines = (self.operator.probe("/metrics") or "").splitlines()
        found = (line.rpartition(" ") for line in lines if line.startswith((f"{name}{{", f"{name} ")))
        return {series.removeprefix(name): float(value) for series, _, value in found}

    def metric_of(self, grid: Grid, name: str) -> float:
        """One of the operator's metrics for one grid; others, of tests before, may still be there."""
        return sum(value for series, value in self.metric(name).items() if f'grid="{grid.name}"' in series)

    def tidy(self) -> None:
        """An operator leads, and only it; only the lasting grid is there."""
        allow_pods(self.cluster, self.namespace)
        self.cluster.release(self.namespace)
        for operator in self._operators[1:]:
            self._end(operator)
        del self._operators[1:]
        for grid in self._grids:
            if grid is not self._lasting:
                self.drop(grid)
        if not any(process.running for process in self._started()):
            self.start()

    def close(self) -> None:
        """End the operators and let the objects go as they are: the namespace is emptied by force."""
        for operator in self._operators:
            self._end(operator)
        for grid in self._grids:
            self.drop(grid)
        self.cluster.api.delete("v1", "Namespace", self.namespace)
        self.cluster.heal_namespace(self.namespace)
        problems = self.cluster.problems()
        assert problems == [], problems

    def _end(self, operator: Operator) -> None:
        with suppress(LookupError):
            if operator.process.running:
                operator.process.thaw()
                operator.process.terminate()
                operator.process.wait(30)

    def drop(self, grid: Grid) -> None:
        """Without its finalizer, which nobody puts on again once it is deleted; no grace for the pod: the next test
        needs the machine.
        """
        if grid.get() is not None:
            grid.delete()
            with suppress(ApiError):  # it goes by itself at this moment
                self.cluster.api.patch(API, "HedgeGrid", grid.name, grid.namespace, {"metadata": {"finalizers": None}})
        for kind, version in (("StatefulSet", "apps/v1"), ("Pod", "v1")):
            for child in grid.children(api_version=version, kind=kind):
                self.cluster.api.delete(version, kind, child["metadata"]["name"], grid.namespace, grace=0)


def forbid_pods(cluster: Cluster, namespace: str) -> None:
    """A quota that leaves no room for a pod; `allow_pods` takes it away.

    Nobody works out its status here (that controller doesn't run), and what isn't worked out limits nothing.
    """
    none = {"hard": {"pods": "0"}}
    quota = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": _QUOTA, "namespace": namespace}}
    cluster.api.create({**quota, "spec": none})
    cluster.api.patch("v1", "ResourceQuota", _QUOTA, namespace, {"status": {**none, "used": {"pods": "0"}}}, "status")
    pod = {"metadata": {"name": "probe", "namespace": namespace}, "spec": {"containers": [{"name": "a", "image": "a"}]}}
    path = f"/api/v1/namespaces/{namespace}/pods"

    def refused() -> bool:
        try:
            cluster.api.request("POST", path, {"apiVersion": "v1", "kind": "Pod", **pod}, dryRun="All")
        except ApiError as error:
            return "exceeded quota" in str(error)
        return False

    wait_until(refused, 30, "the quota to act")


def allow_pods(cluster: Cluster, namespace: str) -> None:
    """End `forbid_pods`; one that isn't there is no error."""
    cluster.api.delete("v1", "ResourceQuota", _QUOTA, namespace)


def merged(base: Json, change: Json) -> Json:
    """`base` with the fields of `change`, group by group."""
    found = dict(base)
    for name, value in change.items():
        old = found.get(name)
        found[name] = merged(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return found
