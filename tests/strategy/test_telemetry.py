"""What the strategy counts, compared with what the venue's book says happened."""

import logging
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from naut_hedgegrid.domain.values import Leg, OrderAccepted, OrderRejected, Role
from naut_hedgegrid.strategies.hedge_grid_v1.distribution import Observed
from naut_hedgegrid.strategies.hedge_grid_v1.telemetry import MOST_REASONS, OTHER, Counts, Outcome, Telemetry
from naut_hedgegrid.venues.sim.faults import Faults
from tests.strategy.direct import SECOND, Rig, strategy_file

D = Decimal
LONG, SHORT = Leg.LONG, Leg.SHORT


def counting(make: Callable[..., Rig], **options: Any) -> Rig:
    rig = make(**options)
    rig.strategy.start_counting()
    return rig


def counts(rig: Rig) -> Counts:
    found = rig.strategy.counts()
    assert found is not None
    return found


def number(observed: Observed) -> int:
    return observed.cumulated[-1]


def test_nothing_is_counted_before_it_is_asked_for(make: Callable[..., Rig]) -> None:
    rig = make()
    rig.quote(42000)
    assert rig.strategy.counts() is None
    rig.strategy.start_counting()
    assert counts(rig).orders == {}


def test_orders_are_counted_by_role_and_by_what_becomes_of_them(make: Callable[..., Rig]) -> None:
    rig = counting(make)
    rig.quote(42000)
    rig.quote(41790)
    found = counts(rig)
    assert found.orders == {
        (Role.ENTRY, Outcome.SENT): 10,
        (Role.ENTRY, Outcome.ACCEPTED): 10,
        (Role.ENTRY, Outcome.FILLED): 2,
        (Role.TAKE_PROFIT, Outcome.SENT): 2,
        (Role.TAKE_PROFIT, Outcome.ACCEPTED): 2,
    }
    assert found.fills == {(LONG, True): 2}
    assert number(found.order_latency) == 12


async def test_a_flatten_counts_cancels_and_takers(make: Callable[..., Rig]) -> None:
    rig = counting(make)
    rig.quote(42000)
    rig.quote(41790)
    await rig.control(killSwitch="flattenBoth")
    found = counts(rig)
    assert rig.position(LONG) == 0
    assert found.orders[Role.ENTRY, Outcome.CANCELED] == 8
    assert found.orders[Role.TAKE_PROFIT, Outcome.CANCELED] == 2
    assert found.orders[Role.FLATTEN, Outcome.FILLED] == 1
    assert found.fills == {(LONG, True): 2, (LONG, False): 1}
    assert found.round_trips == {}, "a flatten is no round trip"


def test_a_fill_that_is_told_twice_is_counted_once(make: Callable[..., Rig]) -> None:
    rig = counting(make)
    rig.quote(42000)
    rig.venue.lazy = True
    rig.quote(41895)
    for event in list(rig.venue.queue):
        rig.strategy.on_order_event(event)  # pyright: ignore[reportArgumentType]  no state was asked for
    rig.venue.lazy = False
    rig.pump()
    assert counts(rig).fills == {(LONG, True): 1}
    assert counts(rig).orders[Role.ENTRY, Outcome.FILLED] == 1


def test_a_round_trip_is_a_lot_that_its_exits_have_closed(make: Callable[..., Rig]) -> None:
    rig = counting(make, config=strategy_file(levelsShort=0))
    rig.quote(42000)
    rig.quote(41895)
    rig.faults.largest_tick_fill = D("0.004")
    for held in ("0.006", "0.002"):
        rig.quote(42105)
        assert rig.position(LONG) == D(held)
    assert counts(rig).round_trips == {}
    rig.quote(42105)
    assert rig.position(LONG) == 0
    found = counts(rig)
    assert found.round_trips == {LONG: 1}
    assert found.round_trip_profit[LONG] == D("0.010") * (42105 - 41895), "before commissions"
    assert found.round_trip_profit[SHORT] == 0


def test_lots_and_orders_of_before_the_start_are_known(make: Callable[..., Rig]) -> None:
    rig = make(stored=True)
    rig.quote(42000)
    rig.quote(41895)
    rig.crash()
    rig.boot()
    rig.strategy.start_counting()
    rig.quote(42105)
    found = counts(rig)
    assert found.round_trips == {LONG: 1}
    assert found.round_trip_profit[LONG] == D("0.010") * (42105 - 41895)
    assert found.orders[Role.TAKE_PROFIT, Outcome.FILLED] == 1


def test_the_time_from_fill_to_take_profit_and_from_send_to_answer(make: Callable[..., Rig]) -> None:
    rig = counting(make)
    rig.quote(42000)
    rig.venue.lazy = True
    rig.quote(41895)
    rig.venue.deliver()
    rig.clock.ts += 2 * SECOND
    rig.venue.lazy = False
    rig.pump()
    found = counts(rig)
    assert number(found.protection) == 1
    assert found.protection.total == pytest.approx(2)
    assert found.order_latency.total == pytest.approx(2), "ten entries were answered at once"


