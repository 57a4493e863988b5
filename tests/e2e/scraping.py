"""A real Prometheus that scrapes what `kubectl port-forward` leads to."""

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import yaml

from tests.kube import scraping
from tests.kube.children import die_with_parent
from tests.kube.debian import program
from tests.kube.network import free_ports

type Json = dict[str, Any]

HOST = "127.0.0.1"


class Prometheus:
    """Debian's, with its files in `folder`: `with Prometheus(folder, targets) as prometheus:`.

    Raises PackageUnavailable where there is none.
    """

    def __init__(self, folder: Path, targets: Sequence[Json]) -> None:
        self._promtool = str(program("promtool", "prometheus"))
        self._program = str(program("prometheus", "prometheus"))
        self._folder = folder
        self._targets = targets
        self._address = f"{HOST}:{free_ports(HOST, 1)[0]}"

    def __enter__(self) -> Self:
        self._folder.mkdir()
        listed, config = self._folder / "targets.json", self._folder / "prometheus.yml"
        listed.write_text(json.dumps(self._targets))
        config.write_text(yaml.safe_dump(scraping.config(listed)))
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [
                    *(self._program, f"--config.file={config}", f"--storage.tsdb.path={self._folder / 'data'}"),
                    f"--web.listen-address={self._address}",
                ],
                stdout=log,
                stderr=log,
                preexec_fn=die_with_parent,  # noqa: PLW1509 - a single system call, safe beside threads
            )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.wait()

    def query(self, expression: str) -> dict[str, float]:
        """Values of an instant query by the series' pod; empty while Prometheus isn't there or knows none."""
        asked = [self._promtool, "query", "instant", "--format=json", f"http://{self._address}", expression]
        done = subprocess.run(asked, capture_output=True, timeout=60, check=False)
        if done.returncode != 0:
            if self._process.poll() is not None:
                raise RuntimeError(f"Prometheus has ended; its last words:\n{self._log.read_text()[-3000:]}")
            return {}
        return {sample["metric"].get("pod", ""): float(sample["value"][1]) for sample in json.loads(done.stdout)}

    @property
    def _log(self) -> Path:
        return self._folder / "log"
