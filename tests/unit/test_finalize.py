"""When a deleted object may go, and what a person is told about it."""

from decimal import Decimal
from typing import Any

import pytest

from hedgegrid_api.control import ControlReport, LegTelemetry, Telemetry
from hedgegrid_api.types import LegLevel, LegState, Source
from hedgegrid_operator.cache import Entry
from hedgegrid_operator.finalize import Stage, deletion_of, stage
from hedgegrid_operator.observed import controls_of
from hedgegrid_operator.parting import awaited, begins, last_words, overdue, remains
from tests.unit.operator_parts import NOW, grid, leg, report


def entry(deleted: str = "2026-03-01T11:58:20Z", annotations: dict[str, str] | None = None, **spec: Any) -> Entry:
    found = grid(metadata={"deletionTimestamp": deleted, "annotations": annotations or {}}, **spec)
    return Entry(found, controls_of(found))


ORPHAN = {"hedgegrid.io/release": "orphan"}
KEEP = {"policy": "CancelOrders"}
LEAVE = {"policy": "Orphan"}


@pytest.mark.parametrize(
    ("found", "ran", "verified", "expected"),
    [
        pytest.param(entry(), False, False, Stage.RELEASE, id="never ran: no pod is ever made for it"),
        pytest.param(entry(), True, False, Stage.WORK, id="100 s of 300"),
        pytest.param(entry(), True, True, Stage.RELEASE, id="verified"),
        pytest.param(entry(deletion={"timeoutSeconds": 60}), True, False, Stage.OVERDUE, id="Block goes on trying"),
        pytest.param(
            entry(deletion={"timeoutSeconds": 60, "onTimeout": "Orphan"}), True, False, Stage.ORPHAN, id="given up"
        ),
        pytest.param(
            entry("2026-02-01T00:00:00Z", deletion={"timeoutSeconds": 0, "onTimeout": "Orphan"}),
            True,
            False,
            Stage.WORK,
            id="0 is no time-out",
        ),
        pytest.param(entry(annotations=ORPHAN), True, False, Stage.ORPHAN, id="let go by hand"),
        pytest.param(entry(annotations=ORPHAN), True, True, Stage.RELEASE, id="by hand, but flat anyway"),
        pytest.param(entry(deletion={"timeoutSeconds": "soon"}), True, False, Stage.WORK, id="unreadable: 300 s"),
        pytest.param(entry(deletion=KEEP), True, False, Stage.WORK, id="entries not gone yet"),
        pytest.param(entry(deletion=KEEP), True, True, Stage.RELEASE, id="entries verified gone"),
        pytest.param(entry(deletion=KEEP, annotations=ORPHAN), True, False, Stage.ORPHAN, id="CancelOrders by hand"),
        pytest.param(entry(deletion=LEAVE), True, False, Stage.LEAVE, id="Orphan verifies nothing"),
        pytest.param(entry(deletion=LEAVE), True, True, Stage.LEAVE, id="Orphan says nothing is verified"),
        pytest.param(entry(deletion=LEAVE), False, False, Stage.RELEASE, id="Orphan that never ran"),
        pytest.param(
            entry(deletion={**LEAVE, "timeoutSeconds": 60}), True, False, Stage.LEAVE, id="Orphan waits for its pod"
        ),
        pytest.param(entry(deletion={"policy": "AskFirst"}), True, True, Stage.WORK, id="not known: not carried out"),
        pytest.param(entry(mode="live"), True, True, Stage.WORK, id="nobody wrote down what live money is to do"),
        pytest.param(
            entry(deletion={"policy": "AskFirst", "timeoutSeconds": 60}), True, True, Stage.OVERDUE, id="and told"
        ),
        pytest.param(
            entry(deletion={"policy": "AskFirst"}, annotations=ORPHAN), True, True, Stage.ORPHAN, id="let go unknown"
        ),
    ],
)
def test_a_deleted_object_goes_when_its_policy_is_carried_out(
    found: Entry, ran: bool, verified: bool, expected: Stage
) -> None:
    assert stage(deletion_of(found, ran=ran, verified=verified), NOW) is expected


