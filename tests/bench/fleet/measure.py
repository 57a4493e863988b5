"""All measurements of a fleet, one after the other, on one cluster that grows."""

from collections.abc import Callable, Sequence

from tests.bench.fleet import kills
from tests.bench.fleet.bare import Bare
from tests.bench.fleet.children import applied, grown
from tests.bench.fleet.clients import AT_ONCE
from tests.bench.fleet.report import Delivery, Fleet
from tests.bench.fleet.rest import idle, restarted
from tests.bench.fleet.rig import FleetRig
from tests.bench.machine import machine

type Say = Callable[[str], None]


class Plan:
    """How much to measure."""

    def __init__(self, *, sizes: Sequence[int], largest: Sequence[int], kills: int, seconds: float) -> None:
        self.sizes = tuple(sizes)
        """Grids at which everything is measured; the last one is that of storms and restart."""
        self.largest = tuple(largest)
        """Beyond these, only growth."""
        self.kills = kills
        """A distribution."""
        self.seconds = seconds
        """Of rest."""


FULL = Plan(sizes=(1, 100, 1000), largest=(2500, 5000), kills=100, seconds=60)
QUICK = Plan(sizes=(1, 20, 100), largest=(150,), kills=20, seconds=10)
STORMS = 3


def measure(plan: Plan, say: Say) -> Fleet:
    """A run: tens of minutes for FULL, two for QUICK."""
    rig = FleetRig()
    here = machine("")
    try:
        say("Starting a cluster, the operator, and the process that plays the pods.")
        rig.start()
        here["Kubernetes"] = rig.cluster.version
        return _Run(rig, plan, say).all(here)
    finally:
        rig.cluster.stop()


class _Run:
    def __init__(self, rig: FleetRig, plan: Plan, say: Say) -> None:
        self._rig = rig
        self._plan = plan
        self._say = say
        self._bare = Bare(rig)

    def all(self, here: dict[str, str]) -> Fleet:
        rig, plan, size = self._rig, self._plan, self._plan.sizes[-1]
        empty = rig.usage().rss
        deliveries = []
        growth = []
        made = (0, 0, 1)
        for step in plan.sizes:
            self._say(f"{step} grids: their children, and {plan.kills} kills and bare deliveries in turns.")
            more = step - rig.size
            if step == size:
                plain = applied(rig, more)
                made = more, grown(rig, step), plain
            else:
                rig.grow(step)
            at_rest = idle(rig, plan.seconds)
            deliveries.append(self._deliver(f"{step:,} grids"))
            growth.append((at_rest, deliveries[-1]))
        resting = growth[-1][0]
        self._say(f"{size} grids, a fifth of them dead:")
        with kills.dead_pods(rig) as living:
            deliveries.append(self._deliver(f"{size:,} grids, dead", living))
            with kills.throttle_storm(rig, living):
                deliveries.append(self._deliver(f"{size:,} grids, dead, storm", living))
        self._say(f"{STORMS} storms of {kills.STORM} changes:")
        storms = [kills.storm(rig, self._bare) for _ in range(STORMS)]
        self._say("A new start of the operator:")
        restart = restarted(rig)
        for step in plan.largest:
            self._say(f"{step} grids: growth.")
            rig.grow(step)
            growth.append((idle(rig, plan.seconds), self._deliver(f"{step:,} grids")))
        return Fleet(
            machine=here,
            empty_rss=empty,
            deliveries=deliveries,
            growth=growth,
            made=made,
            restart=restart,
            restart_size=size,
            storms=storms,
            storm_size=kills.STORM,
            storm_at_once=AT_ONCE,
            idle=resting,
        )

    def _deliver(self, name: str, among: Sequence[int] | None = None) -> Delivery:
        found, bare = kills.deliveries(self._rig, self._bare, self._plan.kills, among or range(self._rig.size))
        return Delivery(name, self._rig.size, found, bare)
