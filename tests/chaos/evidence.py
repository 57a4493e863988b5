"""What an audit looks at: what was asked of a grid and when, and what its pod's store and its venue's book say."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from hedgegrid_api.types import KillSwitch, LegLevel, levels_of
from naut_hedgegrid.domain.values import Leg, OrderFilled
from naut_hedgegrid.venues.sim.audit import Snapshot
from naut_hedgegrid.venues.sim.records import LoggedCommand

type Levels = Mapping[Leg, LegLevel]


def asked_levels(switch: KillSwitch, *, deleted: bool = False) -> Levels:
    """What a kill switch asks of the legs; a deletion that flattens outranks it."""
    long, short = levels_of(KillSwitch.FLATTEN_BOTH if deleted else switch)
    return {Leg.LONG: long, Leg.SHORT: short}


@dataclass(frozen=True, slots=True)
class Asked:
    """A generation of an object. Times are ns since the epoch, by the machine's clock, like all times here."""

    generation: int
    sent: int
    """When the request left: before it, nobody can have known of this generation."""
    levels: Levels
    what: str = ""
    """The change, for a person."""


@dataclass(frozen=True, slots=True)
class Latched:
    """A flatten through the pod's API."""

    id: str
    legs: tuple[Leg, ...]
    answered: int
    release_sent: int | None = None
    """When its release was first asked for, by resume or rearm; None: never."""


@dataclass(frozen=True, slots=True)
class Held:
    """One leg's engagement as the pod's store has it."""

    operation: str
    level: LegLevel
    delivered: int | None
    """When the pod had stored it; None where the store doesn't say so yet."""


@dataclass(frozen=True, slots=True)
class Sighting:
    """What a pod's store held when somebody looked: one consistent state."""

    at: int
    generation: int
    legs: Mapping[Leg, Held]
    """Legs that are engaged."""
    latches: frozenset[str] = frozenset()
    """Ids of what stands until it is released."""


@dataclass(frozen=True, slots=True)
class Ending:
    """How a grid stands when everything has come to rest."""

    gone: bool
    """The object is gone."""
    children: tuple[str, ...] = ()
    """What still carries its uid."""
    generation: int = 0
    """Of the object."""
    wanted: tuple[str, float] = ("none", 1.0)
    """Kill switch and throttle in the object."""
    pod_generation: int | None = None
    """Of the document that the pod holds."""
    pod_wanted: tuple[str, float] | None = None
    """Kill switch and throttle in that document."""
    status_generation: int | None = None
    """status.control.appliedGeneration."""


@dataclass(frozen=True, slots=True)
class Case:
    """All evidence about one object, by uid."""

    name: str
    uid: str
    asked: Sequence[Asked]
    """By generation, the first one included."""
    sightings: Sequence[Sighting]
    """By time."""
    commands: Sequence[LoggedCommand]
    """The venue's order log."""
    fills: Sequence[OrderFilled]
    venue: Snapshot | None
    """The venue at the end; None: the pod never got so far as to make one."""
    ending: Ending
    latched: Sequence[Latched] = ()
    stopped: Sequence[tuple[int, int]] = field(default=())
    """From when to when the pod's process was frozen."""
    kept: Mapping[str, int] = field(default_factory=dict[str, int])
    """When each order was first seen in the pod's store, by its id: it is written there before it is sent."""
    lateness: Sequence[tuple[int, int]] = field(default=())
    """When, and by how many ns, a short sleep on this machine took too long: everything on a wire is late then."""


@dataclass(frozen=True, slots=True)
class Violation:
    """Something that must never be."""

    kind: str
    grid: str
    at: int | None
    """Where in time; None: at the end."""
    what: str
