"""What the operator reads out of objects: small frozen views, each tolerant of fields that it doesn't know.

`Controls` is a model of its own on purpose: an object that the full model rejects (one of a newer schema, say) can
still be killed, throttled down and deleted.
"""

import ipaddress
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from pydantic import ValidationError

from hedgegrid_api.asked import kill_switch_of, paused, throttle_of, whole
from hedgegrid_api.author import author_of, instant
from hedgegrid_api.control import Author, DeletionIntent, Latch
from hedgegrid_api.deletion import intent_of, policy_of
from hedgegrid_api.risk import RiskLimits
from hedgegrid_api.text import shown
from hedgegrid_api.types import KillSwitch, Source, complaints
from hedgegrid_operator.desired.kept import config_map_of
from hedgegrid_operator.objects import (
    INSTALLATION_ANNOTATION,
    RELEASE_ANNOTATION,
    REVISION_ANNOTATION,
    UID_LABEL,
    GridRef,
    Json,
    annotations_of,
    items,
    labels_of,
    metadata,
    resource_version,
    section,
    uid_of,
)
from hedgegrid_operator.pod_state import STUCK, PodState, pod_state
from hedgegrid_operator.restarts import Restarts, Wish, restarts_of, wish_of

LATCHES_MAX = 64
"""A pod has a handful. What somebody writes into a status mustn't make a document that pods refuse for its size."""
_FAULTS_MAX = 20
_ID_MAX = 253
_TEXT_MAX = 1024
_SHOWN_MAX = 64


@dataclass(frozen=True, slots=True)
class Controls:
    """The part of a HedgeGrid that controls its pod."""

    ref: GridRef
    generation: int
    resource_version: int
    created: datetime | None
    deleted: datetime | None
    """When the deletion began, None while it hasn't."""
    deletion: DeletionIntent
    """What the deletion asks of the pod; none while it hasn't begun."""
    kill_switch: KillSwitch
    """Unknown values count as haltEntries."""
    throttle: float
    """What isn't a number in 0..1 counts as 0."""
    rearm: int
    risk: RiskLimits | None
    """None where the group can't be read: the pod keeps what it has."""
    faults: tuple[str, ...]
    """What couldn't be read, each with its field."""
    by: Author
    paused: bool
    """Annotation `hedgegrid.io/reconcile: disabled`."""
    orphaned: bool
    """Annotation `hedgegrid.io/release: orphan`."""
    shown_latches: tuple[str, ...]
    """Ids of the latches in the object's status."""
    latches: tuple[Latch, ...]
    """Those of risk and api themselves, as far as they can be read."""
    shown_rearm: int
    """Highest rearm consumed, by the object's status."""
    installation: str | None
    """Annotation `hedgegrid.io/installation`: whose grid it is."""
    escalation: Wish
    """`spec.escalation`."""
    restarts: Restarts
    """What it has done so far, by the object's status."""


def controls_of(grid: Json) -> Controls:
    """The controls of a HedgeGrid, whatever else stands in it."""
    about, spec, control = metadata(grid), section(grid, "spec"), section(grid, "status", "control")
    annotations = annotations_of(grid)
    risk, faults = _limits(spec.get("risk", {}))
    return Controls(
        ref=GridRef(str(about.get("namespace", "")), str(about.get("name", "")), uid_of(grid)),
        generation=whole(about.get("generation")),
        resource_version=resource_version(grid),
        created=instant(about.get("creationTimestamp")),
        deleted=instant(about.get("deletionTimestamp")),
        deletion=intent_of(policy_of(spec)) if "deletionTimestamp" in about else DeletionIntent.NONE,
        kill_switch=kill_switch_of(spec),
        throttle=throttle_of(spec),
        rearm=whole(spec.get("rearm")),
        risk=risk,
        faults=(*_doubts(spec), *faults),
        by=author_of(grid),
        paused=paused(annotations),
        orphaned=annotations.get(RELEASE_ANNOTATION) == "orphan",
        shown_latches=tuple(str(latch.get("id"))[:_ID_MAX] for latch in items(control, "latches")[:LATCHES_MAX]),
        latches=tuple(_latches(items(control, "latches")[:LATCHES_MAX])),
        shown_rearm=whole(control.get("rearm")),
        installation=annotations.get(INSTALLATION_ANNOTATION),
        escalation=wish_of(spec),
        restarts=restarts_of(control),
    )


