"""New grids until all their children exist, against the same objects by plain concurrent apply."""

import asyncio
import json
import time
from typing import Any

from tests.bench.fleet.clients import at_once
from tests.bench.fleet.rig import CHILDREN, NAMESPACE, WAIT_SECONDS, FleetRig
from tests.kube import installation, wait_until
from tests.kube.api import APPLY_PATCH

type Json = dict[str, Any]

PLAIN = "plain"
KINDS = [found for found in installation.CHILDREN if found[1] != "Pod"]


def grown(rig: FleetRig, size: int) -> int:
    """Make grids until there are so many; ns from the first request until every child of every grid exists."""
    wanted = {kind: _count(rig, *kind) + (size - rig.size) * len(made) for kind, made in _of_first(rig).items()}
    began = time.time_ns()
    asyncio.run(rig.create(size))
    for kind, count in wanted.items():
        wait_until(lambda kind=kind, count=count: _count(rig, *kind) >= count, WAIT_SECONDS, f"{count} {kind[1]}s")
    took = time.time_ns() - began
    rig.settle()
    return took


def applied(rig: FleetRig, count: int) -> int:
    """Apply the children of so many grids to another namespace, without an operator; ns it took."""
    rig.api.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": PLAIN}})
    patterns = [
        (rig.api.path(*kind, "NAME", PLAIN), _manifest(child))
        for kind, found in _of_first(rig).items()
        for child in found
    ]
    began = time.time_ns()
    asyncio.run(_apply(rig, patterns, count))
    return time.time_ns() - began


async def _apply(rig: FleetRig, patterns: list[tuple[str, str]], count: int) -> None:
    query = "?fieldManager=bench&force=true"
    async with rig.client() as client:

        async def one(path: str, pattern: str, number: int) -> None:
            body = json.loads(pattern.replace("hedgegrid-g0", f"hedgegrid-p{number}"))
            await client.patch(path.replace("NAME", body["metadata"]["name"]) + query, body, APPLY_PATCH)

        await at_once([lambda p=p, b=b, n=n: one(p, b, n) for n in range(count) for p, b in patterns])


def _manifest(child: Json) -> str:
    """What was applied, near enough: without what the API server adds to metadata."""
    about = child["metadata"]
    kept = {name: about[name] for name in ("name", "labels", "annotations") if name in about}
    manifest = {name: value for name, value in child.items() if name not in {"metadata", "status"}}
    return json.dumps(manifest | {"metadata": kept | {"namespace": PLAIN}})


def _of_first(rig: FleetRig) -> dict[tuple[str, str], list[Json]]:
    """The children of g0, by their kinds."""
    uid = rig.api.request("GET", f"/apis/hedgegrid.io/v1alpha1/namespaces/{NAMESPACE}/hedgegrids/g0")["metadata"]["uid"]
    found: dict[tuple[str, str], list[Json]] = {}
    for version, kind in KINDS:
        listed = rig.api.list(version, kind, NAMESPACE, {CHILDREN: uid})
        found[version, kind] = [{"apiVersion": version, "kind": kind} | child for child in listed]
    return found


def _count(rig: FleetRig, version: str, kind: str) -> int:
    """Objects of a kind, without fetching them."""
    page = rig.api.request("GET", rig.api.path(version, kind, "", NAMESPACE).rstrip("/"), limit="1")
    return len(page["items"]) + int(page["metadata"].get("remainingItemCount", 0))
