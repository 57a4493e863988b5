"""The bare delivery of `tests.bench.bare`, beside a fleet: one object that nobody reconciles, and its watcher."""

import os
import sys
import time

from tests.bench.fleet.rig import FleetRig
from tests.bench.recorder import VARIABLE, Records
from tests.bench.rig import ARRIVALS, BARE, BARE_ADDRESS, BARE_NAMESPACE
from tests.kube import wait_until
from tests.kube.certificates import Authority


class Bare:
    """Patches the object and says when the endpoint had it."""

    def __init__(self, rig: FleetRig) -> None:
        self._rig = rig
        cluster = rig.cluster
        self._records = Records(cluster.folder / ARRIVALS)
        cluster.api.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": BARE_NAMESPACE}})
        cluster.api.create(rig.manifest(BARE, BARE_NAMESPACE))
        module, port = [sys.executable, "-m", "tests.bench.bare"], cluster.folder / "bare.port"
        environment = os.environ | {VARIABLE: str(cluster.folder / ARRIVALS)}
        authority = Authority(cluster.folder / "bare")
        pair = authority.server("endpoint", [BARE_ADDRESS], []).certificate.with_suffix("")
        endpoint = [*module, "endpoint", BARE_ADDRESS, str(port), str(pair)]
        cluster.spawn(endpoint, name="bare-endpoint", env=environment)
        wait_until(port.exists, 60, "the bare endpoint")
        url = f"https://{BARE_ADDRESS}:{port.read_text()}/control"
        watch = [*module, "watch", str(cluster.kubeconfig), BARE_NAMESPACE, BARE, url, str(authority.certificate)]
        cluster.spawn(watch, name="bare-watch")
        wait_until(lambda: self._records.arrival(1), 60, "the bare watch")
        self._kill = False

    def deliver(self) -> int:
        """One delivery; ns from sending the patch."""
        self._kill = not self._kill
        grid, switch = ("hedgegrid.io/v1alpha1", "HedgeGrid"), "flattenBoth" if self._kill else "none"
        sent = time.time_ns()
        found = self._rig.api.patch(*grid, BARE, BARE_NAMESPACE, {"spec": {"killSwitch": switch}})
        return wait_until(lambda: self._records.arrival(found["metadata"]["generation"]), 30, "it") - sent