def _doubts(spec: Json) -> Iterator[str]:
    """Controls whose value isn't known here, and what each counts as."""
    values = {
        "killSwitch": (kill_switch_of(spec).value, "one of " + ", ".join(KillSwitch)),
        "throttle": (throttle_of(spec), "a number from 0 to 1"),
        "rearm": (whole(spec.get("rearm")), "a whole number of at least 0"),
    }
    for name, (counts, allowed) in values.items():
        value = spec.get(name, counts)
        if value != counts or isinstance(value, bool):
            told = shown(str(value), _SHOWN_MAX)
            yield f"spec.{name}: {told} isn't known to this version and counts as {counts}; write {allowed}"


def _limits(value: object) -> tuple[RiskLimits | None, tuple[str, ...]]:
    try:
        return RiskLimits.model_validate(value, by_alias=True, by_name=False), ()
    except ValidationError as error:
        return None, tuple(shown(told, _TEXT_MAX) for told in complaints(error, "spec.risk")[:_FAULTS_MAX])


def _latches(listed: list[Json]) -> Iterator[Latch]:
    for found in listed:
        with suppress(ValidationError):
            latch = Latch.model_validate(found)
            texts = (latch.id, latch.leg, latch.reason or "", latch.message or "")
            if latch.source in {Source.RISK, Source.API} and all(len(text) <= _TEXT_MAX for text in texts):
                yield latch


@dataclass(frozen=True, slots=True)
class StatefulSetView:
    """A grid's StatefulSet."""

    uid: str
    grid_uid: str
    """By its label."""
    name: str
    namespace: str
    generation: int
    """Raised by the API server when the spec changes."""
    resource_version: int
    revision: str | None
    """Hash of the pod template that the operator applied."""
    config_map: str | None
    """Name of the ConfigMap in that template."""
    deleting: bool


def stateful_set_of(obj: Json) -> StatefulSetView:
    """View of a StatefulSet."""
    about = metadata(obj)
    return StatefulSetView(
        uid=uid_of(obj),
        grid_uid=labels_of(obj).get(UID_LABEL, ""),
        name=str(about.get("name", "")),
        namespace=str(about.get("namespace", "")),
        generation=whole(about.get("generation")),
        resource_version=resource_version(obj),
        revision=annotations_of(obj).get(REVISION_ANNOTATION),
        config_map=config_map_of(section(obj, "spec", "template", "spec")),
        deleting="deletionTimestamp" in about,
    )


@dataclass(frozen=True, slots=True)
class PodView:
    """A grid's pod."""

    uid: str
    grid_uid: str
    """By its label."""
    name: str
    namespace: str
    resource_version: int
    ip: str | None
    revision: str | None
    """Hash of the template it was made from."""
    image: str
    deleting: bool
    state: PodState
    message: str
    """What the cluster says about a pod that isn't ready."""
    config_map: str | None = None
    """Name of the ConfigMap that its configuration comes from."""
    started: bool = True
    """Its container ran at least once: the image is there."""

    @property
    def stuck(self) -> bool:
        """It doesn't run, and only a change can help."""
        return self.state in STUCK


def pod_of(obj: Json) -> PodView:
    """View of a pod."""
    about, status = metadata(obj), section(obj, "status")
    containers = items(section(obj, "spec"), "containers")
    state, message = pod_state(obj)
    return PodView(
        uid=uid_of(obj),
        grid_uid=labels_of(obj).get(UID_LABEL, ""),
        name=str(about.get("name", "")),
        namespace=str(about.get("namespace", "")),
        resource_version=resource_version(obj),
        ip=_address(status.get("podIP")),
        revision=annotations_of(obj).get(REVISION_ANNOTATION),
        config_map=config_map_of(section(obj, "spec")),
        image=str(containers[0].get("image", "")) if containers else "",
        deleting="deletionTimestamp" in about,
        state=state,
        message=shown(message, _TEXT_MAX),
        started=any(_has_run(container) for container in items(status, "containerStatuses")),
    )


def _has_run(container: Json) -> bool:
    now, before = section(container, "state"), section(container, "lastState")
    return "running" in now or "terminated" in now or "terminated" in before


def _address(value: object) -> str | None:
    """An IP address; a key is never sent to anything else."""
    try:
        return str(ipaddress.ip_address(value)) if isinstance(value, str) else None
    except ValueError:
        return None
