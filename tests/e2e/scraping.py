"""A real Prometheus beside the pods, inside the node."""

import json
from collections.abc import Sequence
from typing import Any

import yaml

from tests.kube import scraping
from tests.kube.debian import program
from tests.kube.node import Node
from tests.kube.node.inside import Daemon

type Json = dict[str, Any]

ADDRESS = "127.0.0.1:9091"


class Prometheus:
    """Debian's Prometheus in the node's namespaces, where pods can be reached; ends with the node.

    Raises PackageUnavailable where there is none.
    """

    def __init__(self, node: Node, targets: Sequence[Json]) -> None:
        self._node = node
        self._promtool = str(program("promtool", "prometheus"))
        folder = node.folder / "prometheus"
        folder.mkdir()
        listed = folder / "targets.json"
        listed.write_text(json.dumps(targets))
        config = folder / "prometheus.yml"
        config.write_text(yaml.safe_dump(scraping.config(listed)))
        flags = [f"--config.file={config}", f"--storage.tsdb.path={folder / 'data'}", f"--web.listen-address={ADDRESS}"]
        self.daemon: Daemon = node.inside.start("prometheus", [str(program("prometheus", "prometheus")), *flags])

    def query(self, expression: str) -> dict[str, float]:
        """Values of an instant query by the series' pod; empty while Prometheus isn't there or knows none."""
        asked = [self._promtool, "query", "instant", "--format=json", f"http://{ADDRESS}", expression]
        done = self._node.inside.run(*asked, check=False)
        if done.returncode != 0:
            self.daemon.check()
            return {}
        return {sample["metric"].get("pod", ""): float(sample["value"][1]) for sample in json.loads(done.stdout)}
