"""A whole run: trade, break, patch, heal, come to rest, audit."""

import time
from collections.abc import Callable

from tests.chaos.audit import violations
from tests.chaos.diary import Diary
from tests.chaos.evidence import Case, Ending, Violation
from tests.chaos.faults import Breaker
from tests.chaos.report import Report, Wrong
from tests.chaos.schedule import schedule
from tests.chaos.world import World, eventually
from tests.kube import Cluster
from tests.kube.installation import CHILDREN

GRIDS = 5
START_SECONDS = 180.0
REST_SECONDS = 300.0

type Say = Callable[[str], None]


def run(cluster: Cluster, *, seed: int, minutes: float, grids: int = GRIDS, say: Say = print) -> Report:
    """The report; what was wrong stands in it."""
    diary = Diary()
    say(f"chaos: seed {seed}, {minutes:g} minutes, {grids} grids")
    with World(cluster, grids, seed, diary) as world:
        for subject in world.subjects:
            subject.life.grid.wait(lambda seen: seen.get("phase") == "Running", "the grid to trade", START_SECONDS)
            subject.life.observe()
        began = time.monotonic()
        for subject in world.subjects:
            subject.start()
        Breaker(world).run(schedule(seed, minutes, grids))
        seconds = time.monotonic() - began
        for subject in world.subjects:
            subject.stop()
        world.heal()
        diary.note("everything is healed")
        say(f"{sum(diary.faults.values())} faults in {seconds:.0f} s; everything is healed")
        for subject in world.subjects:
            eventually(subject.last, REST_SECONDS)
        cases, wrong = _judged(world)
        rested = time.monotonic() - began - seconds
        return Report(
            seed=seed,
            minutes=minutes,
            seconds=round(seconds, 1),
            rest_seconds=round(rested, 1),
            faults=dict(diary.faults),
            patches=dict(diary.patches),
            lives=len(cases),
            commands=sum(len(case.commands) for case in cases),
            fills=sum(len(case.fills) for case in cases),
            sightings=sum(len(case.sightings) for case in cases),
            held=sum(subject.held for subject in world.subjects),
            reached=sum(subject.reached for subject in world.subjects),
            diary=tuple(diary.lines),
            wrong=tuple(Wrong(found, diary.around(found.at)) for found in wrong),
        )


def _judged(world: World) -> tuple[list[Case], list[Violation]]:
    cases: list[Case] = []
    wrong: list[Violation] = []
    for life in [life for subject in world.subjects for life in subject.lives]:
        try:
            ending = life.rest(REST_SECONDS)
        except TimeoutError as error:
            wrong.append(
                Violation("no rest", life.grid.name, None, "\n".join([str(error), *getattr(error, "__notes__", [])]))
            )
            ending = None
        world.witness.look()
        case = life.case(ending or Ending(gone=False))
        cases.append(case)
        wrong += [found for found in violations(case) if ending is not None or found.at is not None]
    return cases, [*wrong, *_strangers(world)]


def _strangers(world: World) -> list[Violation]:
    """Children of objects that aren't there, whoever they were."""
    there = {subject.life.grid.uid for subject in world.subjects if not subject.life.deleted}
    found: list[Violation] = []
    for version, kind in CHILDREN:
        for child in world.cluster.api.list(version, kind, world.field.namespace):
            uid = child["metadata"].get("labels", {}).get("hedgegrid.io/uid")
            if uid is not None and uid not in there:
                text = f"{kind} {child['metadata']['name']} belongs to {uid}, which isn't there"
                found.append(Violation("orphan", uid, None, text))
    return found
