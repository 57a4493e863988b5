"""What a person is told about a deletion: what it waits for, how it ended, and what stays at the venue. Pure."""

from hedgegrid_api.control import ControlReport, Telemetry
from hedgegrid_api.types import LegState
from hedgegrid_api.v1alpha1 import DeletionPolicy
from hedgegrid_operator.cache import Entry
from hedgegrid_operator.desired.naming import claim_name
from hedgegrid_operator.finalize import Deletion, Stage
from hedgegrid_operator.objects import RELEASE_ANNOTATION, section
from hedgegrid_operator.status import previous_status

LET_GO = f"the annotation {RELEASE_ANNOTATION}: orphan lets the object go as it is"
_BEGINS = {
    DeletionPolicy.FLATTEN: "the grid is flattened before the object goes",
    DeletionPolicy.CANCEL_ORDERS: "the entries are cancelled before the object goes; positions and their exits stay",
    DeletionPolicy.ORPHAN: "the pod is stopped, which cancels the entries; nothing is verified, positions and exits "
    "stay",
}
_AWAITED = {
    DeletionPolicy.FLATTEN: "waiting until the pod has flattened both legs",
    DeletionPolicy.CANCEL_ORDERS: "waiting until the pod has cancelled the entries",
    DeletionPolicy.ORPHAN: "waiting until the pod has ended",
}
_MISSED = {
    DeletionPolicy.FLATTEN: "without being flat",
    DeletionPolicy.CANCEL_ORDERS: "before its entries were verified gone",
}


def begins(policy: DeletionPolicy | None) -> str:
    """What happens now."""
    return _BEGINS[policy] if policy else "the entries are cancelled; nothing more happens before the policy is known"


def awaited(entry: Entry, policy: DeletionPolicy | None) -> str:
    """What is waited for."""
    if policy:
        return _AWAITED[policy]
    written = section(entry.obj, "spec", "deletion").get("policy")
    known = ", ".join(policy.value for policy in DeletionPolicy)
    what = "there is no deletion.policy" if written is None else f"deletion.policy {written} isn't known here"
    return f"{what}: entries are kept out, and nothing else is done until it is one of {known}"


def overdue(entry: Entry, report: ControlReport | None, told: str) -> str:
    """What is said of a deletion that takes longer than it may and goes on."""
    return (
        f"not done in the time that deletion.timeoutSeconds gives; {told}; it goes on trying; {LET_GO} "
        f"({remains(entry, report)})"
    )


def remains(entry: Entry, report: ControlReport | None) -> str:
    """What may still be at the venue, by the last report of a pod, else by the last status; unknown is said so."""
    found = _figures(entry, report)
    known = {"LONG": found.long.quantity, "SHORT": found.short.quantity, "open orders": found.open_orders}
    told = ", ".join(f"{name} {'unknown' if value is None else value}" for name, value in known.items())
    return f"last reported: {told}"


def last_words(entry: Entry, deletion: Deletion, found: Stage, report: ControlReport | None) -> str:
    """What the last Event says: how it ended, and what stays."""
    if not deletion.ever_ran:
        return "released: it never ran"
    claim = _claim(entry)
    if found is Stage.ORPHAN:
        missed = _MISSED.get(deletion.policy, "unverified") if deletion.policy else "with its policy not known"
        return f"released {missed}; {remains(entry, report)}; the pod was stopped, look at the venue{claim}"
    if found is Stage.LEAVE:
        return (
            f"released as deletion.policy Orphan asks, nothing was verified; {remains(entry, report)}; the pod was "
            f"stopped, which cancels entries; positions and exits stay, look at the venue{claim}"
        )
    if deletion.policy is DeletionPolicy.CANCEL_ORDERS:
        return f"{_kept(entry, report)}; all children are gone{claim}"
    return f"{_flat(report)}; all children are gone{claim}"


def _flat(report: ControlReport | None) -> str:
    legs = (report.kill_switch.legs.long, report.kill_switch.legs.short) if report else ()
    dust = ", ".join(str(leg.quantity) for leg in legs if leg.state is LegState.DUST)
    return f"flat but for what is too small to be closed ({dust})" if dust else "both legs were verified flat, no order"


def _kept(entry: Entry, report: ControlReport | None) -> str:
    """What a deletion that cancels orders leaves: with no entry left, every order is an exit."""
    gone, found = "the entries were verified gone", _figures(entry, report)
    if (found.long.quantity, found.short.quantity, found.open_orders) == (0, 0, 0):
        return f"{gone}; no position and no order is left"
    exits = "an unknown number of exits" if found.open_orders is None else f"{found.open_orders} exits"
    legs = ((name, leg.quantity) for name, leg in (("LONG", found.long), ("SHORT", found.short)))
    told = ", ".join(f"{name} {'unknown' if quantity is None else quantity}" for name, quantity in legs)
    return (
        f"{gone}; what stays at the venue: {told}, and {exits} that rest there with no pod behind them: nobody repairs "
        "or replaces them, and nothing watches the risk"
    )


def _figures(entry: Entry, report: ControlReport | None) -> Telemetry:
    return (report.telemetry if report else previous_status(entry.obj).telemetry) or Telemetry()


def _claim(entry: Entry) -> str:
    """What stays on purpose."""
    if section(entry.obj, "spec", "storage").get("ephemeral"):
        return ""
    name = claim_name(entry.controls.ref.name)
    return f"; the volume claim {name} stays, with the store in it: kubectl delete pvc {name} removes it"
