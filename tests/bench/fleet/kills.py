"""From patch to `PUT /control` at a fleet, beside a bare watch and call, under trouble, and in a storm.

Every time is the wall clock of one machine: sent is read before the PATCH, received when the last byte of the request
has come to the stub pod, or to the bare endpoint.
"""

import asyncio
import random
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Event, Thread
from typing import Any

from tests.bench.fleet.bare import PATH, Bare
from tests.bench.fleet.clients import at_once
from tests.bench.fleet.rig import FleetRig, path_of
from tests.farm.server import Fault
from tests.kube import wait_until

SETTLE_SECONDS = 0.05
DEAD_SHARE = 0.2
STORM = 1000
PATIENCE = 120.0
THROTTLES_A_SECOND = 20


def deliveries(rig: FleetRig, bare: Bare, count: int, among: Sequence[int]) -> tuple[list[int], list[int]]:
    """`count` kills of grids chosen among these, and as many bare deliveries, in turns; ns from sending."""
    chosen = random.Random(1)
    killed: list[int] = []
    bares: list[int] = []
    for _ in range(count):
        bares.append(bare.deliver())
        time.sleep(SETTLE_SECONDS)
        number = chosen.choice(among)
        killed.append(kill(rig, number))
        release(rig, number)
        time.sleep(SETTLE_SECONDS)
    return killed, bares


def kill(rig: FleetRig, number: int) -> int:
    """Kill a grid that isn't; ns from sending the patch until its pod had it."""
    since = rig.farm.counts()["documents"]
    sent = time.time_ns()
    found = _switch(rig, number, "flattenBoth")
    return _received(rig, number, found["metadata"]["generation"], since) - sent


def release(rig: FleetRig, number: int) -> None:
    """Let it go again."""
    _switch(rig, number, "none")


def _switch(rig: FleetRig, number: int, value: str) -> dict[str, Any]:
    patch = {"spec": {"killSwitch": value}}
    found: dict[str, Any] = rig.api.request("PATCH", path_of(f"g{number}"), patch, "application/merge-patch+json")
    return found


def _received(rig: FleetRig, number: int, generation: int, since: int) -> int:
    pod = f"hedgegrid-g{number}-0"

    def arrival() -> int | None:
        return next((it.at for it in rig.farm.arrivals(since) if (it.pod, it.generation) == (pod, generation)), None)

    return wait_until(arrival, PATIENCE, f"generation {generation} at {pod}")


@contextmanager
def dead_pods(rig: FleetRig) -> Iterator[Sequence[int]]:
    """A share of the pods is dead: half of them refuse connections, half accept them and are silent; yields the living.

    Each of the dead has a kill that waits for it.
    """
    number = int(rig.size * DEAD_SHARE)
    dead = range(number)
    rig.farm.afflict([f"g{n}" for n in dead[::2]], Fault.REFUSED)
    rig.farm.afflict([f"g{n}" for n in dead[1::2]], Fault.SILENT)
    asyncio.run(_patch_all(rig, dead, {"killSwitch": "haltEntries"}))
    try:
        yield range(number, rig.size)
    finally:
        rig.farm.afflict([f"g{n}" for n in dead], Fault.NONE)
        asyncio.run(_patch_all(rig, dead, {"killSwitch": "none"}))


@contextmanager
def throttle_storm(rig: FleetRig, among: Sequence[int]) -> Iterator[None]:
    """Throttles change all the time, each of another grid."""
    stop = Event()
    thread = Thread(target=lambda: asyncio.run(_throttle(rig, among, stop)))
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


async def _throttle(rig: FleetRig, among: Sequence[int], stop: Event) -> None:
    chosen = random.Random(2)
    async with rig.client() as client:
        while not stop.is_set():
            began = time.monotonic()
            body = {"spec": {"throttle": round(chosen.random(), 3)}}
            await client.patch(path_of(f"g{chosen.choice(among)}"), body)
            await asyncio.sleep(max(0.0, 1 / THROTTLES_A_SECOND - (time.monotonic() - began)))


async def _patch_all(rig: FleetRig, numbers: Sequence[int], spec: dict[str, object]) -> None:
    async with rig.client() as client:
        await at_once([lambda n=n: client.patch(path_of(f"g{n}"), {"spec": spec}) for n in numbers])


@dataclass(frozen=True)
class Storm:
    """A kill and a bare delivery among changes that are sent at once; ns from sending its patch."""

    killed: int
    """Until its pod had the kill."""
    bare: int
    """Until the bare endpoint had its document."""


def storm(rig: FleetRig, bare: Bare, changes: int = STORM) -> Storm:
    """So many throttle changes at once; in their middle a kill, and beside it a bare delivery."""
    return asyncio.run(_storm(rig, bare, changes))


async def _storm(rig: FleetRig, bare: Bare, changes: int) -> Storm:
    victim, since = rig.size - 1, rig.farm.counts()["documents"]

    async def patched(path: str, patch: dict[str, Any]) -> tuple[int, int]:
        """When it was sent, and the generation that it made."""
        sent = time.time_ns()
        return sent, (await client.patch(path, patch))["metadata"]["generation"]

    async def both() -> None:
        nonlocal kill, other
        patch = {"spec": {"killSwitch": "flattenBoth"}}
        kill, other = await asyncio.gather(patched(path_of(f"g{victim}"), patch), patched(PATH, bare.change()))

    kill = other = 0, 0

    async with rig.client() as client:
        value = round(random.uniform(0.1, 0.9), 4)
        calls = [
            (lambda n=n: client.patch(path_of(f"g{n % victim}"), {"spec": {"throttle": value + n // victim / 1e5}}))
            for n in range(changes)
        ]
        await at_once([*calls[: changes // 2], both, *calls[changes // 2 :]])
    received = await asyncio.to_thread(_received, rig, victim, kill[1], since)
    bare_received = await asyncio.to_thread(bare.arrival, other[1])
    await asyncio.to_thread(wait_until, lambda: _all_hold(rig), PATIENCE, "the storm to have arrived")
    async with rig.client() as client:
        await client.patch(path_of(f"g{victim}"), {"spec": {"killSwitch": "none"}})
    return Storm(received - kill[0], bare_received - other[0])


def _all_hold(rig: FleetRig) -> bool:
    """Whether each pod holds its object's generation."""
    listed = rig.api.request("GET", path_of("").rstrip("/"))["items"]
    held = rig.farm.held()
    wanted = {item["metadata"]["name"]: item["metadata"]["generation"] for item in listed}
    return all((held.get(name) or {}).get("generation") == generation for name, generation in wanted.items())
