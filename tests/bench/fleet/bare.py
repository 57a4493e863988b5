"""The bare delivery of `tests.bench.bare`, beside a fleet: one object that nobody reconciles, and its watcher."""

import time

from tests.bench.fleet.rig import FleetRig
from tests.bench.rig import BARE, BARE_NAMESPACE, start_bare
from tests.kube import wait_until


class Bare:
    """Patches the object and says when the endpoint had it."""

    def __init__(self, rig: FleetRig) -> None:
        self._rig = rig
        self._records = start_bare(rig.cluster, rig.cluster.folder, rig.manifest(BARE, BARE_NAMESPACE))
        self._kill = False

    def deliver(self) -> int:
        """One delivery; ns from sending the patch."""
        self._kill = not self._kill
        grid, switch = ("hedgegrid.io/v1alpha1", "HedgeGrid"), "flattenBoth" if self._kill else "none"
        sent = time.time_ns()
        found = self._rig.api.patch(*grid, BARE, BARE_NAMESPACE, {"spec": {"killSwitch": switch}})
        return wait_until(lambda: self._records.arrival(found["metadata"]["generation"]), 30, "it") - sent
