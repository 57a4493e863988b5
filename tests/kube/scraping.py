"""What a Prometheus is to scrape, with target labels as the Prometheus Operator gives them. Pure.

Debian's Prometheus can't ask an API server for targets, so they are written into a file. Pods get the labels `grid` and
`grid_namespace` on the target, as by the relabeling of the chart's monitors.
"""

from pathlib import Path
from typing import Any

type Json = dict[str, Any]

INTERVAL_SECONDS = 1
PORT = 9090


def config(targets: Path) -> Json:
    """prometheus.yml for the targets of a file, scraped every second."""
    interval = f"{INTERVAL_SECONDS}s"
    job: Json = {
        "job_name": "hedgegrid",
        "file_sd_configs": [{"files": [str(targets)]}],
        "metric_relabel_configs": [{"action": "labeldrop", "regex": "exported_grid|exported_grid_namespace"}],
    }
    return {"global": {"scrape_interval": interval, "evaluation_interval": interval}, "scrape_configs": [job]}


def of_pod(address: str, namespace: str, grid: str, port: int = PORT) -> Json:
    """A grid's pod, which answers at the address."""
    labels = {
        "job": "hedgegrid",
        "namespace": namespace,
        "grid_namespace": namespace,
        "grid": grid,
        "pod": f"hedgegrid-{grid}-0",
        "service": f"hedgegrid-{grid}",
        "container": "strategy",
        "endpoint": "metrics",
    }
    return {"targets": [f"{address}:{port}"], "labels": labels}


def of_operator(address: str, pod: str) -> Json:
    """An operator."""
    labels = {
        "job": "hedgegrid-operator",
        "namespace": "hedgegrid-system",
        "pod": pod,
        "service": "hedgegrid-operator-metrics",
        "container": "operator",
        "endpoint": "metrics",
    }
    return {"targets": [address], "labels": labels}
