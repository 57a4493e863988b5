"""The real Prometheus Operator, built from its Go module, as a process beside a cluster; and what it has written.

The pods that it makes for a `Prometheus` need an image that isn't here: they are held, and a Prometheus of ours runs
with the same configuration and rules.
"""

import base64
import gzip
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from tests.kube import gobuild
from tests.kube.binaries import cached
from tests.kube.cluster import Cluster
from tests.kube.errors import ApiError
from tests.kube.gobuild import Target
from tests.kube.network import free_ports
from tests.kube.processes import Process
from tests.kube.progress import Say, say_to_stderr
from tests.kube.release import PLATFORM
from tests.kube.waiting import wait_until

type Json = dict[str, Any]

VERSION = "0.85.0"
"""As in monitoring/go.mod."""
MODULE = "github.com/prometheus-operator/prometheus-operator"
API_VERSION = "monitoring.coreos.com/v1"
KINDS = {"Prometheus", "PodMonitor", "ServiceMonitor", "PrometheusRule"}
PROGRAM, CRDS = "prometheus-operator", "crds"
TARGET = Target(
    what=f"the Prometheus Operator {VERSION}",
    source=Path(__file__).with_name("monitoring"),
    program=PROGRAM,
    linker_flags=f"-s -w -X github.com/prometheus/common/version.Version={VERSION}",
    package=f"{MODULE}/cmd/operator",
)
PROMETHEUS = "v2.42.0"
"""Whose configuration it writes: the oldest Prometheus that we run, Debian 12's."""
HOST = "127.0.0.1"
SERVED_SECONDS = 60.0
WRITTEN_SECONDS = 90.0


def find_prometheus_operator(say: Say = say_to_stderr) -> Path:
    """A folder with the program and its CRDs; built once, then cached. Raises BuildError."""
    return cached(f"{PROGRAM}-{VERSION}-{PLATFORM}", _build, say)


def _build(folder: Path, say: Say) -> None:
    gobuild.build(folder, say, TARGET)
    definitions = gobuild.module_folder(MODULE, TARGET) / "example" / "prometheus-operator-crd"
    (folder / CRDS).mkdir()
    for path in sorted(definitions.glob("*.yaml")):  # content only: the module cache is read-only
        shutil.copyfile(path, folder / CRDS / path.name)


class PrometheusOperator:
    """One process with an administrator's rights; it goes away with the cluster at the latest."""

    def __init__(self, cluster: Cluster, folder: Path) -> None:
        """Make its kinds known and start it; `folder` is what `find_prometheus_operator` has found."""
        self._cluster = cluster
        cluster.kubectl("apply", "--server-side", "--filename", str(folder / CRDS), timeout=120)
        wait_until(lambda: _served(cluster) >= KINDS, SERVED_SECONDS, "the Prometheus Operator's kinds", every=0.2)
        self.process: Process = cluster.spawn(
            [
                str(folder / PROGRAM),
                f"--apiserver={cluster.server}",
                *(f"--{flag}={path}" for flag, path in _credentials(cluster).items()),
                f"--web.listen-address={HOST}:{free_ports(HOST, 1)[0]}",
                "--kubelet-endpoints=false",
            ],
            name=PROGRAM,
        )

    def ask_for(self, namespace: str, name: str, labels: dict[str, str]) -> None:
        """Make a `Prometheus` that takes the monitors and rules with these labels, wherever they are."""
        self._cluster.hold_pending(namespace)
        selecting = {
            f"{kind}{part}": {"matchLabels": chosen}
            for kind in ("serviceMonitor", "podMonitor", "rule")
            for part, chosen in (("Selector", labels), ("NamespaceSelector", {}))
        }
        spec = {"version": PROMETHEUS, "serviceDiscoveryRole": "EndpointSlice", "evaluationInterval": "2s", **selecting}
        about = {"name": name, "namespace": namespace}
        self._cluster.api.create({"apiVersion": API_VERSION, "kind": "Prometheus", "metadata": about, "spec": spec})

    def configuration(self, namespace: str, name: str, jobs: set[str]) -> Json:
        """What it has written for a `Prometheus`, once these are its jobs."""

        def written() -> Json | None:
            secret = self._cluster.api.get("v1", "Secret", f"prometheus-{name}", namespace) or {}
            packed = (secret.get("data") or {}).get("prometheus.yaml.gz")
            text = gzip.decompress(base64.b64decode(packed)).decode() if packed else "{}"
            for variable, value in (("SHARD", "0"), ("POD_NAME", f"prometheus-{name}-0")):
                text = text.replace(f"$({variable})", value)  # the work of the reloader in the pod
            found: Json = yaml.safe_load(text)
            return found if {job["job_name"] for job in found.get("scrape_configs") or []} == jobs else None

        return self._wait(written, f"a configuration of {name} with {', '.join(sorted(jobs))}")

    def rules(self, namespace: str, name: str) -> dict[str, str]:
        """The rule files that it has written for a `Prometheus`, once there are any."""

        def written() -> dict[str, str]:
            found = self._cluster.api.get("v1", "ConfigMap", f"prometheus-{name}-rulefiles-0", namespace) or {}
            return found.get("data") or {}

        return self._wait(written, f"rule files of {name}")

    def _wait[T](self, written: Callable[[], T | None], what: str) -> T:
        try:
            return wait_until(written, WRITTEN_SECONDS, what, every=0.2)
        except TimeoutError as error:
            words = "\n".join(self.process.log().splitlines()[-10:])
            raise TimeoutError(f"{error}; the Prometheus Operator's last words:\n{words}") from None


def _served(cluster: Cluster) -> set[str]:
    try:
        resources = cluster.api.request("GET", f"/apis/{API_VERSION}")["resources"]
    except ApiError as error:
        if error.status != 404:
            raise
        return set()
    return {resource["kind"] for resource in resources}


def _credentials(cluster: Cluster) -> dict[str, Path]:
    """The administrator's certificate, as files: it takes no kubeconfig."""
    content = yaml.safe_load(cluster.kubeconfig.read_text())
    user, server = content["users"][0]["user"], content["clusters"][0]["cluster"]
    found: dict[str, Path] = {}
    for flag, data in (
        ("ca-file", server["certificate-authority-data"]),
        ("cert-file", user["client-certificate-data"]),
        ("key-file", user["client-key-data"]),
    ):
        found[flag] = cluster.folder / f"{PROGRAM}.{flag}"
        found[flag].touch(mode=0o600)
        found[flag].write_bytes(base64.b64decode(data))
    return found
