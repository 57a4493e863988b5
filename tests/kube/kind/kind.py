"""A cluster of one node in a container: `with Kind() as cluster:`."""

import json
import os
import secrets
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

from tests.kube import docker, gobuild
from tests.kube.access import CHECKOUT
from tests.kube.binaries import cached
from tests.kube.children import die_with_parent
from tests.kube.errors import ClusterUnavailable, HostError
from tests.kube.gobuild import BuildError, Target
from tests.kube.progress import Say, say_to_stderr
from tests.kube.real import LOAD_SECONDS, RealCluster
from tests.kube.release import PLATFORM

VERSION = "0.33.0"
"""As in go.mod."""
SOURCE = Path(__file__).parent
TARGET = Target(what=f"kind {VERSION}", source=SOURCE, program="kind", package="sigs.k8s.io/kind")
IMAGE = "HEDGEGRID_KIND_IMAGE"
"""Environment variable with the node image to use: a mirror's, or that of another Kubernetes. Else kind has its own."""
READY_SECONDS = 300
BEGINS = "• "
"""How kind marks a step that it begins."""
STOP_SECONDS = 120.0
VOLUMES = "/var/local-path-provisioner"
"""Where kind's provisioner makes the folders of claims, on the node."""
CLASS = {
    "apiVersion": "storage.k8s.io/v1",
    "kind": "StorageClass",
    "metadata": {"name": "standard", "annotations": {"storageclass.kubernetes.io/is-default-class": "true"}},
    "provisioner": "rancher.io/local-path",
    "volumeBindingMode": "WaitForFirstConsumer",
    "reclaimPolicy": "Retain",
}
"""kind's own, but that a claim's folder outlives it: the book in it tells how the account was left."""


def prepare(say: Say = say_to_stderr) -> Path:
    """The program `kind`: the one that KIND names, or PATH has, or a build from its Go module.

    Raises ClusterUnavailable with the reason why there can be no cluster of it here.
    """
    if docker.version() is None:
        raise ClusterUnavailable("kind needs Docker, and no daemon answers `docker version`")
    named = os.environ.get("KIND") or shutil.which("kind")
    if named:
        return Path(named)
    try:
        folder = cached(f"kind-{VERSION}-{PLATFORM}", lambda folder, say: gobuild.build(folder, say, TARGET), say)
    except BuildError as reason:
        raise ClusterUnavailable(f"no kind to run: {reason}. Install it, or let KIND name it.") from reason
    return folder / "kind"


class Kind(RealCluster):
    """As `kind create cluster` makes it, under a name of its own. Whatever ends this process, it goes away."""

    def __init__(self, *, say: Say = say_to_stderr) -> None:
        super().__init__()
        self._cluster = f"hedgegrid-{secrets.token_hex(4)}"
        self.name = f"{self._cluster}-control-plane"
        self.version = ""
        self.timings = {}
        self._say = say
        self._program = Path()
        self._after: subprocess.Popen[str] | None = None

    def start(self) -> None:
        """Return when the node is ready."""
        self._program = prepare(self._say)
        began = time.monotonic()
        self._folder = folder = Path(tempfile.mkdtemp(prefix="hedgegrid-kind-"))
        self._after = subprocess.Popen(
            ["sh", str(SOURCE / "after.sh"), str(self._program), self._cluster, self.name, str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            text=True,
            start_new_session=True,  # Ctrl-C in a terminal is for this process, whose end it then sees
        )
        try:
            self._create(folder)
            self.version = self.api.request("GET", "/version")["gitVersion"]
            self.kubectl("delete", "storageclass", CLASS["metadata"]["name"])
            self.api.create(CLASS)
        except BaseException:
            self.stop()
            raise
        self.timings["ready"] = round(time.monotonic() - began, 1)

    def stop(self) -> None:
        """Delete the cluster."""
        if self._after is None:
            return
        after, self._after = self._after, None
        with after:
            after.communicate("in good order\n", STOP_SECONDS)

    def run(self, *argv: str, timeout: float = 60, check: bool = True) -> subprocess.CompletedProcess[bytes]:
        """`docker exec`, with the programs of the node image."""
        command = ["docker", "exec", self.name, *argv]
        done = subprocess.run(command, capture_output=True, timeout=timeout, check=False)
        if check and done.returncode != 0:
            words = (done.stderr or done.stdout).decode(errors="replace").strip()
            raise HostError(f"{' '.join(argv)} ended with {done.returncode} on {self.name}: {words[-2000:]}")
        return done

    def load(self, archive: Path) -> None:
        """`kind load image-archive`."""
        command = [str(self._program), "load", "image-archive", str(archive), "--name", self._cluster]
        done = subprocess.run(command, capture_output=True, text=True, timeout=LOAD_SECONDS, check=False)
        if done.returncode != 0:
            raise HostError(f"kind can't load {archive}: {done.stderr.strip()[-2000:]}")

    def claim_folder(self, namespace: str, claim: str) -> Path | None:
        """The folder of a PersistentVolumeClaim on this machine, None while it isn't bound."""
        found = self.api.get("v1", "PersistentVolumeClaim", claim, namespace)
        bound = found["spec"].get("volumeName") if found else None
        volume = self.api.get("v1", "PersistentVolume", bound) if bound else None
        if volume is None:
            return None
        source = volume["spec"].get("hostPath") or volume["spec"]["local"]
        return self._volumes / Path(source["path"]).relative_to(VOLUMES)

    @property
    def _volumes(self) -> Path:
        return self.folder / "volumes"

    def _create(self, folder: Path) -> None:
        self._volumes.mkdir()
        node = {
            "role": "control-plane",
            "extraMounts": [{"hostPath": str(self._volumes), "containerPath": VOLUMES}],
        }
        config = folder / "kind.json"
        config.write_text(json.dumps({"kind": "Cluster", "apiVersion": "kind.x-k8s.io/v1alpha4", "nodes": [node]}))
        command = [
            *(str(self._program), "create", "cluster", f"--name={self._cluster}", f"--config={config}"),
            *(f"--kubeconfig={self.kubeconfig}", f"--wait={READY_SECONDS}s"),
        ]
        if image := os.environ.get(IMAGE):
            command.append(f"--image={image}")
        process = subprocess.Popen(
            command,
            cwd=CHECKOUT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=die_with_parent,  # noqa: PLW1509 - a single system call, safe beside threads
        )
        said: list[str] = []
        with process:
            assert process.stderr is not None
            for line in filter(None, map(str.strip, process.stderr)):
                said.append(line)
                if line.startswith(BEGINS):
                    self._say(f"  kind: {line.removeprefix(BEGINS)}")
        if process.returncode != 0:
            raise HostError(
                f"kind create cluster ended with {process.returncode}: {'; '.join(said[-15:])}. Where its node image "
                f"can't be fetched, let {IMAGE} name one that is there."
            )
