"""The real kube-state-metrics, built from its Go module, as a process beside a cluster."""

import json
import urllib.request
from pathlib import Path
from typing import Any

from tests.kube import gobuild
from tests.kube.binaries import cached
from tests.kube.cluster import Cluster
from tests.kube.gobuild import Target
from tests.kube.network import free_ports
from tests.kube.processes import Process
from tests.kube.progress import Say, say_to_stderr
from tests.kube.release import PLATFORM

type Json = dict[str, Any]

VERSION = "2.15.0"
"""As in monitoring/go.mod."""
PROGRAM = "kube-state-metrics"
TARGET = Target(
    what=f"kube-state-metrics {VERSION}",
    source=Path(__file__).with_name("monitoring"),
    program=PROGRAM,
    package="k8s.io/kube-state-metrics/v2",
)
HOST = "127.0.0.1"
ASK_SECONDS = 10.0


def find_kube_state_metrics(say: Say = say_to_stderr) -> Path:
    """A folder with the program; built once, then cached. Raises BuildError."""
    return cached(f"{PROGRAM}-{VERSION}-{PLATFORM}", lambda folder, say: gobuild.build(folder, say, TARGET), say)


class KubeStateMetrics:
    """One process with the rights of a kubeconfig; it goes away with the cluster at the latest.

    `custom_resources` is its CustomResourceStateMetrics configuration; it exports nothing else.
    """

    def __init__(self, cluster: Cluster, folder: Path, kubeconfig: Path, custom_resources: Json) -> None:
        written = cluster.folder / f"{PROGRAM}.json"
        written.write_text(json.dumps(custom_resources))
        port, own_port = free_ports(HOST, 2)
        self.address = f"{HOST}:{port}"
        """Where Prometheus scrapes it."""
        self.process: Process = cluster.spawn(
            [
                str(folder / PROGRAM),
                f"--kubeconfig={kubeconfig}",
                f"--custom-resource-state-config-file={written}",
                "--custom-resource-state-only",
                f"--host={HOST}",
                f"--port={port}",
                f"--telemetry-host={HOST}",
                f"--telemetry-port={own_port}",
            ],
            name=PROGRAM,
        )

    def metrics(self) -> str:
        """What it exports, in the text format; empty while it doesn't answer."""
        try:
            with urllib.request.urlopen(f"http://{self.address}/metrics", timeout=ASK_SECONDS) as answer:
                text: str = answer.read().decode()
                return text
        except OSError:
            return ""
