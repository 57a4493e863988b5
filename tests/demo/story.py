"""The story: its steps in order. Each does what a user would do, and goes on when its effect has been seen."""

from collections.abc import Callable
from dataclasses import dataclass

from tests.demo import emergency, ending, opening
from tests.demo.scene import Scene


@dataclass(frozen=True)
class Step:
    """One step."""

    title: str
    play: Callable[[Scene], None]


STEPS = (
    Step("A Kubernetes cluster comes up", opening.cluster_up),
    Step("The operator comes up", opening.operator_up),
    Step("Apply a grid: it trades", opening.trading),
    Step("Throttle it to a half: no restart", opening.throttle),
    Step("Kill switch: flat", emergency.kill),
    Step("The operator dies: the kill stands", emergency.operator_killed),
    Step("Release: it trades again", emergency.release),
    Step("The strategy dies: nothing is lost, nothing is doubled", emergency.pod_killed),
    Step("Delete the grid: flat first, then gone", ending.deletion),
    Step("The cluster goes down", ending.cluster_down),
)
