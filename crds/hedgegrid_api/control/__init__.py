"""The messages between operator and strategy pod: `PUT /control`, `GET /control` and the emergency operations.

One document carries the whole desired state and one report the whole observed state, so that a lost, repeated or
late message changes nothing. Numbers that are not known are null.
"""

from hedgegrid_api.control.document import Author, ControlDocument, DeletionIntent
from hedgegrid_api.control.fields import LARGEST, AnySide, Counter, Latch
from hedgegrid_api.control.report import (
    ControlReport,
    KillSwitchReport,
    LegReport,
    LegReports,
    PodCondition,
    Refusal,
    ThrottleReport,
    Trip,
)
from hedgegrid_api.control.requests import FlattenRequest, ResumeRequest, ThrottleRequest
from hedgegrid_api.control.telemetry import LegTelemetry, PnL, Telemetry

__all__ = [
    "LARGEST",
    "AnySide",
    "Author",
    "ControlDocument",
    "ControlReport",
    "Counter",
    "DeletionIntent",
    "FlattenRequest",
    "KillSwitchReport",
    "Latch",
    "LegReport",
    "LegReports",
    "LegTelemetry",
    "PnL",
    "PodCondition",
    "Refusal",
    "ResumeRequest",
    "Telemetry",
    "ThrottleReport",
    "ThrottleRequest",
    "Trip",
]
