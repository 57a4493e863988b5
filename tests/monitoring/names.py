"""Names of metrics: those that operator and pods export, and those in a question."""

import re
from collections.abc import Iterator

import yaml
from prometheus_client.parser import text_string_to_metric_families

from hedgegrid_operator.metrics import Metrics
from naut_hedgegrid.ops.metrics import Exporter
from tests.monitoring.places import KUBE_STATE_METRICS

_SUFFIXES = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count")}
_WITHOUT_SUM = "hedgegrid_markout_bps"
"""It may fall, so only its buckets are exported."""
_TEXTS = re.compile(r'"(?:[^"\\]|\\.)*"')
_NAMES = re.compile(r"\bhedgegrid_[a-z0-9_]+")


def exported() -> frozenset[str]:
    """Names of all samples that an operator or a pod may export."""
    texts = (Exporter("BTCUSDT-PERP.BINANCE").text(), Metrics().exposition().decode())
    return frozenset(name for text in texts for name in _samples(text))


def of_kube_state_metrics() -> frozenset[str]:
    """Names of what kube-state-metrics exports of the objects with the example's configuration."""
    values = yaml.safe_load(KUBE_STATE_METRICS.read_text())
    resources = values["customResourceState"]["config"]["spec"]["resources"]
    return frozenset(f"{it['metricNamePrefix']}_{metric['name']}" for it in resources for metric in it["metrics"])


def asked(expression: str) -> frozenset[str]:
    """Names of our metrics in a PromQL expression."""
    return frozenset(_NAMES.findall(_TEXTS.sub('""', expression)))


def _samples(text: str) -> Iterator[str]:
    for family in text_string_to_metric_families(text):
        for suffix in _SUFFIXES.get(family.type, ("",)):
            if family.name != _WITHOUT_SUM or suffix == "_bucket":
                yield family.name + suffix
