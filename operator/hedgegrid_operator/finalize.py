"""When a deleted object may go: once its grid is flat, or by the way out that its spec or a person gives. Pure."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum

from hedgegrid_api.control import ControlReport, Telemetry
from hedgegrid_api.status import HedgeGridStatus
from hedgegrid_api.types import LegState
from hedgegrid_api.v1alpha1 import OnTimeout
from hedgegrid_operator.cache import Entry
from hedgegrid_operator.desired.naming import claim_name
from hedgegrid_operator.objects import section
from hedgegrid_operator.status import previous_status

_DEFAULT_TIMEOUT = 300


class Stage(Enum):
    """Where a deletion stands."""

    FLATTEN = "flatten"
    """The pod has to close both legs; nothing is taken away from it."""
    OVERDUE = "overdue"
    """The same, later than asked for: it goes on, and says so."""
    RELEASE = "release"
    """Verified, or there was never anything to verify."""
    ORPHAN = "orphan"
    """Given up on time-out, or by hand: what is left is left."""


@dataclass(frozen=True, slots=True)
class Deletion:
    """What decides about a deletion."""

    began: datetime
    timeout: timedelta | None
    """None: wait for ever."""
    on_timeout: OnTimeout
    by_hand: bool
    """Annotation `hedgegrid.io/release: orphan`."""
    ever_ran: bool
    """A StatefulSet was made for it once."""
    verified: bool
    """The venue has confirmed both legs flat, by the report of the pod."""


def stage(deletion: Deletion, now: datetime) -> Stage:
    """Where a deletion stands."""
    if not deletion.ever_ran or deletion.verified:
        return Stage.RELEASE
    if deletion.by_hand:
        return Stage.ORPHAN
    if deletion.timeout is None or now < deletion.began + deletion.timeout:
        return Stage.FLATTEN
    return Stage.ORPHAN if deletion.on_timeout is OnTimeout.ORPHAN else Stage.OVERDUE


def deletion_of(entry: Entry, *, ran: bool, verified: bool) -> Deletion:
    """The deletion of an object, read without the full model: one that it rejects can still be deleted."""
    wanted = section(entry.obj, "spec", "deletion")
    seconds = wanted.get("timeoutSeconds", _DEFAULT_TIMEOUT)
    known = isinstance(seconds, int) and seconds >= 0
    timeout = timedelta(seconds=seconds if known else _DEFAULT_TIMEOUT)
    began = entry.controls.deleted
    if began is None:
        raise ValueError(f"{entry.controls.ref.namespace}/{entry.controls.ref.name} isn't being deleted")
    return Deletion(
        began=began,
        timeout=timeout or None,
        on_timeout=OnTimeout.ORPHAN if wanted.get("onTimeout") == OnTimeout.ORPHAN.value else OnTimeout.BLOCK,
        by_hand=entry.controls.orphaned,
        ever_ran=ran,
        verified=verified,
    )


def remains(status: HedgeGridStatus) -> str:
    """What a grid that is left behind may still have at the venue, in words, by its last status."""
    figures = status.telemetry or Telemetry()
    known = {"LONG": figures.long.quantity, "SHORT": figures.short.quantity, "open orders": figures.open_orders}
    told = ", ".join(f"{name} {'unknown' if value is None else value}" for name, value in known.items())
    return f"last reported: {told}"


def last_words(entry: Entry, found: Stage, report: ControlReport | None, *, ran: bool) -> str:
    """What the last Event says: how it ended, and what stays."""
    if not ran:
        return "released: it never ran"
    if found is Stage.ORPHAN:
        left = remains(previous_status(entry.obj))
        return f"released without being flat; {left}; the pod was stopped, look at the venue{_claim(entry)}"
    legs = (report.kill_switch.legs.long, report.kill_switch.legs.short) if report else ()
    dust = ", ".join(str(leg.quantity) for leg in legs if leg.state is LegState.DUST)
    flat = f"flat but for what is too small to be closed ({dust})" if dust else "both legs were verified flat, no order"
    return f"{flat}; all children are gone{_claim(entry)}"


def _claim(entry: Entry) -> str:
    """What stays on purpose."""
    if section(entry.obj, "spec", "storage").get("ephemeral"):
        return ""
    name = claim_name(entry.controls.ref.name)
    return f"; the volume claim {name} stays, with the store in it: kubectl delete pvc {name} removes it"
