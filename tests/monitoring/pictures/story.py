"""What happens while the pictures are taken: trading, a throttle, a kill, a trip, a pod that hangs."""

import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import yaml

from tests.kube.cluster import CHECKOUT, Cluster
from tests.kube.installation import Operator, install
from tests.kube.progress import Say
from tests.kube.prometheus import Prometheus
from tests.kube.scraping import of_operator, of_pod
from tests.kube.waiting import wait_until
from tests.monitoring.places import RULES

type Json = dict[str, Any]

API = "hedgegrid.io/v1alpha1"
NAMESPACE = "desk"
SEEDS = {"btc": 22, "eth": 7, "sol": 3}
"""Grids, and the market of each."""
SPEC: Json = {"grid": {"stepBps": 6, "recenterTriggerBps": 36}}
ACTS: tuple[tuple[str, str, str, Json], ...] = (
    ("btc trades at 30 % for a minute", "btc", "patch", {"throttle": 0.3}),
    ("btc trades in full again", "btc", "patch", {"throttle": 1}),
    ("eth is killed: flattenBoth", "eth", "patch", {"killSwitch": "flattenBoth"}),
    ("sol's maxPositionQuote is set to 2000 USDT: it trips", "sol", "patch", {"risk": {"maxPositionQuote": "2000"}}),
    ("eth is released", "eth", "patch", {"killSwitch": "none"}),
    ("btc's pod hangs, and btc is killed", "btc", "hang", {"killSwitch": "flattenBoth"}),
    ("btc's pod answers again", "btc", "wake", {}),
)


@dataclass(frozen=True)
class Told:
    """What is there to draw."""

    prometheus: Prometheus
    start: float
    end: float
    events: tuple[tuple[float, str], ...]
    """Seconds since the start, and what happened."""


@contextmanager
def told(say: Say, pause: float) -> Iterator[Told]:
    """Tell the story, `pause` seconds between two of its acts."""
    with Cluster(network_faults=True, say=say) as cluster:
        install(cluster)
        cluster.api.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
        operator = Operator(cluster, name=f"operator-{secrets.token_hex(2)}")
        operator.start()
        operator.wait_leading()
        prometheus = Prometheus(cluster, rules=sorted(RULES.iterdir()))
        prometheus.wait_ready()
        for name, seed in SEEDS.items():
            cluster.api.create(_manifest(name, seed))
        targets = [of_pod(_address(cluster, name), NAMESPACE, name) for name in SEEDS]
        prometheus.scrape([*targets, of_operator(operator.address or "", operator.pod_name)])
        wait_until(lambda: len(prometheus.now("hedgegrid_fills_total > 0")) >= len(SEEDS), 120, "fills", every=0.5)
        start, events = time.time(), list[tuple[float, str]]()
        for text, name, how, spec in ACTS:
            _pass(pause)
            say(text)
            events.append((time.time() - start, text))
            pod = cluster.pod(NAMESPACE, f"hedgegrid-{name}-0")
            if how == "hang":
                pod.freeze()
            elif how == "wake":
                pod.thaw()
            if spec:
                cluster.api.patch(API, "HedgeGrid", name, NAMESPACE, {"spec": spec})
        _pass(pause)
        yield Told(prometheus, start, time.time(), tuple(events))


def _address(cluster: Cluster, grid: str) -> str:
    pod = cluster.pod(NAMESPACE, f"hedgegrid-{grid}-0")
    return wait_until(lambda: pod.address, 90, f"an address of {grid}")


def _pass(seconds: float) -> None:
    """Nothing is awaited here: the picture needs the time."""
    time.sleep(seconds)


def _manifest(name: str, seed: int) -> Json:
    found: Json = yaml.safe_load((CHECKOUT / "examples" / "sim-btc.yaml").read_text())
    found["metadata"] = {"name": name, "namespace": NAMESPACE}
    found["spec"]["account"]["name"] = name
    found["spec"]["grid"] |= SPEC["grid"]
    found["spec"]["sim"]["seed"] = seed
    return found
