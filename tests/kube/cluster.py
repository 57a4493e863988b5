"""A Kubernetes of one's own: `with Cluster() as cluster:`."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.kube import rpc
from tests.kube.access import CHECKOUT, PROGRAMS, Access
from tests.kube.binaries import find_binaries
from tests.kube.errors import HostError
from tests.kube.pods import Pod
from tests.kube.processes import Process
from tests.kube.progress import Say, say_to_stderr
from tests.kube.settings import ClusterSettings

__all__ = ["CHECKOUT", "PROGRAMS", "Cluster"]

STOP_SECONDS = 30.0
FROZEN_SECONDS = 3600.0


class Cluster(Access):
    """etcd, kube-apiserver, kube-controller-manager and a pod runner, all as processes on loopback addresses.

    `context` names an existing cluster instead: then nothing is started, there is no pod runner and there are no
    faults, and what needs them raises HostError; `pods_run=False` leaves the pod runner out, too. Whatever ends this
    process, everything that was started goes away.
    """

    def __init__(
        self,
        *,
        network_faults: bool = False,
        pods_run: bool = True,
        context: str | None = None,
        images: Mapping[str, Path] | None = None,
        say: Say = say_to_stderr,
    ) -> None:
        super().__init__()
        self.network_faults = network_faults
        self.pods_run = pods_run
        self.context = context
        self.timings: dict[str, float] = {}
        self.version = ""
        self.server = ""
        self._images = {repository: str(folder) for repository, folder in (images or {}).items()}
        self._say = say
        self._keeper: subprocess.Popen[str] | None = None

    def start(self) -> None:
        """Return when the API server serves, the controllers control and the node takes pods.

        Raises ClusterUnavailable where no Kubernetes can be had, HostError where it doesn't start.
        """
        binaries = None if self.context else str(find_binaries(self._say).folder)
        settings = ClusterSettings(
            binaries=binaries,
            programs=str(PROGRAMS),
            images=self._images,
            network_faults=self.network_faults,
            pods_run=self.pods_run,
            began=time.monotonic(),
        )
        self._keeper = subprocess.Popen(
            [sys.executable, "-m", "tests.kube.keeper", str(os.getpid()), settings.encode()],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=CHECKOUT,
            start_new_session=True,  # Ctrl-C in a terminal is for this process, which then closes the pipe
        )
        try:
            assert self._keeper.stdout is not None
            self._folder = Path(self._keeper.stdout.readline().strip())
            self._connect()
        except BaseException:
            self.stop()
            raise

    def _connect(self) -> None:
        while not (self.folder / rpc.SOCKET).exists():
            if self._keeper is None or self._keeper.poll() is not None:
                raise HostError("the host of the cluster did not start; its last words are on stderr")
            time.sleep(0.01)
        known = rpc.call(self.folder, "ready")
        if self.context:
            flags = ("config", "view", "--raw", "--minify", "--flatten", "--context", self.context)
            self.kubeconfig.touch(mode=0o600)
            self.kubeconfig.write_text(self._kubectl(flags, None, None, 30))
            self.version = self.api.request("GET", "/version")["gitVersion"]
            self.server = self.api.server
            return
        self.server, self.version, self.timings = known["server"], known["version"], known["timings"]

    def stop(self) -> None:
        """End everything; returns when it is gone. Calling it twice does no harm."""
        if self._keeper is None:
            return
        keeper, self._keeper = self._keeper, None
        with keeper:
            assert keeper.stdin is not None
            keeper.stdin.close()
            keeper.wait(STOP_SECONDS)

    def spawn(
        self, argv: Sequence[str], *, name: str, env: Mapping[str, str] | None = None, cwd: Path | None = None
    ) -> Process:
        """Start a process that goes away with the cluster; without `env` it has this process's environment."""
        variables = dict(os.environ if env is None else env)
        made = rpc.call(
            self.folder, "spawn", name=name, argv=[str(word) for word in argv], env=variables, cwd=str(cwd or CHECKOUT)
        )
        return Process(self.folder, made["name"], Path(made["log"]))

    @property
    def etcd(self) -> Process:
        """etcd."""
        return self._daemon("etcd")

    @property
    def apiserver(self) -> Process:
        """kube-apiserver."""
        return self._daemon("kube-apiserver")

    @property
    def controllers(self) -> Process:
        """kube-controller-manager."""
        return self._daemon("kube-controller-manager")

    def stop_apiserver(self, number: int = signal.SIGTERM) -> None:
        """End the API server and return when it has ended; pods run on."""
        rpc.call(self.folder, "stop_apiserver", number=int(number))

    def start_apiserver(self) -> None:
        """Start it again at the same address and return when it is ready."""
        rpc.call(self.folder, "start_apiserver")

    def save_store(self) -> None:
        """Keep a copy of etcd's data; the API server is away for a moment."""
        rpc.call(self.folder, "replace_store", by_saved=False)

    def restore_store(self) -> None:
        """Put the copy in the place of etcd's data, as after a disaster; returns when the API server is ready."""
        rpc.call(self.folder, "replace_store", by_saved=True)

    def pod(self, namespace: str, name: str) -> Pod:
        """A handle on a pod, which needn't exist yet."""
        return Pod(self.folder, self.api, namespace, name)

    def hold_pending(self, namespace: str, pattern: str = "*", *, unschedulable: bool = False) -> None:
        """Bind no pod of this namespace whose name matches; `unschedulable` says so in its status."""
        rpc.call(self.folder, "hold_pending", namespace=namespace, pattern=pattern, unschedulable=unschedulable)

    def release(self, namespace: str, pattern: str = "*") -> None:
        """End a hold of the same pattern."""
        rpc.call(self.folder, "release", namespace=namespace, pattern=pattern)

    def cut_pods_off(self, *, frozen: bool = False) -> None:
        """No pod reaches the API server: connections are refused, or (frozen) nothing flows on them any more."""
        rpc.call(self.folder, "server_traffic", **({"request_delay": FROZEN_SECONDS} if frozen else {"refused": True}))

    def let_pods_through(self) -> None:
        """End `cut_pods_off`."""
        rpc.call(self.folder, "server_traffic", refused=False, request_delay=0.0)

    def refuse_image(self, image: str) -> None:
        """Let every start of a container with this image (repository:tag) fail as ImagePullBackOff."""
        rpc.call(self.folder, "refuse_image", image=image)

    def accept_image(self, image: str) -> None:
        """End `refuse_image`."""
        rpc.call(self.folder, "accept_image", image=image)

    def heal_namespace(self, namespace: str) -> None:
        """Take away all faults and holds of this namespace's pods."""
        rpc.call(self.folder, "heal_namespace", namespace=namespace)

    def claim_folder(self, namespace: str, claim: str) -> Path | None:
        """The folder of a PersistentVolumeClaim, None while it isn't bound."""
        folder: str | None = rpc.call(self.folder, "claim_folder", namespace=namespace, claim=claim)
        return Path(folder) if folder else None

    def problems(self) -> list[str]:
        """Errors inside the pod runner, which are bugs of it."""
        found: list[str] = rpc.call(self.folder, "problems")
        return found

    def _daemon(self, name: str) -> Process:
        return Process(self.folder, name, self.folder / "logs" / f"{name}.log")
