"""The pod's own watch (F48): what is stronger in the object is engaged, nothing is weakened, documents rule again."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hedgegrid_api.asked import Asked, asked_of
from hedgegrid_api.control import ControlDocument, DeletionIntent
from hedgegrid_api.types import KillSwitch, LegLevel, Source, levels_of
from naut_hedgegrid.domain.values import Leg
from naut_hedgegrid.strategies.hedge_grid_v1.control import (
    Controls,
    StaleDocumentError,
    delivered,
    with_asked,
    with_document,
    with_object_gone,
)
from tests.unit.test_controls import NOW, Sequence, document, ids

NONE = Asked("u", 1, 1, KillSwitch.NONE, 1.0, DeletionIntent.NONE)


def asked(generation: int = 1, **changes: Any) -> Asked:
    return replace(NONE, generation=generation, resource_version=generation, **changes)


def levels(held: Controls) -> tuple[LegLevel, LegLevel]:
    return held.level(Leg.LONG), held.level(Leg.SHORT)


def test_a_stronger_object_is_engaged_and_its_source_is_the_spec() -> None:
    held = with_document(Controls(), document(1), NOW, Sequence())
    after = with_asked(held, asked(2, kill_switch=KillSwitch.FLATTEN_LONG), NOW, Sequence())
    assert levels(after) == (LegLevel.FLAT, LegLevel.OPEN)
    assert after.source(Leg.LONG) is Source.SPEC
    assert after.document == held.document  # and appliedGeneration with it


def test_a_deletion_is_engaged_by_its_policy_and_its_source_is_the_deletion() -> None:
    held = with_document(Controls(), document(1), NOW, Sequence())
    flat = with_asked(held, asked(2, deletion=DeletionIntent.FLATTEN), NOW, Sequence())
    assert (levels(flat), flat.source(Leg.SHORT)) == ((LegLevel.FLAT, LegLevel.FLAT), Source.DELETION)
    halted = with_asked(held, asked(2, deletion=DeletionIntent.CANCEL_ORDERS), NOW, Sequence())
    assert (levels(halted), halted.source(Leg.SHORT)) == ((LegLevel.HALTED, LegLevel.HALTED), Source.DELETION)


def test_a_lower_throttle_acts_and_a_higher_one_does_not() -> None:
    held = with_document(Controls(), document(1, throttle=0.5), NOW, Sequence())
    lower = with_asked(held, asked(2, throttle=0.25), NOW, Sequence())
    assert lower.throttle(1.0) == (0.25, Source.SPEC)
    assert with_asked(lower, asked(3, throttle=0.75), NOW, Sequence()) is lower
    # While reconciling is paused, the throttle of the object says nothing.
    assert with_asked(held, asked(2, throttle=None), NOW, Sequence()) is held


def test_the_document_with_the_same_kill_begins_nothing_new() -> None:
    new_id = Sequence()
    held = with_document(Controls(), document(1), NOW, new_id)
    own = with_asked(held, asked(2, kill_switch=KillSwitch.FLATTEN_BOTH), NOW, new_id)
    own = delivered(own, own, NOW)
    after = with_document(own, document(2, killSwitch="flattenBoth"), NOW, new_id)
    assert ids(after) == ids(own) == {Leg.LONG: "op-1", Leg.SHORT: "op-1"}
    assert (after.engagements, after.own) == (own.engagements, None)


def test_the_object_after_the_document_with_the_same_kill_begins_nothing_new() -> None:
    held = with_document(Controls(), document(2, killSwitch="flattenBoth"), NOW, Sequence())
    assert with_asked(held, asked(2, kill_switch=KillSwitch.FLATTEN_BOTH), NOW, Sequence()) is held


def test_a_document_older_than_the_engagement_is_refused_and_one_of_its_generation_rules_weaker_or_not() -> None:
    held = with_document(Controls(), document(4), NOW, Sequence())
    own = with_asked(held, asked(6, kill_switch=KillSwitch.FLATTEN_BOTH), NOW, Sequence())
    for generation in (4, 5):
        with pytest.raises(StaleDocumentError, match=f"generation {generation} is lower than 6") as refused:
            with_document(own, document(generation, epoch=9), NOW, Sequence())
        assert refused.value.reason == "generation"
    for generation in (6, 7):
        assert levels(with_document(own, document(generation), NOW, Sequence())) == (LegLevel.OPEN, LegLevel.OPEN)


def test_a_weaker_object_neither_releases_nor_moves_the_generation_that_a_document_needs() -> None:
    own = with_asked(Controls(), asked(2, kill_switch=KillSwitch.FLATTEN_BOTH), NOW, Sequence())
    assert with_asked(own, asked(3), NOW, Sequence()) is own
    assert with_document(own, document(2, killSwitch="flattenBoth"), NOW, Sequence()).own is None


def test_another_leg_later_is_another_operation_and_keeps_the_first() -> None:
    new_id = Sequence()
    long = with_asked(Controls(), asked(2, kill_switch=KillSwitch.FLATTEN_LONG), NOW, new_id)
    both = with_asked(long, asked(3, kill_switch=KillSwitch.FLATTEN_SHORT), NOW, new_id)
    assert levels(both) == (LegLevel.FLAT, LegLevel.FLAT)
    assert ids(both) == {Leg.LONG: "op-1", Leg.SHORT: "op-2"}


def test_an_object_that_is_gone_halts_both_legs_until_a_document_of_a_higher_generation() -> None:
    held = with_document(Controls(), document(4), NOW, Sequence())
    gone = with_object_gone(held, 5, NOW, Sequence())
    assert (levels(gone), gone.source(Leg.LONG)) == ((LegLevel.HALTED, LegLevel.HALTED), Source.DELETION)
    with pytest.raises(StaleDocumentError, match="generation 5 is lower than 6: this pod's object was found gone"):
        with_document(gone, document(5, epoch=9), NOW, Sequence())
    assert levels(with_document(gone, document(6), NOW, Sequence())) == (LegLevel.OPEN, LegLevel.OPEN)
    assert with_object_gone(gone, 0, NOW, Sequence()) is gone


def test_an_object_that_is_gone_keeps_what_was_engaged_before() -> None:
    new_id = Sequence()
    flat = with_asked(Controls(), asked(2, kill_switch=KillSwitch.FLATTEN_BOTH), NOW, new_id)
    gone = with_object_gone(flat, 2, NOW, new_id)
    assert (levels(gone), ids(gone)) == ((LegLevel.FLAT, LegLevel.FLAT), ids(flat))


def test_what_it_engaged_stands_after_a_restart() -> None:
    own = with_asked(Controls(), asked(2, kill_switch=KillSwitch.FLATTEN_BOTH, throttle=0.5), NOW, Sequence())
    again = Controls.model_validate(own.model_dump(mode="json", by_alias=True))
    assert again == own
    assert with_asked(again, asked(2, kill_switch=KillSwitch.FLATTEN_BOTH, throttle=0.5), NOW, Sequence()) is again


def test_a_store_that_has_never_seen_a_document_engages_too() -> None:
    own = with_asked(Controls(), asked(1, kill_switch=KillSwitch.HALT_ENTRIES), NOW, Sequence())
    assert levels(own) == (LegLevel.HALTED, LegLevel.HALTED)
    lost = {"id": "trip-1", "source": "risk", "leg": "BOTH", "level": "flat", "since": NOW}
    # F38: the latches of a lost volume still come back with the first document.
    after = with_document(own, document(1, latches=[lost]), NOW, Sequence())
    assert levels(after) == (LegLevel.FLAT, LegLevel.FLAT)


objects = st.builds(
    asked,
    st.integers(1, 6),
    kill_switch=st.sampled_from(KillSwitch),
    throttle=st.sampled_from([None, 0.0, 0.25, 1.0]),
    deletion=st.sampled_from(DeletionIntent),
)


@given(st.lists(objects, max_size=8), st.integers(1, 6))
def test_whatever_it_sees_in_whatever_order_nothing_is_weakened(seen: list[Asked], generation: int) -> None:
    held = with_document(Controls(), document(generation, killSwitch="flattenLong", throttle=0.5), NOW, Sequence())
    new_id = Sequence()
    for one in seen:
        after = with_asked(held, one, NOW, new_id)
        assert all(after.level(leg).rank >= held.level(leg).rank for leg in Leg)
        assert after.throttle(1.0)[0] <= held.throttle(1.0)[0]
        for leg, engagement in held.engagements.items():
            same = after.level(leg) is held.level(leg)
            assert (after.engagements[leg].operation_id == engagement.operation_id) is same
        # Again, and as often as it likes: nothing more.
        assert with_asked(after, one, NOW, new_id) is after
        held = after
    newer = [one for one in seen if one.generation > generation]
    for index, leg in enumerate(Leg):
        wanted = max((levels_of(one.kill_switch)[index].rank for one in newer), default=0)
        assert held.level(leg).rank >= wanted


@given(st.lists(objects, min_size=1, max_size=6, unique_by=lambda one: one.generation), st.data())
def test_the_newest_document_rules_whatever_came_between(spec: list[Asked], data: st.DataObject) -> None:
    """Each generation of the object reaches the pod by document, by its own watch, by both, late or never."""
    history = {one.generation: one for one in spec}
    steps = st.tuples(st.sampled_from(["document", "watch"]), st.sampled_from(sorted(history)))
    held, new_id = Controls(), Sequence()
    for how, generation in data.draw(st.lists(steps, max_size=12)):
        one = history[generation]
        if how == "watch":
            held = with_asked(held, one, NOW, new_id)
            continue
        before = held
        try:
            held = with_document(held, as_document(one), NOW, new_id)
        except StaleDocumentError:
            held_by = max(
                before.own.generation if before.own else 0, before.document.generation if before.document else 0
            )
            assert generation < held_by
    newest = history[max(history)]
    final = with_document(held, as_document(newest), NOW, new_id)
    assert final.own is None
    assert final.level(Leg.LONG) is with_document(Controls(), as_document(newest), NOW, new_id).level(Leg.LONG)
    # A leg that was held back at that level all along keeps its operation.
    for leg, engagement in held.engagements.items():
        if final.level(leg) is held.level(leg):
            assert final.engagements[leg].operation_id == engagement.operation_id


def as_document(one: Asked) -> ControlDocument:
    """The document that an operator makes of an object."""
    return document(
        one.generation,
        killSwitch=one.kill_switch,
        throttle=1.0 if one.throttle is None else one.throttle,
        deletion=one.deletion,
    )


# Reading the object.


def an_object(**spec: Any) -> dict[str, Any]:
    return {"metadata": {"uid": "u", "generation": 3, "resourceVersion": "77"}, "spec": spec}


def test_an_object_is_read_without_the_full_model() -> None:
    found = asked_of(an_object(killSwitch="flattenBoth", throttle=0.5, grid={"stepBps": "of a newer schema"}))
    assert found == Asked("u", 3, 77, KillSwitch.FLATTEN_BOTH, 0.5, DeletionIntent.NONE)
    assert asked_of(an_object()) == Asked("u", 3, 77, KillSwitch.NONE, 1.0, DeletionIntent.NONE)


@pytest.mark.parametrize("value", ["flattenEverything", None, 5, True, [], {}, "none "])
def test_a_kill_switch_that_is_not_known_halts_entries(value: Any) -> None:
    assert asked_of(an_object(killSwitch=value)).kill_switch is KillSwitch.HALT_ENTRIES


@pytest.mark.parametrize("value", ["0.5", None, True, -0.1, 1.1, float("nan"), float("inf"), 10**400, []])
def test_a_throttle_that_is_no_fraction_stops_entries(value: Any) -> None:
    assert asked_of(an_object(throttle=value)).throttle == 0.0


def test_a_pause_keeps_the_throttle_out_and_lets_kill_and_deletion_through() -> None:
    found = an_object(killSwitch="haltEntries", throttle=0.1, deletion={"policy": "CancelOrders"})
    found["metadata"] |= {
        "annotations": {"hedgegrid.io/reconcile": "disabled"},
        "deletionTimestamp": "2026-01-01T00:00:00Z",
    }
    read = asked_of(found)
    assert (read.throttle, read.kill_switch) == (None, KillSwitch.HALT_ENTRIES)
    assert read.deletion is DeletionIntent.CANCEL_ORDERS


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["metadata", "spec", "killSwitch", "throttle", "annotations", "generation", "deletion"])
                | st.text(max_size=3),
                inner,
                max_size=4,
            )
        ),
        max_leaves=12,
    )
)
def test_any_json_can_be_read(found: Any) -> None:
    read = asked_of(found)
    assert read.generation >= 0
    assert read.throttle is None or 0 <= read.throttle <= 1
