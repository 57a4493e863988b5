"""What breaks when, for how long, and whom it hits: decided by a seed alone. Pure."""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

FAULTS_A_MINUTE = 38
SPREAD = (0.7, 1.3)
"""Of the time between two faults, and of how long one lasts."""


class Kind(StrEnum):
    """What can break."""

    OPERATOR_KILLED = "operator killed"
    OPERATOR_STOPPED = "operator stopped"
    POD_KILLED = "pod killed"
    POD_DELETED = "pod deleted"
    POD_FROZEN = "pod frozen"
    POD_REFUSES = "pod refuses connections"
    POD_UNHEARD = "pod's answers lost"
    SERVER_KILLED = "API server killed"
    OPERATOR_CUT = "operator cut off the API server"
    OPERATOR_BLIND = "operator's connections to the API server frozen"
    PODS_CUT = "pods cut off the API server"
    PODS_BLIND = "pods' connections to the API server frozen"


LASTS = {
    Kind.POD_FROZEN: 2.5,
    Kind.POD_REFUSES: 2.5,
    Kind.POD_UNHEARD: 2.5,
    Kind.SERVER_KILLED: 0.5,
    Kind.OPERATOR_CUT: 2.0,
    Kind.OPERATOR_BLIND: 4.0,
    Kind.PODS_CUT: 2.0,
    Kind.PODS_BLIND: 4.0,
}
"""Seconds until it is healed; others heal themselves."""
ROUND = [*Kind, Kind.POD_KILLED, Kind.POD_FROZEN, Kind.POD_REFUSES, Kind.POD_UNHEARD]
"""Faults of a round, before they are shuffled: those of pods twice, since there are several of them."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that breaks."""

    at: float
    """Seconds from the beginning."""
    kind: Kind
    lasts: float
    """Seconds."""
    target: int
    """Which grid; of no meaning for operator and API server."""


def schedule(seed: int, minutes: float, grids: int) -> list[Fault]:
    """All faults of a run, in order: `FAULTS_A_MINUTE` on average, every kind in each round."""
    dice = random.Random(seed)
    found: list[Fault] = []
    at = 0.0
    for kind in _kinds(dice, round(minutes * FAULTS_A_MINUTE)):
        at += 60 / FAULTS_A_MINUTE * dice.uniform(*SPREAD)
        found.append(Fault(at, kind, LASTS.get(kind, 0.0) * dice.uniform(*SPREAD), dice.randrange(grids)))
    # The last one is at the end, however the dice fell.
    stretch = minutes * 60 / at if at else 1.0
    return [Fault(fault.at * stretch, fault.kind, fault.lasts, fault.target) for fault in found]


def _kinds(dice: random.Random, count: int) -> Iterator[Kind]:
    given = 0
    while given < count:
        mixed = list(ROUND)
        dice.shuffle(mixed)
        yield from mixed[: count - given]
        given += len(mixed)
