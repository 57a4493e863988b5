"""`python -m hedgegrid_operator.smoke`: a simulated grid is made, killed and deleted. What `helm test` runs.

It only sees what any user of the API server sees, and says each step when the object's status shows it.
"""

import argparse
import asyncio
import secrets
import sys
from collections.abc import Callable
from dataclasses import dataclass

from kubernetes.aio.config import ConfigException

from hedgegrid_api.text import shown
from hedgegrid_api.types import API_VERSION, KIND
from hedgegrid_operator.credentials import CredentialSource
from hedgegrid_operator.kube import ApiError, ApiUnreachableError, Kube
from hedgegrid_operator.metrics import Metrics
from hedgegrid_operator.objects import HEDGE_GRID, Json, items, metadata, section
from hedgegrid_operator.settings import Settings, parse

_PAUSE = 0.5


class SmokeError(Exception):
    """A step wasn't reached; the message says what the object shows instead."""


def manifest(namespace: str, name: str) -> Json:
    """A simulated grid that needs no volume, and an account of its own."""
    return {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "metadata": {"namespace": namespace, "name": name, "labels": {"app.kubernetes.io/managed-by": "helm-test"}},
        "spec": {
            "account": {"name": name},
            "instrument": "BTCUSDT-PERP.BINANCE",
            "mode": "sim",
            "grid": {
                "stepBps": 25,
                "levelsLong": 3,
                "levelsShort": 3,
                "baseQty": "0.004",
                "maxInventoryQuote": "2500",
            },
            "storage": {"ephemeral": True},
            "deletion": {"policy": "Flatten"},
        },
    }


def reached(grid: Json | None, phase: str) -> bool:
    """Whether the status is of the newest generation and shows this phase; `SmokeError` where the grid is gone."""
    if grid is None:
        raise SmokeError("somebody has deleted the grid")
    status = section(grid, "status")
    return status.get("phase") == phase and status.get("observedGeneration") == metadata(grid).get("generation")


def shows(grid: Json | None) -> str:
    """What an object says about itself, for the message of a step that failed."""
    if grid is None:
        return "there is no such object"
    status = section(grid, "status")
    if not status:
        return "it has no status: does an operator lead?"
    wrong = [
        f"{found.get('type')}={found.get('status')} {found.get('reason')}: {found.get('message')}"
        for found in items(status, "conditions")
        if found.get("type") in {"Accepted", "PodReady", "Ready"}
    ]
    return shown(f"phase {status.get('phase')}; {'; '.join(wrong)}", 1024)


@dataclass(frozen=True, slots=True)
class Smoke:
    """One run, with one grid."""

    kube: Kube
    namespace: str
    name: str

    async def run(self) -> None:
        """All steps; raises `SmokeError`, `ApiError` or `ApiUnreachableError`."""
        await self.kube.create(HEDGE_GRID, self.namespace, manifest(self.namespace, self.name))
        _say(f"HedgeGrid {self.namespace}/{self.name} is made")
        await self._wait(lambda grid: reached(grid, "Running"))
        _say("Running: its ladders rest at the simulated venue")
        await self.kube.merge(HEDGE_GRID, self.namespace, self.name, {"spec": {"killSwitch": "flattenBoth"}})
        await self._wait(lambda grid: reached(grid, "Flat"))
        _say("Flat: killed, no order and no position")
        await self.kube.delete(HEDGE_GRID, self.namespace, self.name)
        await self._wait(lambda grid: grid is None)
        _say("gone")

    async def last_seen(self) -> str:
        """What the object shows now."""
        return shows(await self.kube.get(HEDGE_GRID, self.namespace, self.name))

    async def _wait(self, until: Callable[[Json | None], bool]) -> None:
        while True:
            if until(await self.kube.get(HEDGE_GRID, self.namespace, self.name)):
                return
            await asyncio.sleep(_PAUSE)


async def _run(settings: Settings, namespace: str, timeout: float) -> None:  # noqa: ASYNC109 — of the whole run
    source = CredentialSource(settings.kubeconfig, settings.context, settings.service_account_dir)
    async with Kube(source, Metrics(), settings.request_timeout, may_write=lambda: True) as kube:
        smoke = Smoke(kube, namespace, f"helm-test-{secrets.token_hex(4)}")
        try:
            async with asyncio.timeout(timeout):
                await smoke.run()
        except TimeoutError:
            told = await smoke.last_seen()
            raise SmokeError(f"not within {timeout:g} s: {told}") from None
        finally:
            # Deleted, whatever happened; that it goes is the operator's part.
            await kube.delete(HEDGE_GRID, namespace, smoke.name)


def main() -> int:
    """Run; the exit code."""
    parser = argparse.ArgumentParser(description="Makes a simulated grid, kills it and deletes it.")
    parser.add_argument("--grid-namespace", required=True, help="where the grid is made")
    parser.add_argument("--timeout", type=float, default=300.0, help="seconds for all steps together")
    own, others = parser.parse_known_args()
    try:
        asyncio.run(_run(parse(others), own.grid_namespace, own.timeout))
    except (SmokeError, ApiError, ApiUnreachableError, ConfigException, OSError) as error:
        sys.stdout.write(f"FAILED: {error}\n")
        return 1
    return 0


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
