"""A Kubernetes with a real kubelet: `with Node() as node:`."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import urllib3

from tests.kube.access import CHECKOUT
from tests.kube.binaries import find_binaries
from tests.kube.errors import ApiError, ClusterUnavailable, HostError
from tests.kube.node import image, manifests, packages
from tests.kube.node.addresses import DNS_IMAGE, NODE_NAME, PAUSE_IMAGE, VOLUMES
from tests.kube.node.inside import Daemon, Inside
from tests.kube.node.plane import Plane, Programs
from tests.kube.node.programs import find_programs
from tests.kube.progress import Say, say_to_stderr
from tests.kube.real import RealCluster
from tests.kube.waiting import wait_until

READY_SECONDS = 180.0
"""A machine with other work to do may take many times the usual 10 s."""
STOP_SECONDS = 60.0
NAMESPACES_WITH_ACCOUNT = ("default", "kube-system")


def prepare(say: Say = say_to_stderr) -> Programs:
    """Have packages and programs of a node ready: minutes at the first time, nothing later.

    Raises ClusterUnavailable with the reason why there can be no node here.
    """
    if sys.platform != "linux" or os.geteuid() != 0:
        raise ClusterUnavailable("a real node needs Linux, and root for namespaces, mounts and cgroups")
    packages.install_missing(say)
    return Programs(find_binaries(say).folder, find_programs(say))


class Node(RealCluster):
    """A whole cluster of one node, in namespaces of its own.

    etcd, API server, controllers, scheduler, kubelet, kube-proxy, containerd with runc, CoreDNS. There is no way out of
    it. `volumes` is how many claims can be bound in its life. Whatever ends this process, everything goes away.
    """

    def __init__(self, *, volumes: int = 24, say: Say = say_to_stderr) -> None:
        super().__init__()
        self.name = NODE_NAME
        self.server = ""
        self.version = ""
        self.timings = {}
        self._volumes = [f"volume-{number}" for number in range(1, volumes + 1)]
        self._say = say
        self._keeper: subprocess.Popen[str] | None = None
        self._inside: Inside | None = None
        self._plane: Plane | None = None

    def start(self) -> None:
        """Return when the node is ready and pods can look up names.

        Raises ClusterUnavailable where no node can be had, HostError or TimeoutError where it doesn't start.
        """
        programs = prepare(self._say)
        began = time.monotonic()
        self._keeper = subprocess.Popen(
            [sys.executable, "-m", "tests.kube.node.keeper", str(os.getpid()), str(programs.node / "pause")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=CHECKOUT,
            start_new_session=True,  # Ctrl-C in a terminal is for this process, which then closes the pipe
        )
        try:
            self._bring_up(programs, began)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """End everything; returns when it is gone. Calling it twice does no harm."""
        if self._keeper is None:
            return
        keeper, self._keeper = self._keeper, None
        with keeper:
            assert keeper.stdin is not None
            keeper.stdin.close()
            keeper.wait(STOP_SECONDS)
        if self._inside:
            self._inside.wait_ended()

    @property
    def inside(self) -> Inside:
        """Runs programs in the node's namespaces, where the pods' addresses lead to them; raises HostError."""
        if self._inside is None:
            raise HostError("the node has not been started")
        return self._inside

    @property
    def daemons(self) -> Mapping[str, Daemon]:
        """What runs the node, by name: kubelet, containerd, kube-apiserver, ...; raises HostError before the start."""
        if self._plane is None:
            raise HostError("the node has not been started")
        return self._plane.daemons

    def launch_firewall(self, program: str) -> Daemon:
        """Start kube-router's firewall (policies.py); raises HostError before the start."""
        if self._plane is None:
            raise HostError("the node has not been started")
        return self._plane.launch_firewall(program)

    def run(self, *argv: str, timeout: float = 60, check: bool = True) -> subprocess.CompletedProcess[bytes]:
        """In the node's namespaces, with the machine's own programs."""
        return self.inside.run(*argv, timeout=timeout, check=check)

    def load(self, archive: Path) -> None:
        """By containerd."""
        self._ctr("images", "import", "--snapshotter=overlayfs", str(archive))

    def load_files(
        self, name: str, files: Mapping[str, Path], entrypoint: Sequence[str], links: Mapping[str, str] | None = None
    ) -> None:
        """Make an image of a few programs and load it: `files` and `links` by their path in the image."""
        archive = self.folder / "image.tar"
        image.write(archive, name, files, entrypoint, links)
        self.load(archive)
        archive.unlink()

    def claim_folder(self, namespace: str, claim: str) -> Path | None:
        """The folder of a PersistentVolumeClaim as this process sees it, None while it isn't bound."""
        found = self.api.get("v1", "PersistentVolumeClaim", claim, namespace)
        bound = found["spec"].get("volumeName") if found else None
        return self._outside(f"{VOLUMES}/{bound}") if bound else None

    def _bring_up(self, programs: Programs, began: float) -> None:
        assert self._keeper is not None
        assert self._keeper.stdout is not None
        line = self._keeper.stdout.readline()
        if not line:
            raise HostError("the node's namespaces could not be made; the reason is on stderr")
        known = json.loads(line)
        self._folder = folder = Path(known["folder"])
        self._inside = inside = Inside(known["pid"], folder / "logs")
        self.server = f"https://127.0.0.1:{known['port']}"

        def at(stage: str) -> None:
            self.timings[stage] = round(time.monotonic() - began, 1)

        at("namespaces")
        self._plane = plane = Plane(folder, inside, programs)
        plane.write_admin_kubeconfig(self.kubeconfig, self.server)
        plane.launch_server()
        self._await(self._serves, "the API server")
        self.version = self.api.request("GET", "/version")["gitVersion"]
        at("API server")
        plane.launch_controllers()
        self._await(lambda: self.run("ctr", "version", check=False).returncode == 0, "containerd")
        self.load_files(PAUSE_IMAGE, {"/pause": programs.node / "pause"}, ["/pause"])
        self.load_files(DNS_IMAGE, {"/coredns": programs.node / "coredns"}, ["/coredns"])
        at("images")
        plane.launch_kubelet()
        self._furnish()
        self._await(self._node_ready, "the node to be ready")
        at("node")
        self._await(self._dns_ready, "CoreDNS to be ready")
        at("ready")

    def _furnish(self) -> None:
        """DNS and volumes, and what the controllers make that every pod needs."""
        self._await(self._accounts_made, "the controllers to make ServiceAccounts")
        for name in self._volumes:
            self._outside(f"{VOLUMES}/{name}").mkdir(parents=True)
        for manifest in [manifests.storage_class(), *map(manifests.volume, self._volumes), *manifests.dns()]:
            self.api.apply(manifest)

    def _await(self, condition: Any, what: str) -> None:
        """Wait, unless a daemon ends meanwhile: then raise HostError with its last words."""
        assert self._plane is not None
        plane = self._plane

        def look() -> object:
            plane.check()
            return condition()

        wait_until(look, READY_SECONDS, what, every=0.1)

    def _serves(self) -> bool:
        try:
            self.api.request("GET", "/readyz")
        except (ApiError, urllib3.exceptions.HTTPError):
            return False
        return True

    def _accounts_made(self) -> bool:
        return all(self.api.get("v1", "ServiceAccount", "default", name) for name in NAMESPACES_WITH_ACCOUNT)

    def _node_ready(self) -> bool:
        found = self.api.get("v1", "Node", NODE_NAME)
        return found is not None and _condition(found, "Ready") == "True" and not found["spec"].get("taints")

    def _dns_ready(self) -> bool:
        found = self.api.get("apps/v1", "Deployment", "coredns", "kube-system")
        return found is not None and _condition(found, "Available") == "True"

    def _outside(self, path: str) -> Path:
        """The path of a file below the node's /var/lib as this process sees it."""
        return self.folder / "lib" / Path(path).relative_to("/var/lib")


def _condition(item: Mapping[str, Any], kind: str) -> str:
    conditions = item.get("status", {}).get("conditions") or []
    return next((found["status"] for found in conditions if found["type"] == kind), "Unknown")
