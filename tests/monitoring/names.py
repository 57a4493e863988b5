"""Names of metrics: those that operator and pods export, and those in a question."""

import re
from collections.abc import Iterator

from prometheus_client.parser import text_string_to_metric_families

from hedgegrid_operator.metrics import Metrics
from naut_hedgegrid.ops.metrics import Exporter

OF_KUBE_STATE_METRICS = frozenset({"hedgegrid_spec_kill_switch"})
"""What kube-state-metrics exports of the objects by the example's configuration."""

_SUFFIXES = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count")}
_WITHOUT_SUM = "hedgegrid_markout_bps"
"""It may fall, so only its buckets are exported."""
_TEXTS = re.compile(r'"(?:[^"\\]|\\.)*"')
_NAMES = re.compile(r"\bhedgegrid_[a-z0-9_]+")


def exported() -> frozenset[str]:
    """Names of all samples that an operator or a pod may export."""
    texts = (Exporter("BTCUSDT-PERP.BINANCE").text(), Metrics().exposition().decode())
    return frozenset(name for text in texts for name in _samples(text))


def asked(expression: str) -> frozenset[str]:
    """Names of our metrics in a PromQL expression."""
    return frozenset(_NAMES.findall(_TEXTS.sub('""', expression)))


def _samples(text: str) -> Iterator[str]:
    for family in text_string_to_metric_families(text):
        for suffix in _SUFFIXES.get(family.type, ("",)):
            if family.name != _WITHOUT_SUM or suffix == "_bucket":
                yield family.name + suffix
