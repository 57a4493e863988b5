"""Levels, sources, latches, operation ids: the controls as a pure state."""

import itertools
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hedgegrid_api.control import ControlDocument
from hedgegrid_api.types import KillSwitch, LegLevel, Source, levels_of, switch_of
from naut_hedgegrid.domain.values import Leg
from naut_hedgegrid.strategies.hedge_grid_v1.control import (
    Controls,
    StaleDocumentError,
    UnknownLatchError,
    delivered,
    reached,
    with_api_flatten,
    with_api_throttle,
    with_document,
    with_resume,
)

NOW = datetime(2026, 1, 1, tzinfo=UTC)
BOTH = (Leg.LONG, Leg.SHORT)


class Sequence:
    """Counts operation ids."""

    def __init__(self) -> None:
        self._n = itertools.count(1)

    def __call__(self) -> str:
        return f"op-{next(self._n)}"


def document(generation: int = 1, **values: Any) -> ControlDocument:
    return ControlDocument.model_validate({"uid": "u", "generation": generation, **values})


def ids(held: Controls) -> dict[Leg, str]:
    return {leg: engagement.operation_id for leg, engagement in held.engagements.items()}


@pytest.mark.parametrize("switch", list(KillSwitch))
def test_each_value_asks_for_its_levels_and_is_named_by_them(switch: KillSwitch) -> None:
    held = with_document(Controls(), document(killSwitch=switch), NOW, Sequence())
    assert (held.level(Leg.LONG), held.level(Leg.SHORT)) == levels_of(switch)
    assert switch_of(*levels_of(switch)) == switch.value


def test_the_same_document_twice_changes_nothing() -> None:
    new_id = Sequence()
    once = with_document(Controls(), document(killSwitch="flattenBoth"), NOW, new_id)
    twice = with_document(once, document(killSwitch="flattenBoth"), NOW + timedelta(seconds=9), new_id)
    assert twice == once
    assert ids(once) == {Leg.LONG: "op-1", Leg.SHORT: "op-1"}


def test_widening_a_flatten_keeps_the_first_legs_id_and_gives_the_other_a_new_one() -> None:
    new_id = Sequence()
    held = with_document(Controls(), document(1, killSwitch="flattenLong"), NOW, new_id)
    held = with_document(held, document(2, killSwitch="flattenBoth"), NOW, new_id)
    assert ids(held) == {Leg.LONG: "op-1", Leg.SHORT: "op-2"}


def test_release_and_engage_again_is_another_engagement() -> None:
    new_id = Sequence()
    held = with_document(Controls(), document(1, killSwitch="flattenBoth"), NOW, new_id)
    held = with_document(held, document(2), NOW, new_id)
    assert held.engagements == {}
    held = with_document(held, document(3, killSwitch="flattenBoth"), NOW, new_id)
    assert set(ids(held).values()) == {"op-2"}


def test_raising_halt_to_flat_is_a_new_operation_and_lowering_keeps_it() -> None:
    new_id = Sequence()
    held = with_document(Controls(), document(1, killSwitch="haltEntries"), NOW, new_id)
    held = with_document(held, document(2, killSwitch="flattenBoth"), NOW, new_id)
    assert ids(held) == {Leg.LONG: "op-2", Leg.SHORT: "op-2"}
    held = with_document(held, document(3, killSwitch="haltEntries"), NOW, new_id)
    assert ids(held) == {Leg.LONG: "op-2", Leg.SHORT: "op-2"}
    assert held.level(Leg.LONG) is LegLevel.HALTED


@pytest.mark.parametrize(
    ("late", "reason"),
    [
        ({"generation": 4}, "generation"),
        ({"generation": 4, "epoch": 9}, "generation"),
        ({"generation": 6, "epoch": 1}, "epoch"),
        ({"uid": "other", "generation": 9, "epoch": 9}, "uid"),
    ],
)
def test_an_older_leader_an_old_list_and_another_object_are_refused(late: dict[str, Any], reason: str) -> None:
    held = with_document(Controls(), document(5, epoch=2, killSwitch="flattenBoth"), NOW, Sequence())
    refused = ControlDocument.model_validate({"uid": "u", "epoch": 2, **late})
    with pytest.raises(StaleDocumentError) as error:
        with_document(held, refused, NOW, Sequence())
    assert error.value.reason == reason


