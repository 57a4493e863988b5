"""The process that runs a cluster: control plane, pod runner, and whatever it is asked to start.

`python -m tests.kube.host FOLDER SETTINGS`, started by the keeper alone; what it can be asked for is in operations.py.
"""

import asyncio
import logging
import os
import shutil
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.kube import rpc
from tests.kube.children import Child
from tests.kube.control_plane import ControlPlane
from tests.kube.daemons import Plan
from tests.kube.errors import HostError
from tests.kube.keeper import inherit_orphans, kill_descendants
from tests.kube.network import Reservation
from tests.kube.operations import operations
from tests.kube.settings import ClusterSettings

if TYPE_CHECKING:
    from tests.kube.apiclient import ApiClient
    from tests.kube.runner.runner import PodRunner


class Host:
    """What runs in one folder."""

    def __init__(self, folder: Path, settings: ClusterSettings) -> None:
        self.folder = folder
        self.settings = settings
        self.spawned: dict[str, Child] = {}
        self.timings: dict[str, float] = {}
        self.started: asyncio.Task[dict[str, Any]] = asyncio.create_task(self._start())
        self._plane: ControlPlane | None = None
        self._runner: PodRunner | None = None
        self.client: ApiClient | None = None
        self._reservation = Reservation()

    @property
    def plane(self) -> ControlPlane:
        """The control plane; raises HostError where the cluster is somebody else's."""
        if self._plane is None:
            raise HostError("this cluster was there before: its control plane is not ours to touch")
        return self._plane

    @property
    def runner(self) -> "PodRunner":
        """The pod runner; raises HostError where there is none."""
        if self._runner is None:
            raise HostError("this cluster has no pod runner of ours, so there are no faults")
        return self._runner

    async def _start(self) -> dict[str, Any]:
        """Bring everything up; returns what its user has to know."""
        if self.settings.binaries is None:
            return {}
        plan = Plan.make(Path(self.settings.binaries), self.folder, self._reservation.block)
        self._plane = plane = ControlPlane(plan)
        await plane.launch_server()
        self._at("launched")
        # Half a second of imports, while the API server gets ready.
        from tests.kube.apiclient import ApiClient
        from tests.kube.runner.runner import PodRunner

        self.client = client = ApiClient(plan.server, plane.authority.certificate, plane.admin)
        await plane.until_served(client)
        self._at("kube-apiserver")
        version = (await client.get("/version"))["gitVersion"]
        starting = [plane.start_controllers(client)]
        if self.settings.pods_run:
            self._runner = PodRunner(client, plane, self.settings)
            starting.append(self._runner.start(version))
        await asyncio.gather(*starting)
        self._at("ready")
        return {"server": plan.server, "version": version, "timings": self.timings}

    def _at(self, stage: str) -> None:
        self.timings[stage] = round(time.monotonic() - self.settings.began, 3)


async def run(folder: Path, settings: ClusterSettings) -> None:
    """Serve until the keeper ends this process; end with it if it dies first."""
    asyncio.get_running_loop().add_reader(sys.stdin.fileno(), _abandoned, folder)
    host = Host(folder, settings)
    server = await rpc.serve(folder, operations(host))
    await server.serve_forever()


def _abandoned(folder: Path) -> None:
    """The keeper was killed: do its work."""
    inherit_orphans()
    kill_descendants()
    shutil.rmtree(folder, ignore_errors=True)
    os._exit(1)


def main() -> None:
    """The command line."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    asyncio.run(run(Path(sys.argv[1]), ClusterSettings.decode(sys.argv[2])))


if __name__ == "__main__":
    main()