@pytest.mark.parametrize(
    ("found", "given_up"),
    [
        (entry(), False),
        (entry(annotations=ORPHAN), True),
        (entry(deletion={"timeoutSeconds": 60}), False),
        (entry(deletion={"timeoutSeconds": 60, "onTimeout": "Orphan"}), True),
        (entry(deletion={"timeoutSeconds": 101, "onTimeout": "Orphan"}), False),
    ],
)
def test_the_end_of_the_pod_is_waited_for_until_it_is_given_up(found: Entry, given_up: bool) -> None:
    assert deletion_of(found, ran=True, verified=True).given_up(NOW) is given_up


def figures(long: str | None, short: str | None, orders: int | None, **more: Any) -> ControlReport:
    """What a pod last reported."""
    legs = (LegTelemetry(quantity=None if text is None else Decimal(text)) for text in (long, short))
    told = Telemetry(long=next(legs), short=next(legs), open_orders=orders)
    return report(telemetry=told, **more)


def words(found: Entry, past: ControlReport | None, *, ran: bool = True, verified: bool = True) -> str:
    """The last Event of a deletion at this moment."""
    deletion = deletion_of(found, ran=ran, verified=verified)
    return last_words(found, deletion, stage(deletion, NOW), past)


CLAIM = "the volume claim data-hedgegrid-btc-0 stays"


def test_the_last_event_of_each_policy_names_what_remains() -> None:
    held = figures("0.004", "0", 3)
    assert words(entry(), None, ran=False) == "released: it never ran"
    assert "both legs were verified flat, no order" in words(entry(), figures("0", "0", 0))
    kept = words(entry(deletion=KEEP), held)
    assert "LONG 0.004, SHORT 0, and 3 exits that rest there with no pod behind them" in kept
    assert "no position and no order is left" in words(entry(deletion=KEEP), figures("0", "0", 0))
    left = words(entry(deletion=LEAVE), held)
    assert "nothing was verified; last reported: LONG 0.004, SHORT 0, open orders 3" in left
    given_up = entry(annotations=ORPHAN)
    assert "released without being flat; last reported: LONG 0.004" in words(given_up, held, verified=False)
    given_up = entry(annotations=ORPHAN, deletion=KEEP)
    assert "released before its entries were verified gone; last" in words(given_up, held, verified=False)
    assert all(CLAIM in text for text in (kept, left, words(entry(), held)))
    assert CLAIM not in words(entry(storage={"ephemeral": True}), held)


def test_what_is_too_small_to_be_closed_is_named() -> None:
    dust = leg(LegLevel.FLAT, LegState.DUST, source=Source.DELETION, quantity="0.0004")
    assert "too small to be closed (0.0004)" in words(entry(), report(long=dust))


def test_what_is_not_known_is_never_said_to_be_nothing() -> None:
    assert remains(entry(), None) == "last reported: LONG unknown, SHORT unknown, open orders unknown"
    assert "LONG unknown, SHORT 0, and an unknown number of exits" in words(
        entry(deletion=KEEP), figures(None, "0", None)
    )


def test_after_a_restart_of_the_operator_the_status_tells_what_remains() -> None:
    found = entry()
    telemetry = {"long": {"quantity": "0.002"}, "short": {"quantity": "0"}, "openOrders": 4}
    shown = Entry({**found.obj, "status": {"telemetry": telemetry}}, found.controls)
    assert remains(shown, None) == "last reported: LONG 0.002, SHORT 0, open orders 4"


def test_what_blocks_is_told_with_the_way_out() -> None:
    found = entry(deletion={"policy": "AskFirst", "timeoutSeconds": 60})
    waits = awaited(found, None)
    assert waits.startswith("deletion.policy AskFirst isn't known here")
    assert waits.endswith("Flatten, CancelOrders, Orphan")
    told = overdue(found, None, waits)
    assert waits in told
    assert "the annotation hedgegrid.io/release: orphan lets the object go" in told
    assert "there is no deletion.policy" in awaited(entry(mode="live"), None)
    assert begins(None) != begins(deletion_of(entry(), ran=True, verified=False).policy)