def test_an_unknown_value_of_the_switch_counts_as_halt() -> None:
    held = with_document(Controls(), document(killSwitch="flattenEverythingEver"), NOW, Sequence())
    assert held.level(Leg.LONG) is LegLevel.HALTED


def test_the_most_restrictive_source_stands() -> None:
    new_id = Sequence()
    held = with_api_flatten(Controls(), BOTH, NOW, new_id)
    held = with_document(held, document(1), NOW, new_id)
    assert held.level(Leg.LONG) is LegLevel.FLAT
    assert held.source(Leg.LONG) is Source.API
    held = with_document(held, document(2, killSwitch="flattenBoth"), NOW, new_id)
    assert held.source(Leg.LONG) is Source.SPEC
    assert ids(held) == {Leg.LONG: "op-1", Leg.SHORT: "op-1"}, "no second operation"
    held = with_document(held, document(3), NOW, new_id)
    assert held.level(Leg.LONG) is LegLevel.FLAT, "the operator never undoes a flatten that came by the API"


def test_api_flatten_is_idempotent_and_joins_an_engagement() -> None:
    new_id = Sequence()
    held = with_document(Controls(), document(1, killSwitch="flattenLong"), NOW, new_id)
    held = with_api_flatten(held, BOTH, NOW, new_id)
    assert {latch.leg: latch.id for latch in held.latches} == {"LONG": "op-1", "SHORT": "op-2"}
    assert with_api_flatten(held, BOTH, NOW, new_id) == held
    assert ids(held) == {Leg.LONG: "op-1", Leg.SHORT: "op-2"}


def test_resume_releases_by_id_and_leg() -> None:
    new_id = Sequence()
    held = with_api_flatten(Controls(), BOTH, NOW, new_id)
    held = with_resume(held, "op-1", (Leg.LONG,), NOW, new_id)
    assert (held.level(Leg.LONG), held.level(Leg.SHORT)) == (LegLevel.OPEN, LegLevel.FLAT)
    with pytest.raises(UnknownLatchError, match=r"'op-1'.*op-1 \(SHORT\)"):
        with_resume(held, "op-1", (Leg.LONG,), NOW, new_id)


def test_a_rearm_releases_what_it_names_once() -> None:
    new_id = Sequence()
    held = with_api_flatten(Controls(), BOTH, NOW, new_id)
    unseen = with_document(held, document(1, rearm=1), NOW, new_id)
    assert unseen.level(Leg.LONG) is LegLevel.FLAT, "a latch that nobody had seen is not released"
    assert unseen.rearm == 1
    same = with_document(unseen, document(2, rearm=1, rearmLatches=["op-1"]), NOW, new_id)
    assert same.level(Leg.LONG) is LegLevel.FLAT, "a rearm is consumed once"
    released = with_document(same, document(3, rearm=2, rearmLatches=["op-1"]), NOW, new_id)
    assert released.level(Leg.LONG) is LegLevel.OPEN
    assert released.latches == ()


def test_deletion_outranks_the_spec() -> None:
    held = with_document(Controls(), document(1, deletion="Flatten"), NOW, Sequence())
    assert held.level(Leg.SHORT) is LegLevel.FLAT
    assert held.source(Leg.SHORT) is Source.DELETION


def test_a_deletion_that_cancels_orders_halts_both_legs_and_releases_none() -> None:
    held = with_document(Controls(), document(1, deletion="CancelOrders"), NOW, Sequence())
    assert [(held.level(leg), held.source(leg)) for leg in Leg] == [(LegLevel.HALTED, Source.DELETION)] * 2
    spec = with_document(Controls(), document(1, deletion="CancelOrders", killSwitch="flattenLong"), NOW, Sequence())
    assert (spec.level(Leg.LONG), spec.source(Leg.LONG)) == (LegLevel.FLAT, Source.SPEC)
    assert spec.level(Leg.SHORT) is LegLevel.HALTED


def test_a_deletion_that_gets_stronger_is_another_engagement_and_a_weaker_one_keeps_legs_halted() -> None:
    new_id = Sequence()
    held = with_document(Controls(), document(1, deletion="CancelOrders"), NOW, new_id)
    flat = with_document(held, document(2, deletion="Flatten"), NOW, new_id)
    assert ids(flat) == {Leg.LONG: "op-2", Leg.SHORT: "op-2"}
    again = with_document(flat, document(3, deletion="CancelOrders"), NOW, new_id)
    assert (again.level(Leg.LONG), ids(again)) == (LegLevel.HALTED, ids(flat))


