"""A cluster that runs pods as any cluster does: kubelet, containerd, a network and volumes of its own."""

import subprocess
from abc import abstractmethod
from pathlib import Path

from tests.kube.access import Access

LOAD_SECONDS = 300.0


class RealCluster(Access):
    """One node, made for the tests and removed after them: `with Node() as cluster:` or `with Kind() as cluster:`.

    There needn't be a registry: `load` brings images. Pods are reached by `kubectl port-forward`.
    """

    name: str
    """Of its Node object."""
    version: str
    """Of Kubernetes, like v1.34.4; empty before the start."""
    timings: dict[str, float]
    """Seconds from the start until a stage was reached."""

    @abstractmethod
    def run(self, *argv: str, timeout: float = 60, check: bool = True) -> subprocess.CompletedProcess[bytes]:
        """Run a program on the node, to its end.

        Raises HostError with its last words where it ended with another code than 0, subprocess.TimeoutExpired.
        """

    @abstractmethod
    def load(self, archive: Path) -> None:
        """Bring an OCI or Docker archive to the node, under the names that it carries; raises HostError."""

    def tag(self, name: str, other: str) -> None:
        """Give an image that is there another name, in full: docker.io/library/NAME:TAG; raises HostError."""
        self._ctr("images", "tag", "--force", name, other)

    def images(self) -> list[str]:
        """Names of the images that are there."""
        return self._ctr("images", "list", "--quiet").split()

    def _ctr(self, *arguments: str) -> str:
        """What containerd's client prints."""
        return self.run("ctr", "--namespace=k8s.io", *arguments, timeout=LOAD_SECONDS).stdout.decode()
