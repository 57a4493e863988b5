"""A whole operator but for its rims: an API server and pods that are dictionaries, driven in one event loop."""

import asyncio
import contextlib
import copy
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from typing import Any, cast

from hedgegrid_api.control import ControlDocument, ControlReport
from hedgegrid_operator.brain import Brain
from hedgegrid_operator.ca_secret import CaSecret
from hedgegrid_operator.control.client import Failure, PodClient, PodUnreachableError
from hedgegrid_operator.kube import ApiError, Kube, NotServedError
from hedgegrid_operator.leader import Leader
from hedgegrid_operator.metrics import Metrics
from hedgegrid_operator.objects import EVENT, HEDGE_GRID, POD, REVISION_ANNOTATION, UID_LABEL, Json, Kind
from hedgegrid_operator.served import OPTIONAL
from hedgegrid_operator.settings import Settings
from tests.unit.operator_parts import NOW, UID, grid, report

NAME, NAMESPACE = "btc", "default"
SETTINGS = Settings(poll_interval=0.02, kill_poll_interval=0.01, polls_per_second=10_000, namespace="hedgegrid-system")


class Objects:
    """As much of an API server as the operator needs, and what was asked of it."""

    def __init__(self) -> None:
        self.held: dict[tuple[str, str, str], Json] = {}
        self.asked: Counter[tuple[str, str]] = Counter()
        """Requests by verb and resource."""
        self.deleted_pods: list[str | None] = []
        self.fails: ApiError | None = None
        self.served: set[str] = set()
        """Of the kinds that a cluster may lack, plural names of those that it has."""
        self.refuses: dict[str, ApiError] = {}
        """Errors by plural name."""
        self.slow: set[str] = set()
        """Plural names of kinds that are never answered about."""
        self._version = 1000

    @property
    def events(self) -> list[Json]:
        """Events that were written."""
        return [obj for (plural, _, _), obj in self.held.items() if plural == EVENT.plural]

    def put(self, kind: Kind, obj: Json) -> Json:
        """Store an object under a new version."""
        self._version += 1
        about = obj["metadata"]
        about["resourceVersion"] = str(self._version)
        about.setdefault("uid", f"{kind.plural}-{about['name']}")
        self.held[kind.plural, about["namespace"], about["name"]] = obj
        return copy.deepcopy(obj)

    def _ask(self, verb: str, resource: str) -> None:
        self.asked[verb, resource] += 1
        if self.fails is not None:
            raise self.fails

    def _find(self, kind: Kind) -> None:
        if kind in OPTIONAL and kind.plural not in self.served:
            raise NotServedError("404 page not found")
        if kind.plural in self.refuses:
            raise self.refuses[kind.plural]

    async def resources(self, group: str, version: str) -> frozenset[str]:
        self._ask("get", "apigroups")
        return frozenset(self.served)

    async def get(self, kind: Kind, namespace: str, name: str, *, metadata_only: bool = False) -> Json | None:
        self._ask("get", kind.plural)
        self._find(kind)
        return copy.deepcopy(self.held.get((kind.plural, namespace, name)))

    async def pages(
        self, kind: Kind, namespace: str | None, selector: str = "", *, fields: str = "", metadata_only: bool = False
    ) -> AsyncIterator[tuple[list[Json], int]]:
        self._ask("list", kind.plural)
        self._find(kind)
        found = [obj for (plural, _, _), obj in self.held.items() if plural == kind.plural and _picked(obj, fields)]
        yield [{"metadata": obj["metadata"]} if metadata_only else copy.deepcopy(obj) for obj in found], self._version

    async def create(self, kind: Kind, namespace: str, manifest: Json) -> Json:
        self._ask("create", kind.plural)
        return self.put(kind, {**copy.deepcopy(manifest), "metadata": {**manifest["metadata"], "namespace": namespace}})

    async def apply(self, kind: Kind, manifest: Json, subresource: str | None = None) -> Json:
        self._ask("patch", f"{kind.plural}/{subresource}" if subresource else kind.plural)
        self._find(kind)
        if kind.plural in self.slow:
            await asyncio.Event().wait()
        about = manifest["metadata"]
        found = self.held.get((kind.plural, about["namespace"], about["name"]), {"metadata": {"generation": 1}})
        change = {"status": manifest["status"]} if subresource else manifest
        return self.put(kind, {**found, **copy.deepcopy(change), "metadata": {**found["metadata"], **about}})

    async def merge(self, kind: Kind, namespace: str, name: str, patch: Json) -> Json:
        self._ask("patch", kind.plural)
        found = self.held[kind.plural, namespace, name]
        return self.put(kind, {**found, "metadata": {**found["metadata"], **patch["metadata"]}})

    async def delete(
        self, kind: Kind, namespace: str, name: str, uid: str | None = None, *, foreground: bool = False
    ) -> bool:
        self._ask("delete", kind.plural)
        self._find(kind)
        if kind is POD:
            self.deleted_pods.append(uid)
        return True


def _picked(obj: Json, fields: str) -> bool:
    """By a field selector of one field."""
    path, _, value = fields.partition("=")
    found: Any = obj
    for part in filter(None, path.split(".")):
        found = (found or {}).get(part)
    return not fields or found == value