def test_throttle_is_the_smaller_and_a_changed_spec_ends_the_apis() -> None:
    held = with_document(Controls(), document(1, throttle=0.8), NOW, Sequence())
    held = with_api_throttle(held, 0.3)
    assert held.throttle(1) == (0.3, Source.API)
    held = with_document(held, document(2, throttle=0.8, killSwitch="haltEntries"), NOW, Sequence())
    assert held.throttle(1) == (0.3, Source.API)
    held = with_document(held, document(3, throttle=0.9), NOW, Sequence())
    assert held.throttle(1) == (0.9, Source.SPEC)
    assert with_api_throttle(with_api_throttle(held, 0.1), 1).throttle(1) == (0.9, Source.SPEC)


def test_delivered_names_what_was_written_and_not_what_came_after() -> None:
    new_id = Sequence()
    first = with_document(Controls(), document(1, killSwitch="flattenLong"), NOW, new_id)
    second = with_document(first, document(2, killSwitch="flattenBoth"), NOW, new_id)
    now = delivered(second, first, NOW)
    assert now.engagements[Leg.LONG].delivered == NOW
    assert now.engagements[Leg.SHORT].delivered is None


def test_reached_is_noted_once_and_taken_back_when_lost() -> None:
    held = with_document(Controls(), document(1, killSwitch="flattenLong"), NOW, Sequence())
    flat = reached(held, {Leg.LONG: True}, NOW)
    later = reached(flat, {Leg.LONG: True}, NOW + timedelta(seconds=1))
    assert later is flat
    assert reached(flat, {Leg.LONG: False}, NOW).engagements[Leg.LONG].reached is None


def test_controls_survive_the_store() -> None:
    held = with_api_flatten(Controls(), (Leg.SHORT,), NOW, Sequence())
    held = with_api_throttle(with_document(held, document(3, epoch=4, throttle=0.5), NOW, Sequence()), 0.25)
    assert Controls.model_validate_json(held.model_dump_json(by_alias=True)) == held


STEP = st.one_of(
    st.tuples(st.just("document"), st.sampled_from(list(KillSwitch))),
    st.tuples(st.just("flatten"), st.sampled_from([(Leg.LONG,), (Leg.SHORT,), BOTH])),
    st.tuples(st.just("resume"), st.sampled_from([(Leg.LONG,), (Leg.SHORT,), BOTH])),
)


@given(st.lists(STEP, max_size=12))
def test_one_operation_id_from_the_rise_of_a_leg_to_its_release(steps: list[tuple[str, Any]]) -> None:
    new_id, held, now = Sequence(), Controls(), NOW
    for generation, (kind, value) in enumerate(steps, 1):
        before = held
        now += timedelta(seconds=1)
        if kind == "document":
            held = with_document(held, document(generation, killSwitch=value), now, new_id)
        elif kind == "flatten":
            held = with_api_flatten(held, value, now, new_id)
        elif held.latches:
            held = with_resume(held, held.latches[0].id, BOTH, now, new_id)
        for leg in Leg:
            was, is_ = before.engagements.get(leg), held.engagements.get(leg)
            assert (is_ is None) == (held.level(leg) is LegLevel.OPEN)
            if was is not None and is_ is not None:
                risen = is_.level.rank > was.level.rank
                assert (is_.operation_id != was.operation_id) == risen


def test_a_document_whose_limits_cannot_be_read_leaves_those_that_stand() -> None:
    held = with_document(Controls(), document(1, risk={"maxDrawdownPercent": 5}), NOW, Sequence())
    held = with_document(held, document(2, killSwitch="flattenBoth", risk={"maxDrawdownPercent": 500}), NOW, Sequence())
    assert held.document is not None
    assert held.document.risk is not None
    assert held.document.risk.max_drawdown_percent == 5
    assert held.document.kill_switch is KillSwitch.FLATTEN_BOTH
    assert held.document.faults == ("risk.maxDrawdownPercent: Input should be less than or equal to 100",)
    held = with_document(held, document(3, risk={"maxDrawdownPercent": 7}), NOW, Sequence())
    assert held.document is not None
    assert held.document.risk is not None
    assert held.document.risk.max_drawdown_percent == 7
