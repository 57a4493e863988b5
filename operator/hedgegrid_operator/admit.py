"""What the schema can't check: whether a grid may run beside the others. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from pydantic import ValidationError

from hedgegrid_api.v1alpha1 import HedgeGridSpec
from hedgegrid_operator.desired.config_map import files
from hedgegrid_operator.objects import GridRef, Json, section


class Reason(StrEnum):
    """Reasons of the condition Accepted."""

    VALID = "Valid"
    INVALID_SPEC = "InvalidSpec"
    DUPLICATE_TARGET = "DuplicateTarget"
    NAME_TAKEN = "NameTaken"


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether the operator runs an object, and why not."""

    reason: Reason
    message: str
    spec: HedgeGridSpec | None = None
    """The whole spec; None when it isn't valid."""
    config: dict[str, str] | None = None
    """Content of its ConfigMap; None when the spec isn't valid."""

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


def admit(grid: Json, own: Rival, rivals: Iterable[Rival]) -> Verdict:
    """Verdict over an object. Of several with one target, who has a StatefulSet (or still a pod) keeps it, else the
    oldest.
    """
    try:
        spec = HedgeGridSpec.model_validate(section(grid, "spec"))
        config = files(spec)
    except ValidationError as error:
        return Verdict(Reason.INVALID_SPEC, _sentence(error))
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
    return Verdict(Reason.VALID, "the object is valid and its target is its own", spec, config)


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
    found = [
        f"spec.{'.'.join(str(part) for part in item['loc'])}: {item['msg']}"
        for item in error.errors(include_url=False, include_context=False, include_input=False)
    ]
    more = f" (and {len(found) - 3} more)" if len(found) > 3 else ""
    return "; ".join(found[:3]) + more
