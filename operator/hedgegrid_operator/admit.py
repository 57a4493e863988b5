"""What the schema can't check: whether a grid may run beside the others. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from pydantic import ValidationError

from hedgegrid_api.files import StrategyFile, VenueFile, strategy_file, venue_file
from hedgegrid_api.preview import Advice, collapsed, known_price, oversized, preview, summary, warnings
from hedgegrid_api.types import complaints
from hedgegrid_api.v1alpha1 import HedgeGridSpec
from hedgegrid_operator.desired.config_map import config_hash, files
from hedgegrid_operator.installation import OTHER_INSTALLATION
from hedgegrid_operator.objects import GridRef, Json, section


class Reason(StrEnum):
    """Reasons of the condition Accepted."""

    VALID = "Valid"
    INVALID_SPEC = "InvalidSpec"
    DUPLICATE_TARGET = "DuplicateTarget"
    GRID_COLLAPSED = "GridCollapsed"
    NAME_TAKEN = "NameTaken"
    OTHER_INSTALLATION = OTHER_INSTALLATION


@dataclass(frozen=True, slots=True)
class Outlook:
    """What a grid will do."""

    summary: str
    """A few sentences."""
    advice: tuple[Advice, ...] = ()
    """What should be changed about a grid that runs nevertheless."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether the operator runs an object, and why not."""

    reason: Reason
    message: str
    spec: HedgeGridSpec | None = None
    """The whole spec; None when it can't be read."""
    config: dict[str, str] | None = None
    """Content of its ConfigMap; None when the spec can't be read."""
    outlook: Outlook | None = None
    """What it will do; None where it isn't known or doesn't run."""
    config_hash: str | None = None
    """Of that content."""

    @property
    def could_run(self) -> bool:
        """Whether nothing but other objects may keep it from running."""
        return self.reason not in {Reason.INVALID_SPEC, Reason.GRID_COLLAPSED}

    @property
    def accepted(self) -> bool:
        """Whether children are made for it."""
        return self.reason is Reason.VALID


@dataclass(frozen=True, slots=True)
class Rival:
    """Another grid with the same target."""

    ref: GridRef
    created: datetime | None
    has_children: bool
    """A StatefulSet or a pod of its own."""
    valid: bool
    """Its own spec is one that can run."""


def admit(grid: Json, own: Rival, rivals: Iterable[Rival], before: Verdict | None = None) -> Verdict:
    """Verdict over an object. Of several with one target, who has a StatefulSet (or still a pod) keeps it, else the
    oldest. `before`: an earlier verdict over it, whose outlook stands where only controls have changed.
    """
    try:
        spec = HedgeGridSpec.model_validate(section(grid, "spec"))
        config = files(spec)
        digest = config_hash(config)
        known = before.outlook if before is not None and before.config_hash == digest else None
        # A preview takes a millisecond or more.
        outlook = known or _outlook(strategy_file(spec), venue_file(spec))
    except ValidationError as error:
        return Verdict(Reason.INVALID_SPEC, _sentence(error))
    if not isinstance(outlook, Outlook):
        return Verdict(*outlook, spec, config)
    if any(volume["name"] == "data" for volume in spec.pod.volumes):
        return Verdict(Reason.INVALID_SPEC, "spec.pod.volumes: the name data is the store's; name the volume otherwise")
    ahead = [rival for rival in rivals if (rival.valid or rival.has_children) and _rank(rival) < _rank(own)]
    if ahead:
        first = min(ahead, key=_rank).ref
        return Verdict(
            Reason.DUPLICATE_TARGET,
            f"{first.namespace}/{first.name} already trades {spec.instrument} on account {spec.account.name} in mode "
            f"{spec.mode.value}; delete that one or this one, this one goes on by itself when the other is gone",
            spec,
            config,
        )
    message = f"the object is valid and its target is its own; {outlook.summary}"
    return Verdict(Reason.VALID, message, spec, config, outlook, digest)


def _outlook(strategy: StrategyFile, venue: VenueFile) -> Outlook | tuple[Reason, str]:
    """What a grid will do, or why it can't."""
    if (told := oversized(strategy, venue)) is not None:
        return Reason.INVALID_SPEC, f"spec.{told}"
    price = known_price(venue)
    if price is None:
        return Outlook("its ladders depend on the prices in sim.replay.path")
    found = preview(strategy, venue, price)
    if (told := collapsed(strategy, venue, found)) is not None:
        return Reason.GRID_COLLAPSED, f"spec.{told}"
    return Outlook(summary(found), tuple(warnings(found)))


def name_taken(verdict: Verdict, kind: str, name: str) -> Verdict:
    """The verdict when a child's name belongs to an object that isn't ours."""
    return Verdict(
        Reason.NAME_TAKEN,
        f"{kind} {name} exists and isn't this grid's (no label hedgegrid.io/uid with its uid); delete or rename it, "
        "or give this HedgeGrid another name",
        verdict.spec,
        verdict.config,
    )


def _rank(rival: Rival) -> tuple[bool, datetime, str]:
    return not rival.has_children, rival.created or datetime.max.replace(tzinfo=UTC), rival.ref.uid


def _sentence(error: ValidationError) -> str:
    """The first few errors, each with its field."""
    found = complaints(error, "spec")
    more = f" (and {len(found) - 3} more)" if len(found) > 3 else ""
    return "; ".join(found[:3]) + more
