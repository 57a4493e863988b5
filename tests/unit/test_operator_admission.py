"""What a grid will do decides whether it runs, and is told in the object."""

from typing import Any

from hedgegrid_api.author import instant
from hedgegrid_operator import admit as admission
from hedgegrid_operator.admission import Admission
from hedgegrid_operator.admit import Reason, Rival, Verdict, admit
from hedgegrid_operator.cache import Cache
from hedgegrid_operator.desired.stateful_set import ImageDefaults
from hedgegrid_operator.events import notes
from hedgegrid_operator.objects import HEDGE_GRID, GridRef
from hedgegrid_operator.status import build
from tests.unit.operator_parts import NOW, SPEC, UID, grid
from tests.unit.test_operator_status import facts

OWN = Rival(GridRef("default", "btc", UID), instant("2026-03-01T11:00:00Z"), has_children=False, valid=True)


def shaped(**changes: Any) -> dict[str, Any]:
    """The usual grid with other fields in its group `grid`."""
    return grid(grid=SPEC["grid"] | changes)


def test_the_accepted_message_sums_up_what_the_grid_will_do() -> None:
    verdict = admit(grid(), OWN, [])
    assert verdict.reason is Reason.VALID
    assert verdict.message.startswith(
        "the object is valid and its target is its own; at 50000: 5 LONG rungs 49950 to 49750 and 5 SHORT rungs 50050 "
        "to 50250; both full need 200.00 of 10000.00 USDT as margin. A fall of 10 % costs "
    )
    assert verdict.message.endswith("; a round trip gains 20 bps less 4 bps of fees")


def test_leverage_of_the_spec_is_that_of_the_margin_told() -> None:
    assert "both full need 50.00 of 10000.00 USDT as margin" in admit(grid(leverage=20), OWN, []).message


def test_a_grid_that_collapses_on_the_tick_is_refused_with_the_smallest_legal_step() -> None:
    verdict = admit(grid(sim={"startPrice": "50"}), OWN, [])
    assert verdict.reason is Reason.GRID_COLLAPSED
    assert verdict.message == (
        "spec.grid.stepBps is 10, which at 50 is less than the tick of 0.1: rungs would fall on one price; write at "
        "least 20"
    )
    assert admit(grid(sim={"startPrice": "50"}, grid=SPEC["grid"] | {"stepBps": 20}), OWN, []).accepted


def test_a_rung_above_the_venues_largest_order_is_refused() -> None:
    verdict = admit(shaped(levelsLong=20, qtyScale=2), OWN, [])
    assert verdict.reason is Reason.INVALID_SPEC
    assert verdict.message == (
        "spec.grid.baseQty * qtyScale^19 is 1048.576 for rung 20, above the venue's largest order of 1000 (maxQty); "
        "lower baseQty, qtyScale or the levels"
    )


def test_a_replayed_market_is_accepted_without_a_price() -> None:
    verdict = admit(grid(sim={"market": "replay", "replay": {"path": "/bars.csv"}}), OWN, [])
    assert verdict.accepted
    assert verdict.message.endswith("; its ladders depend on the prices in sim.replay.path")


def told(before: Verdict | None, after: Verdict) -> list[tuple[str, bool]]:
    """Reasons of the Events of a change, and whether they warn."""
    old = build(facts(verdict=before, pod=None)) if before else build(facts(pod=None))
    new = build(facts(verdict=after, pod=None))
    advice = after.outlook.advice if after.outlook else ()
    return [(note.reason, note.warning) for note in notes(old, new, by=None, now=NOW, advice=advice)]


def test_what_should_be_changed_is_warned_of_once_and_again_when_the_grid_changes() -> None:
    thin = admit(shaped(stepBps=2, levelsLong=60), OWN, [])
    assert told(None, thin) == [("FeesExceedGain", True), ("RungsOutOfReach", True)]
    assert told(thin, thin) == []
    killed = admit(grid(generation=2, grid=SPEC["grid"] | {"stepBps": 2, "levelsLong": 60}), OWN, [], thin)
    assert told(thin, killed) == []
    assert told(thin, admit(shaped(stepBps=2, levelsLong=61), OWN, [])) == [
        ("FeesExceedGain", True),
        ("RungsOutOfReach", True),
    ]
    assert told(None, admit(grid(), OWN, [])) == []


def test_what_a_grid_will_do_is_worked_out_again_only_when_it_changes(monkeypatch: Any) -> None:
    first = admit(grid(), OWN, [])
    monkeypatch.setattr(admission, "preview", None)  # would raise if it were called
    again = admit(grid(generation=2, killSwitch="flattenBoth", throttle=0.5, risk={"confirmations": 5}), OWN, [], first)
    assert (again.accepted, again.outlook) == (True, first.outlook)
    assert again.outlook is first.outlook


def test_a_grid_that_cannot_run_is_no_rival_but_its_children_can_still_be_made_to_flatten_it() -> None:
    cache = Cache()
    cache.observe(HEDGE_GRID, grid(uid="1", name="thin", sim={"startPrice": "50"}))
    cache.observe(HEDGE_GRID, grid(uid="2", name="btc"))
    both = Admission(cache, ImageDefaults("repository", "tag", "IfNotPresent"))
    older, newer = cache.grid("1"), cache.grid("2")
    assert older is not None
    assert newer is not None
    assert both.verdict(older).reason is Reason.GRID_COLLAPSED
    assert both.verdict(newer).reason is Reason.VALID
    assert both.wanted("1") is not None
