"""A real Prometheus beside a cluster: it scrapes what it is told to, and is asked."""

import json
import math
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from tests.kube import scraping
from tests.kube.cluster import Cluster
from tests.kube.debian import program
from tests.kube.network import free_ports
from tests.kube.processes import Process
from tests.kube.waiting import wait_until

type Json = dict[str, Any]
type Points = list[tuple[float, float]]
"""Seconds since the epoch, and the value."""

HOST = "127.0.0.1"
ASK_SECONDS = 20.0
START_SECONDS = 60.0


class QueryError(Exception):
    """Prometheus refuses a question."""


class Prometheus:
    """One process; it goes away with the cluster at the latest.

    `config` is what prometheus.yml says; None: what `scrape` tells it to. Raises PackageUnavailable where
    there is no Prometheus.
    """

    def __init__(
        self, cluster: Cluster, config: Json | None = None, *, name: str = "prometheus", rules: Sequence[Path] = ()
    ) -> None:
        binary = program("prometheus", "prometheus")
        self.folder = cluster.folder / name
        self.folder.mkdir()
        self._targets = self.folder / "targets.json"
        self._targets.write_text("[]")
        written = self.folder / "prometheus.yml"
        chosen = config or scraping.config(self._targets)
        written.write_text(yaml.safe_dump(chosen | {"rule_files": [str(path) for path in rules]}))
        self.port = free_ports(HOST, 1)[0]
        self._process: Process = cluster.spawn(
            [
                str(binary),
                f"--config.file={written}",
                f"--storage.tsdb.path={self.folder / 'data'}",
                f"--web.listen-address={HOST}:{self.port}",
                "--log.level=warn",
            ],
            name=name,
        )

    def wait_ready(self) -> None:
        """Return when it answers; raises RuntimeError with its last words when it has ended."""
        wait_until(self._ready, START_SECONDS, "Prometheus to be ready", every=0.1)

    def scrape(self, targets: Sequence[Json]) -> None:
        """Scrape these from now on, and no others."""
        new = self._targets.with_suffix(".new")
        new.write_text(json.dumps(targets))
        new.rename(self._targets)

    def stop(self) -> None:
        """End it."""
        self._process.terminate()
        self._process.wait(30)

    def ask(self, path: str, **parameters: str | float) -> Any:
        """`data` of an answer of its API; raises QueryError with its words."""
        url = f"http://{HOST}:{self.port}/api/v1/{path}?{urllib.parse.urlencode(parameters)}"
        try:
            with urllib.request.urlopen(url, timeout=ASK_SECONDS) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            raise QueryError(f"{parameters or path}: {error.read().decode()}") from error

    def now(self, expression: str) -> list[tuple[Json, float]]:
        """The series of a question with their values now."""
        return [(it["metric"], float(it["value"][1])) for it in self.ask("query", query=expression)["result"]]

    def over(self, expression: str, start: float, end: float, step: float) -> list[tuple[Json, Points]]:
        """The series of a question with their points in a time, unknown ones (NaN) left out."""
        found = self.ask("query_range", query=expression, start=start, end=end, step=step)["result"]
        known = [(it["metric"], [(float(at), float(value)) for at, value in it["values"]]) for it in found]
        return [(labels, [(at, value) for at, value in points if not math.isnan(value)]) for labels, points in known]

    def targets(self) -> list[Json]:
        """What it scrapes, and how that goes."""
        found: list[Json] = self.ask("targets", state="active")["activeTargets"]
        return found

    def firing(self) -> set[tuple[str, str]]:
        """Alerts that fire: name, and grid where it is about one."""
        alerts = self.ask("alerts")["alerts"]
        return {(it["labels"]["alertname"], it["labels"].get("grid", "")) for it in alerts if it["state"] == "firing"}

    def _ready(self) -> bool:
        if not self._process.running:
            words = "\n".join(self._process.log().splitlines()[-10:])
            raise RuntimeError(f"Prometheus ended with {self._process.returncode}; its last words:\n{words}")
        try:
            with urllib.request.urlopen(f"http://{HOST}:{self.port}/-/ready", timeout=ASK_SECONDS) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, TimeoutError, ConnectionError):
            return False