def test_refusals_are_counted_by_code(make: Callable[..., Rig]) -> None:
    rig = counting(make, faults=Faults(refusals=3, refusal="-2019 Margin is insufficient."))
    rig.quote(42000)
    found = counts(rig)
    assert found.rejects == {"-2019": 3}
    assert found.orders[Role.ENTRY, Outcome.REJECTED] == 3
    assert found.orders[Role.ENTRY, Outcome.ACCEPTED] == 7
    assert number(found.order_latency) == 10


def test_reasons_are_bounded(make: Callable[..., Rig]) -> None:
    rig = make()
    rig.quote(42000)
    orders = list(rig.strategy._core.ledger.orders.values())
    telemetry = Telemetry((), ())
    for turn in range(3 * MOST_REASONS):
        telemetry._live[orders[0].client_order_id] = orders[0]
        telemetry.on_sent(orders[0], 0.0)
        reason = f"-{1000 + turn} number {turn}"
        telemetry.on_order_event(OrderRejected(orders[0].client_order_id, reason, False, 0), 0.0)
    rejects = telemetry.counts().rejects
    assert len(rejects) == MOST_REASONS + 1
    assert rejects[OTHER] == 2 * MOST_REASONS


@pytest.mark.parametrize(
    ("reason", "shown"),
    [
        ("-5022 would take", "-5022"),
        ("NOTIONAL_EXCEEDS_FREE_BALANCE: free=1", "NOTIONAL_EXCEEDS_FREE_BALANCE"),
        ("because I say so at 12:01:59.123", OTHER),
        ("", OTHER),
    ],
)
def test_a_reason_is_a_code_or_a_word_and_never_free_text(make: Callable[..., Rig], reason: str, shown: str) -> None:
    rig = counting(make)
    rig.venue.lazy = True
    rig.quote(42000)
    name = rig.venue.submitted[0].client_order_id
    rig.strategy.on_order_event(OrderRejected(name, reason, False, rig.clock.ts))
    assert counts(rig).rejects == {shown: 1}


def test_an_entry_whose_gate_closed_before_it_left_is_unsent(make: Callable[..., Rig]) -> None:
    rig = counting(make)
    rig.store.hung = True
    rig.quote(42000)
    rig.wait(1)
    assert rig.venue.submitted == []
    assert counts(rig).orders == {(Role.ENTRY, Outcome.UNSENT): 10}
    assert counts(rig).rejects == {}


def test_an_accept_that_is_told_twice_or_of_nobody_is_counted_once(make: Callable[..., Rig]) -> None:
    rig = counting(make)
    rig.quote(42000)
    for name in (rig.venue.submitted[0].client_order_id, "hg-0badcafe-L1-E-zz"):
        rig.strategy.on_order_event(OrderAccepted(name, rig.clock.ts))
    assert counts(rig).orders[Role.ENTRY, Outcome.ACCEPTED] == 10


def test_mark_out_is_the_move_after_the_fill_in_its_favour(make: Callable[..., Rig]) -> None:
    rig = counting(make)
    rig.quote(42000)
    rig.quote(41895)
    rig.quote(41800, seconds=0.5)
    rig.quote(41853, seconds=0.5)
    rig.quote(41000, seconds=0.1)
    found = counts(rig)
    one = found.markout[LONG, 1]
    assert number(one) == 1
    assert one.total == pytest.approx((41853 - 41895) / 41895 * 1e4)
    assert number(found.markout[LONG, 10]) == 0
    assert number(found.markout[SHORT, 1]) == 0


def test_a_mark_out_without_a_quote_since_the_fill_is_unknown(make: Callable[..., Rig]) -> None:
    rig = counting(make)
    rig.quote(42000)
    rig.quote(41895)
    rig.quote(42000, seconds=30)
    found = counts(rig)
    assert number(found.markout[LONG, 1]) == number(found.markout[LONG, 10]) == 0
    rig.quote(41900, seconds=31)
    assert number(counts(rig).markout[LONG, 60]) == 1
    assert counts(rig).markout[LONG, 60].total == pytest.approx((42000 - 41895) / 41895 * 1e4)


def test_a_short_fill_gains_where_the_price_falls(make: Callable[..., Rig]) -> None:
    rig = counting(make)
    rig.quote(42000)
    rig.quote(42105)
    rig.quote(42000, seconds=0.9)
    rig.quote(42000, seconds=0.9)
    assert counts(rig).markout[SHORT, 1].total == pytest.approx(105 / 42105 * 1e4)


def test_counting_that_fails_is_logged_unknown_and_never_in_the_way(
    make: Callable[..., Rig], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    rig = counting(make)
    rig.quote(42000)

    def broken(*_: Any) -> None:
        raise RuntimeError("miscounted")

    monkeypatch.setattr(Telemetry, "on_booked", broken)
    with caplog.at_level(logging.ERROR):
        rig.quote(41895)
    assert rig.resting(LONG, opening=False) == {D(42105): D("0.010")}
    assert rig.strategy.counts() is None
    assert "counting failed" in caplog.text
    rig.check()
