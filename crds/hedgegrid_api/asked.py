"""What a HedgeGrid asks of its pod, read without the full model: operator and pod read it alike.

Whatever else stands in an object, one of a newer schema too, its controls can be read. What can't be read asks for the
more restrictive: an unknown kill switch halts entries, a throttle that is no fraction stops them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from hedgegrid_api.control import LARGEST, DeletionIntent
from hedgegrid_api.deletion import intent_of, policy_of
from hedgegrid_api.types import KillSwitch

PAUSE_ANNOTATION = "hedgegrid.io/reconcile"


@dataclass(frozen=True, slots=True)
class Asked:
    """The controls of one state of an object."""

    uid: str
    generation: int
    resource_version: int
    """A later state of the same object has a higher one."""
    kill_switch: KillSwitch
    throttle: float | None
    """None: it isn't to be changed, reconciling is paused."""
    deletion: DeletionIntent


def asked_of(grid: Any) -> Asked:
    """The controls of a HedgeGrid as the API server sends it, of whatever shape it is."""
    about, spec = group(grid, "metadata"), group(grid, "spec")
    version = str(about.get("resourceVersion", ""))
    return Asked(
        uid=str(about.get("uid", "")),
        generation=whole(about.get("generation")),
        resource_version=int(version) if version.isdecimal() and version.isascii() else 0,
        kill_switch=kill_switch_of(spec),
        throttle=None if paused(group(about, "annotations")) else throttle_of(spec),
        deletion=intent_of(policy_of(spec)) if "deletionTimestamp" in about else DeletionIntent.NONE,
    )


def kill_switch_of(spec: Mapping[str, Any]) -> KillSwitch:
    """The kill switch of a spec; an unknown value counts as haltEntries."""
    value = spec.get("killSwitch", KillSwitch.NONE)
    return next((switch for switch in KillSwitch if switch == value), KillSwitch.HALT_ENTRIES)


def throttle_of(spec: Mapping[str, Any]) -> float:
    """The throttle of a spec; what isn't a number in 0..1 counts as 0."""
    value = spec.get("throttle", 1)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return 0.0
    return float(value) if 0 <= value <= 1 else 0.0


def whole(value: object) -> int:
    """A whole number from 0 to what a message can carry; what is none counts as 0."""
    return min(value, LARGEST) if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else 0


def paused(annotations: Mapping[str, Any]) -> bool:
    """Annotation `hedgegrid.io/reconcile: disabled`: throttle and children stay as they are, a kill still works."""
    return annotations.get(PAUSE_ANNOTATION) == "disabled"


def group(value: Any, name: str) -> Mapping[str, Any]:
    """An object in an object, empty where there is none."""
    found = cast("Mapping[str, Any]", value).get(name) if isinstance(value, Mapping) else None
    return cast("Mapping[str, Any]", found) if isinstance(found, Mapping) else {}
