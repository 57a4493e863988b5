"""What an object says about restarts of a pod that doesn't take the kill switch: what is wished for, what was done.

Read without the full models, like all controls: an object of a newer schema escalates, too.
"""

from dataclasses import dataclass
from datetime import datetime

from hedgegrid_api.author import instant
from hedgegrid_api.control import LARGEST
from hedgegrid_api.v1alpha1 import Escalation, EscalationAction
from hedgegrid_operator.objects import Json, section

_DEFAULT = Escalation()


@dataclass(frozen=True, slots=True)
class Wish:
    """`spec.escalation`."""

    after: float = float(_DEFAULT.after_seconds)
    """Seconds."""
    action: EscalationAction = _DEFAULT.action


@dataclass(frozen=True, slots=True)
class Restarts:
    """What was done so far for the present engagement."""

    count: int = 0
    pod_uid: str | None = None
    """The pod that was deleted last."""
    time: datetime | None = None


def wish_of(spec: Json) -> Wish:
    """`escalation` of a spec; what can't be read is the default."""
    wanted = section(spec, "escalation")
    restart = wanted.get("action") == EscalationAction.RESTART_POD.value
    return Wish(
        after=_seconds(wanted.get("afterSeconds")),
        action=EscalationAction.RESTART_POD if restart else EscalationAction.NONE,
    )


def _seconds(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 5 <= value <= 3600:
        return Wish().after
    return float(value)


def restarts_of(control: Json) -> Restarts:
    """What `status.control` says was done so far."""
    found = section(control, "killSwitch", "escalated")
    count, uid = found.get("restarts"), found.get("podUID")
    if not isinstance(count, int) or isinstance(count, bool) or count < 1:
        return Restarts()
    return Restarts(min(count, LARGEST), uid if isinstance(uid, str) else None, instant(found.get("time")))
