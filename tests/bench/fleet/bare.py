"""The bare delivery of `tests.bench.bare`, beside a fleet: one object that nobody reconciles, and its watcher."""

import time
from typing import Any

from tests.bench.fleet.rig import FleetRig
from tests.bench.rig import BARE, BARE_NAMESPACE, start_bare
from tests.kube import wait_until

PATH = f"/apis/hedgegrid.io/v1alpha1/namespaces/{BARE_NAMESPACE}/hedgegrids/{BARE}"
PATIENCE = 120.0


class Bare:
    """Patches the object and says when the endpoint had it."""

    def __init__(self, rig: FleetRig) -> None:
        self._rig = rig
        self._records = start_bare(rig.cluster, rig.cluster.folder, rig.manifest(BARE, BARE_NAMESPACE))
        self._kill = False

    def deliver(self) -> int:
        """One delivery; ns from sending the patch."""
        sent = time.time_ns()
        found = self._rig.api.request("PATCH", PATH, self.change(), "application/merge-patch+json")
        return self.arrival(found["metadata"]["generation"]) - sent

    def change(self) -> dict[str, Any]:
        """The next patch of the object at `PATH`."""
        self._kill = not self._kill
        return {"spec": {"killSwitch": "flattenBoth" if self._kill else "none"}}

    def arrival(self, generation: int) -> int:
        """When the endpoint had a generation; ns of the wall clock."""
        return wait_until(lambda: self._records.arrival(generation), PATIENCE, "it")
