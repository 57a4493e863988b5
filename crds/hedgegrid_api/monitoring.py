"""What a user may ask of the Prometheus Operator for one grid."""

from typing import Annotated

from pydantic import Field

from hedgegrid_api.pieces import LABELS
from hedgegrid_api.types import Flag, Integer, Model


class ServiceMonitor(Model):
    """An own ServiceMonitor: how this grid's pod is scraped."""

    enabled: Flag = False
    """true: this grid has a ServiceMonitor of its own."""
    labels: Annotated[dict[str, str], LABELS] = Field(default_factory=dict)
    """Labels of the ServiceMonitor: those that one Prometheus selects by; the pod is scraped by each that does."""
    interval_seconds: Annotated[Integer, Field(ge=1, le=3600)] | None = None
    """Pause between two scrapes, in seconds; absent: Prometheus' own."""


class PrometheusRule(Model):
    """An own PrometheusRule: the alerts about this grid's pod."""

    enabled: Flag = False
    """true: this grid has a PrometheusRule of its own."""
    labels: Annotated[dict[str, str], LABELS] = Field(default_factory=dict)
    """Labels of the PrometheusRule: those that the Prometheus object selects by."""


class Monitoring(Model):
    """Objects of the Prometheus Operator for this grid alone; they are made where the cluster has those kinds."""

    service_monitor: ServiceMonitor = ServiceMonitor()
    """An own ServiceMonitor: how this grid's pod is scraped."""
    prometheus_rule: PrometheusRule = PrometheusRule()
    """An own PrometheusRule: the alerts about this grid's pod."""
