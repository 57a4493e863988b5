"""What one does to a cluster with a kubeconfig, whoever runs it."""

import os
import subprocess
import sys
from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.kube import kubeconfig
from tests.kube.api import Api
from tests.kube.errors import HostError, KubectlFailed

CHECKOUT = Path(__file__).parents[2]
PROGRAMS = Path(sys.prefix) / "bin"
TOKEN_SECONDS = 24 * 3600


class Access(ABC):
    """kubectl, clients and kubeconfigs of a cluster whose files are in one folder; it runs within its `with` block."""

    def __init__(self) -> None:
        self._folder: Path | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @abstractmethod
    def start(self) -> None:
        """Return when pods run. Raises ClusterUnavailable where none can be had, HostError or TimeoutError."""

    @abstractmethod
    def stop(self) -> None:
        """End everything; returns when it is gone. Calling it twice does no harm."""

    @property
    def folder(self) -> Path:
        """Temporary files of this cluster, gone with it; raises HostError before the start."""
        if self._folder is None:
            raise HostError("the cluster has not been started")
        return self._folder

    @abstractmethod
    def claim_folder(self, namespace: str, claim: str) -> Path | None:
        """The folder of a PersistentVolumeClaim, None while it isn't bound."""

    @property
    def kubeconfig(self) -> Path:
        """For a cluster administrator."""
        return self.folder / "kubeconfig"

    def kubeconfig_for(self, namespace: str, service_account: str) -> Path:
        """For a ServiceAccount that exists, by a token of its own; raises ApiError."""
        path = self.folder / f"kubeconfig.{namespace}.{service_account}"
        account = f"/api/v1/namespaces/{namespace}/serviceaccounts/{service_account}/token"
        token = self.api.request("POST", account, {"spec": {"expirationSeconds": TOKEN_SECONDS}})["status"]["token"]
        kubeconfig.write_for_token(path, self.kubeconfig, token)
        return path

    @cached_property
    def api(self) -> Api:
        """A client with an administrator's rights."""
        return Api.of(self.kubeconfig)

    def api_for(self, namespace: str, service_account: str) -> Api:
        """A client with a ServiceAccount's rights."""
        return Api.of(self.kubeconfig_for(namespace, service_account))

    @property
    def kubectl_path(self) -> Path:
        """The kubectl of this environment."""
        return PROGRAMS / "kubectl"

    def kubectl(
        self, *arguments: str, stdin: str | None = None, kubeconfig: Path | None = None, timeout: float = 60
    ) -> str:
        """What kubectl prints; raises KubectlFailed, subprocess.TimeoutExpired."""
        return self._kubectl(arguments, kubeconfig or self.kubeconfig, stdin, timeout)

    def _kubectl(self, arguments: Sequence[str], config: Path | None, stdin: str | None, timeout: float) -> str:
        done = subprocess.run(
            [str(self.kubectl_path), *arguments],
            input=stdin,
            capture_output=True,
            text=True,
            timeout=timeout,
            env=os.environ | ({"KUBECONFIG": str(config)} if config else {}),
            cwd=CHECKOUT,
            check=False,
        )
        if done.returncode != 0:
            raise KubectlFailed(arguments, done.returncode, done.stderr)
        return done.stdout