class Pods:
    """The one pod: what it answers, and what it was sent."""

    def __init__(self) -> None:
        self.answer: Callable[[ControlDocument | None], ControlReport] = lambda _: report(synced=False)
        self.sent: list[ControlDocument] = []
        self.polls = 0

    async def put(self, address: str, document: ControlDocument, *_: object) -> ControlReport:
        self.sent.append(document)
        return self.answer(document)

    async def get(self, address: str, uid: str, *_: object) -> ControlReport:
        self.polls += 1
        return self.answer(None)

    def silent(self) -> None:
        """It doesn't answer any more."""

        def answer(_: ControlDocument | None) -> ControlReport:
            raise PodUnreachableError(Failure.TIMEOUT, "no answer within 2 s")

        self.answer = answer

    def obey(self, **figures: Any) -> None:
        """It takes every document, and is at once as that asks."""
        held: dict[str, ControlDocument] = {}

        def answer(document: ControlDocument | None) -> ControlReport:
            if document is not None:
                held["newest"] = document
            if "newest" not in held:
                return report(synced=False, applied_generation=None)
            newest = held["newest"]
            return report(
                newest.kill_switch,
                applied_generation=newest.generation,
                epoch=newest.epoch,
                throttle=newest.throttle,
                **{name: found() for name, found in figures.items()},
            )

        self.answer = answer


class Leading:
    """A leader that stays one."""

    epoch = 1
    identity = "operator-1"
    may_write = True

    async def outrun(self, epoch: int) -> bool:
        return False


class World:
    """Operator, API server and pod."""

    def __init__(self, settings: Settings = SETTINGS) -> None:
        self.objects, self.pods, self.metrics = Objects(), Pods(), Metrics()
        kube = cast("Kube", self.objects)
        self.ca = CaSecret(kube, "hedgegrid-system", "ca", timedelta(days=365))
        self.brain = Brain(
            settings,
            kube,
            cast("PodClient", self.pods),
            cast("Leader", Leading()),
            self.metrics,
            b"key",
            self.ca,
        )

    def grid(self, **fields: Any) -> None:
        """A grid is created, or changed, and its event arrives."""
        self.see(self.grid_object(**fields))

    def see(self, obj: Json) -> None:
        """An event of a grid arrives."""
        self.brain.observe(HEDGE_GRID, obj)

    def grid_object(self, **fields: Any) -> Json:
        """A grid is created, or changed, and nobody has seen it yet."""
        found = self.objects.held.get((HEDGE_GRID.plural, NAMESPACE, NAME), {})
        made = grid(**fields)
        about = {**found.get("metadata", {}), **made["metadata"]}
        about["finalizers"] = ["hedgegrid.io/flatten"]
        about["annotations"] = {
            **found.get("metadata", {}).get("annotations", {}),
            **made["metadata"].get("annotations", {}),
        }
        wanted: Json = {**made, "metadata": about}
        if "status" in found:
            wanted["status"] = found["status"]
        return self.objects.put(HEDGE_GRID, wanted)

    def pod(
        self, uid: str = "pod-1", *, template: Json | None = None, deleted: str | None = None, **status: Any
    ) -> None:
        """The StatefulSet makes its pod, of an earlier template where one is given; ready unless told otherwise.

        `deleted` is the time at which it was deleted.
        """
        sets = self.objects.held["statefulsets", NAMESPACE, f"hedgegrid-{NAME}"]
        template = template or sets["spec"]["template"]
        revision = template["metadata"]["annotations"][REVISION_ANNOTATION]
        ready: Json = {
            "podIP": "127.0.0.9",
            "conditions": [{"type": "Ready", "status": "True"}],
            "containerStatuses": [{"state": {"running": {}}}],
        }
        about: Json = {
            "name": f"hedgegrid-{NAME}-0",
            "namespace": NAMESPACE,
            "uid": uid,
            "labels": {UID_LABEL: UID},
            "annotations": {REVISION_ANNOTATION: revision},
            **({"deletionTimestamp": deleted} if deleted else {}),
        }
        spec: Json = {"containers": [{"image": "hedgegrid-strategy:1"}], "volumes": template["spec"]["volumes"]}
        self.brain.observe(POD, self.objects.put(POD, {"metadata": about, "spec": spec, "status": ready | status}))

    @property
    def status(self) -> Json:
        """The object's status."""
        found: Json = self.objects.held[HEDGE_GRID.plural, NAMESPACE, NAME].get("status", {})
        return found

    def reason(self, kind: str) -> str | None:
        """Reason of a condition."""
        listed = self.status.get("conditions", [])
        return next((item["reason"] for item in listed if item["type"] == kind), None)

    def writes(self) -> int:
        """How often a status was written."""
        return self.objects.asked["patch", "hedgegrids/status"]

    async def trading(self, ready: str = "Trading", **fields: Any) -> None:
        """A grid that trades, or is ready for another reason."""
        self.grid(**fields)
        await until(lambda: ("statefulsets", NAMESPACE, f"hedgegrid-{NAME}") in self.objects.held)
        self.pod()
        await until(lambda: self.reason("Ready") == ready)

    def samples(self) -> dict[str, float]:
        """What a scrape shows."""
        self.brain.measure()
        lines = (line.rpartition(" ") for line in self.metrics.exposition().decode().splitlines() if line[0] != "#")
        return {series: float(value) for series, _, value in lines}


async def until(holds: Callable[[], object], seconds: float = 30.0) -> None:
    """Let the loop turn until something holds."""
    async with asyncio.timeout(seconds):
        while not holds():  # noqa: ASYNC110 — what holds isn't told by anybody
            await asyncio.sleep(0.005)


def run(story: Callable[[World], Awaitable[None]], settings: Settings = SETTINGS) -> World:
    """Tell a story in a world of its own."""

    async def tell() -> World:
        world = World(settings)
        await world.ca.begin()
        await world.brain.recognize()
        world.objects.asked.clear()
        recorder = asyncio.create_task(world.brain.recorder.run())
        try:
            await story(world)
        finally:
            recorder.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await recorder
            await world.brain.close()
        return world

    return asyncio.run(tell())


__all__ = ["NOW", "World", "run", "until"]
