"""The verdict on samples: confirmations, what trips at once, what is unknown, the peak (ladder.md, Risk)."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from naut_hedgegrid.risk.baselines import DAY, Baselines
from naut_hedgegrid.risk.formulas import LARGEST_RATIO, NO_LIQUIDATION
from naut_hedgegrid.risk.limits import Limits, Rule
from naut_hedgegrid.risk.monitor import Breach, RiskJudge, Sample, Verdict

D = Decimal
NOW = 19_000 * DAY
SECOND = 1_000_000_000
NAN = D("NaN")
ALL = Limits(D(20), D(100), D(50), D(5000), D("0.8"), D(20), D(5))
FINE = Sample(D(1000), D(0), D(0), D(1000), D("0.1"), D(1), D(50), True)

WORSE: dict[Rule, Sample] = {
    Rule.DRAWDOWN: FINE._replace(equity=D(800)),
    Rule.LOSS: FINE._replace(net_pnl=D(-100)),
    Rule.DAILY_LOSS: FINE._replace(net_pnl=D(-50)),
    Rule.POSITION: FINE._replace(position=D(5000)),
    Rule.MARGIN_RATIO: FINE._replace(margin_ratio=D("0.8")),
    Rule.FUNDING_COST: FINE._replace(funding_bps=D(20)),
    Rule.LIQUIDATION_DISTANCE: FINE._replace(liquidation_distance=D(5)),
}
"""Each exactly at its limit."""
FIELDS: dict[Rule, str] = {
    Rule.DRAWDOWN: "equity",
    Rule.LOSS: "net_pnl",
    Rule.DAILY_LOSS: "net_pnl",
    Rule.POSITION: "position",
    Rule.MARGIN_RATIO: "margin_ratio",
    Rule.FUNDING_COST: "funding_bps",
    Rule.LIQUIDATION_DISTANCE: "liquidation_distance",
}


def only(*rules: Rule, **more: Any) -> Limits:
    """Limits of some rules, those of `ALL`."""
    names = dict(zip(Rule, Limits.__slots__, strict=False))
    return Limits(**{names[rule]: ALL.by_rule()[rule] for rule in rules}, **more)


def fed(judge: RiskJudge, *samples: Sample) -> Verdict:
    """The last verdict."""
    return [judge.sample(sample, NOW) for sample in samples][-1]


def settled(limits: Limits = ALL) -> RiskJudge:
    judge = RiskJudge(limits, Baselines())
    assert fed(judge, *[FINE] * limits.confirmations) == Verdict((), (), settled=True)
    return judge


def rules(verdict: Verdict) -> set[Rule]:
    return {breach.rule for breach in verdict.tripped}


@pytest.mark.parametrize("rule", Rule)
def test_f22_a_limit_trips_when_three_samples_in_a_row_have_reached_it(rule: Rule) -> None:
    judge = settled(only(rule))
    assert fed(judge, WORSE[rule], WORSE[rule]).tripped == ()
    limit = ALL.by_rule()[rule]
    assert limit is not None
    assert fed(judge, WORSE[rule]).tripped == (Breach(rule, limit, limit),)
    assert rules(fed(judge, WORSE[rule])) == {rule}, "as long as it is reached"
    assert fed(judge, FINE).tripped == ()


@pytest.mark.parametrize("rule", Rule)
def test_f22_a_good_sample_in_between_starts_the_count_anew(rule: Rule) -> None:
    judge = settled(only(rule))
    bad = WORSE[rule]
    assert fed(judge, bad, bad, FINE, bad, bad).tripped == ()
    assert rules(fed(judge, bad)) == {rule}


@pytest.mark.parametrize("rule", Rule)
@pytest.mark.parametrize("missing", [None, NAN])
def test_f21_an_unknown_sample_neither_confirms_nor_starts_anew(rule: Rule, missing: Decimal | None) -> None:
    judge = settled(only(rule))
    bad = WORSE[rule]
    unknown = bad._replace(**{FIELDS[rule]: missing})
    verdict = fed(judge, bad, bad, unknown)
    assert verdict.tripped == ()
    assert verdict.unknown == (rule,)
    assert rules(fed(judge, bad)) == {rule}


def test_f21_unknown_for_ever_stops_entries_and_flattens_nothing() -> None:
    judge = settled()
    nothing = Sample(None, None, None, None, None, None, None, None)
    verdicts = [judge.sample(nothing, NOW) for _ in range(50)]
    assert {verdict.tripped for verdict in verdicts} == {()}
    assert {verdict.unknown for verdict in verdicts} == {tuple(Rule)}


def test_f21_without_the_transfers_a_fall_of_the_equity_may_be_a_withdrawal() -> None:
    judge = settled()
    verdict = fed(judge, *[FINE._replace(equity=D(500), transfers=None)] * 5)
    assert verdict == Verdict((), (Rule.DRAWDOWN,), settled=True)


@pytest.mark.parametrize("rule", Rule)
def test_a_rule_without_a_limit_neither_trips_nor_has_to_be_known(rule: Rule) -> None:
    others = only(*(other for other in Rule if other not in {rule, Rule.LOSS, Rule.DAILY_LOSS}))
    judge = settled(others)
    bad = WORSE[rule]._replace(**{FIELDS[rule]: D(0) if rule is Rule.LIQUIDATION_DISTANCE else D(-9999)})
    if rule in {Rule.LOSS, Rule.DAILY_LOSS}:
        assert fed(judge, *[bad] * 5) == Verdict((), (), settled=True)
    else:
        assert rule not in rules(fed(judge, *[bad] * 5))
    if rule is not Rule.DRAWDOWN:
        assert fed(judge, FINE._replace(**{FIELDS[rule]: None})).unknown == ()


def test_without_limits_nothing_trips() -> None:
    judge = settled(Limits())
    ruin = Sample(D(-5), D(0), D(-9999), D(10**9), LARGEST_RATIO, D(10**6), D(0), True)
    assert fed(judge, *[ruin] * 10) == Verdict((), (), settled=True)


def test_a_margin_ratio_of_095_trips_at_once() -> None:
    verdict = fed(settled(), FINE._replace(margin_ratio=D("0.95")))
    assert verdict.tripped == (Breach(Rule.MARGIN_RATIO, D("0.95"), D("0.8")),)


def test_below_095_it_has_to_be_confirmed() -> None:
    assert fed(settled(), *[FINE._replace(margin_ratio=D("0.9499"))] * 2).tripped == ()


@pytest.mark.parametrize("ratio", [None, NAN, D("0.1")])
@pytest.mark.parametrize("equity", [D(0), D(-1)])
def test_no_margin_balance_with_a_position_trips_at_once(ratio: Decimal | None, equity: Decimal) -> None:
    verdict = fed(settled(), FINE._replace(equity=equity, margin_ratio=ratio))
    assert Breach(Rule.MARGIN_RATIO, LARGEST_RATIO, D("0.8")) in verdict.tripped


@pytest.mark.parametrize("has_position", [False, None])
def test_no_margin_balance_without_a_position_does_not(has_position: bool | None) -> None:
    judge = settled(only(Rule.MARGIN_RATIO))
    assert fed(judge, FINE._replace(equity=D(0), margin_ratio=D(0), has_position=has_position)).tripped == ()


def test_a_broke_account_with_a_position_never_looks_fine() -> None:
    judge = RiskJudge(ALL, Baselines(D(-100), D(0), D(0), 19_000, D(0)))
    for equity in (-50, -50, -50, -30, -20, -10, 0):
        verdict = judge.sample(FINE._replace(equity=D(equity)), NOW)
        assert rules(verdict) == {Rule.MARGIN_RATIO}
        assert verdict.unknown == (Rule.DRAWDOWN,), "there is no peak to fall from"


def test_f21_an_account_that_was_emptied_has_no_peak_to_fall_from() -> None:
    judge = settled()
    emptied = FINE._replace(equity=D(-5), transfers=D(-1005), margin_ratio=D(0), has_position=False)
    for equity in (-5, -4, -3, 0):
        verdict = fed(judge, emptied._replace(equity=D(equity)))
        assert (verdict.tripped, verdict.unknown) == ((), (Rule.DRAWDOWN,))


def test_what_trips_at_once_does_so_before_the_start_has_settled() -> None:
    verdict = RiskJudge(ALL, Baselines()).sample(FINE._replace(margin_ratio=D(2)), NOW)
    assert rules(verdict) == {Rule.MARGIN_RATIO}
    assert not verdict.settled


@pytest.mark.parametrize("confirmations", [1, 3, 10])
def test_f23_a_start_is_settled_after_so_many_verdicts(confirmations: int) -> None:
    judge = RiskJudge(replace(ALL, confirmations=confirmations), Baselines())
    unknown = FINE._replace(net_pnl=None)
    seen = [judge.sample(sample, NOW).settled for sample in [unknown, FINE] * confirmations]
    assert seen == [False] * (2 * confirmations - 1) + [True]


def test_f23_a_drawdown_while_the_pod_was_down_trips_when_the_start_has_settled() -> None:
    stored = Baselines.from_plain(settled().baselines.plain())
    judge = RiskJudge(ALL, stored)
    low = FINE._replace(equity=D(700))
    verdicts = [judge.sample(low, NOW) for _ in range(3)]
    assert [(rules(verdict), verdict.settled) for verdict in verdicts] == [
        (set(), False),
        (set(), False),
        ({Rule.DRAWDOWN}, True),
    ]


def test_f44_a_price_5_percent_away_for_one_tick_trips_nothing() -> None:
    """Gross notional 5 × the equity: 5 % of the price are 25 % of the equity, down or up."""
    judge = settled()
    crash = FINE._replace(equity=D(750), net_pnl=D(-250), margin_ratio=D("0.9"), liquidation_distance=D(1))
    spike = FINE._replace(equity=D(1250), net_pnl=D(250))
    assert [fed(judge, bad, *[FINE] * 5).tripped for bad in (crash, spike, crash)] == [()] * 3
    assert judge.baselines.peak == 1000, "one print too high is no peak"


def test_the_peak_rises_to_what_three_samples_in_a_row_have_exceeded() -> None:
    judge = settled()
    fed(judge, FINE._replace(equity=D(1100)), FINE._replace(equity=D(1080)))
    assert judge.baselines.peak == 1000
    fed(judge, FINE._replace(equity=D(1090)))
    assert judge.baselines.peak == 1080
    fed(judge, FINE._replace(equity=D(1200)))
    assert judge.baselines.peak == 1090 - 10, "1090 has not been exceeded three times since"
    fed(judge, FINE._replace(equity=D(1200)))
    assert judge.baselines.peak == 1090
    assert rules(fed(judge, *[FINE._replace(equity=D(872))] * 3)) == {Rule.DRAWDOWN}


def test_the_peak_s_rise_starts_anew_after_a_sample_below_it() -> None:
    judge = settled()
    high = FINE._replace(equity=D(1100))
    fed(judge, high, high, FINE, high, high)
    assert judge.baselines.peak == 1000
    fed(judge, high)
    assert judge.baselines.peak == 1100


def test_with_one_confirmation_every_sample_counts() -> None:
    judge = settled(replace(ALL, confirmations=1))
    fed(judge, FINE._replace(equity=D(1100)))
    assert judge.baselines.peak == 1100
    assert rules(fed(judge, FINE._replace(equity=D(880)))) == {Rule.DRAWDOWN}


def test_f37_a_withdrawal_near_the_limit_trips_nothing() -> None:
    judge = settled()
    low = FINE._replace(equity=D(810))
    withdrawn = FINE._replace(equity=D(310), transfers=D(-500))
    assert fed(judge, low, *[withdrawn] * 5) == Verdict((), (), settled=True)
    assert rules(fed(judge, *[withdrawn._replace(equity=D(305))] * 3)) == {Rule.DRAWDOWN}


def test_f37_a_deposit_hides_no_drawdown() -> None:
    judge = settled()
    deposited = FINE._replace(equity=D(9800), transfers=D(9000))
    assert rules(fed(judge, *[deposited] * 3)) == {Rule.DRAWDOWN}, "800 of 1000, then 9800 of 12250"


def test_f14_receiving_funding_never_trips_and_an_unknown_rate_flattens_nothing() -> None:
    judge = settled(only(Rule.FUNDING_COST))
    assert fed(judge, *[FINE._replace(funding_bps=D(0))] * 5) == Verdict((), (), settled=True)
    assert fed(judge, *[FINE._replace(funding_bps=None)] * 5) == Verdict((), (Rule.FUNDING_COST,), settled=True)


def test_no_liquidation_price_is_far_away() -> None:
    judge = settled()
    assert fed(judge, *[FINE._replace(liquidation_distance=NO_LIQUIDATION)] * 5) == Verdict((), (), settled=True)
    assert judge.readings()[Rule.LIQUIDATION_DISTANCE].nearness == 0


def test_the_day_s_loss_is_forgotten_at_midnight_and_the_grid_s_is_not() -> None:
    judge = settled(only(Rule.LOSS, Rule.DAILY_LOSS))
    lost = FINE._replace(net_pnl=D(-49))
    assert fed(judge, *[lost] * 5).tripped == ()
    more = FINE._replace(net_pnl=D(-98))
    assert [judge.sample(more, NOW + DAY) for _ in range(5)][-1].tripped == ()
    most = FINE._replace(net_pnl=D(-100))
    assert rules([judge.sample(most, NOW + DAY) for _ in range(3)][-1]) == {Rule.LOSS}


def test_the_day_s_loss_counts_from_its_first_value() -> None:
    judge = settled(only(Rule.DAILY_LOSS))
    assert fed(judge, FINE._replace(net_pnl=D(-40))).tripped == ()
    up = FINE._replace(net_pnl=D(500))
    judge.sample(up, NOW + DAY)
    fallen = FINE._replace(net_pnl=D(450))
    verdict = [judge.sample(fallen, NOW + DAY + k * SECOND) for k in range(3)][-1]
    assert verdict.tripped == (Breach(Rule.DAILY_LOSS, D(50), D(50)),)


def test_a_release_counts_losses_from_the_present() -> None:
    judge = settled()
    low = FINE._replace(equity=D(700), net_pnl=D(-300))
    assert rules(fed(judge, *[low] * 3)) == {Rule.DRAWDOWN, Rule.LOSS, Rule.DAILY_LOSS}
    judge.restart(NOW)
    assert judge.baselines == Baselines(D(700), D(0), D(-300), 19_000, D(-300))
    assert fed(judge, *[low] * 10) == Verdict((), (), settled=True)
    lower = low._replace(equity=D(560), net_pnl=D(-350))
    assert rules(fed(judge, *[lower] * 3)) == {Rule.DRAWDOWN, Rule.DAILY_LOSS}


def test_a_release_before_the_first_sample_waits_for_it() -> None:
    judge = RiskJudge(ALL, Baselines(D(1000), D(0), D(0), 19_000, D(0)))
    judge.restart(NOW)
    fed(judge, *[FINE._replace(equity=D(700), net_pnl=D(-300))] * 5)
    assert judge.baselines == Baselines(D(700), D(0), D(-300), 19_000, D(-300))


def test_a_release_does_not_help_where_the_position_is_too_large() -> None:
    judge = settled()
    assert rules(fed(judge, *[WORSE[Rule.POSITION]] * 3)) == {Rule.POSITION}
    judge.restart(NOW)
    assert fed(judge, WORSE[Rule.POSITION]).tripped == ()
    assert rules(fed(judge, *[WORSE[Rule.POSITION]] * 2)) == {Rule.POSITION}


def test_limits_that_come_while_it_runs_hold_from_the_next_sample() -> None:
    judge = settled()
    near = FINE._replace(equity=D(900))
    assert fed(judge, *[near] * 3).tripped == ()
    judge.set_limits(replace(ALL, max_drawdown_percent=D(10)))
    assert rules(fed(judge, *[near] * 3)) == {Rule.DRAWDOWN}
    judge.set_limits(replace(ALL, max_drawdown_percent=D(50)))
    assert fed(judge, near).tripped == ()
    judge.set_limits(replace(ALL, max_drawdown_percent=None))
    assert fed(judge, *[FINE._replace(equity=D(1))] * 3).tripped == ()


def test_fewer_confirmations_hold_at_once() -> None:
    judge = settled()
    bad = WORSE[Rule.POSITION]
    fed(judge, bad)
    judge.set_limits(replace(ALL, confirmations=2))
    assert rules(fed(judge, bad)) == {Rule.POSITION}


def test_readings_tell_each_figure_and_how_near_it_is() -> None:
    judge = settled(replace(ALL, max_loss_quote=None))
    judge.sample(Sample(D(900), D(0), D(-20), D(2500), None, D(5), D(20), True), NOW)
    readings = judge.readings()
    assert readings[Rule.DRAWDOWN] == (10, 20, D("0.5"))
    assert readings[Rule.LOSS] == (20, None, None)
    assert readings[Rule.DAILY_LOSS] == (20, 50, D("0.4"))
    assert readings[Rule.POSITION] == (2500, 5000, D("0.5"))
    assert readings[Rule.MARGIN_RATIO] == (None, D("0.8"), None)
    assert readings[Rule.FUNDING_COST] == (5, 20, D("0.25"))
    assert readings[Rule.LIQUIDATION_DISTANCE] == (20, 5, D("0.25"))


def test_readings_before_the_first_sample_are_unknown() -> None:
    assert {reading.observed for reading in RiskJudge(ALL, Baselines()).readings().values()} == {None}


def test_a_profit_is_not_near_and_a_liquidation_price_that_is_reached_is_nearest() -> None:
    judge = settled()
    judge.sample(FINE._replace(net_pnl=D(70), liquidation_distance=D(0)), NOW)
    assert judge.readings()[Rule.LOSS].nearness == 0
    assert judge.readings()[Rule.LIQUIDATION_DISTANCE].nearness == LARGEST_RATIO


# -- properties


def figure(low: str, high: str) -> st.SearchStrategy[Decimal | None]:
    return st.none() | st.just(NAN) | st.decimals(low, high, places=2)


samples = st.builds(
    Sample,
    equity=figure("-500", "2000"),
    transfers=st.none() | st.sampled_from([D(0), D(0), D(500), D(-400)]),
    net_pnl=figure("-300", "300"),
    position=figure("0", "9000"),
    margin_ratio=figure("0", "2"),
    funding_bps=figure("0", "40"),
    liquidation_distance=figure("0", "100"),
    has_position=st.sampled_from([True, False, None]),
)


@settings(deadline=None)
@given(st.lists(samples, max_size=40), st.integers(1, 4))
def test_f21_f22_only_a_known_and_reached_figure_trips_and_only_when_confirmed(
    course: list[Sample], confirmations: int
) -> None:
    judge = RiskJudge(replace(ALL, confirmations=confirmations), Baselines())
    in_a_row = dict.fromkeys(Rule, 0)
    for sample in course:
        verdict = judge.sample(sample, NOW)
        readings = judge.readings()
        for rule in Rule:
            observed, _, nearness = readings[rule]
            if observed is None:
                assert rule in verdict.unknown
                assert rule not in rules(verdict)
                continue
            assert nearness is not None
            in_a_row[rule] = in_a_row[rule] + 1 if nearness >= 1 else 0
            at_once = rule is Rule.MARGIN_RATIO and observed >= D("0.95")
            assert (rule in rules(verdict)) == (in_a_row[rule] >= confirmations or at_once)


@settings(deadline=None)
@given(st.lists(samples, min_size=1, max_size=20), st.data())
def test_a_worse_course_trips_at_least_as_much(course: list[Sample], data: st.DataObject) -> None:
    """Monotone. The peak is given, since a lower equity on the way leaves a lower peak."""
    extra = data.draw(st.lists(st.integers(0, 50), min_size=len(course), max_size=len(course)))
    base = Baselines(D(2000), D(0), D(300), 19_000, D(300))
    better, worse = RiskJudge(ALL, base), RiskJudge(ALL, base)
    for sample, more in zip(course, extra, strict=True):
        same = sample._replace(transfers=D(0))
        first = better.sample(same, NOW)
        second = worse.sample(worsened(same, more), NOW)
        assert rules(first) <= rules(second)
        assert set(second.unknown) <= set(first.unknown)


def worsened(sample: Sample, more: int) -> Sample:
    signs = (-1, 0, -1, 1, 1, 1, -1)
    moved = [
        figure if figure is None or figure.is_nan() else figure + sign * more
        for figure, sign in zip(sample[:7], signs, strict=True)
    ]
    return Sample(*moved, sample.has_position)


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(1, 2000), st.integers(-900, 900)), max_size=30))
def test_f37_transfers_on_the_way_change_no_drawdown_verdict(course: list[tuple[int, int]]) -> None:
    """The account that gets deposits and withdrawals is the same account, in another size."""
    plain, moved = (RiskJudge(only(Rule.DRAWDOWN), Baselines(D(2000), D(0), D(0), 19_000, D(0))) for _ in range(2))
    size, transfers = D(1), D(0)
    for equity, transfer in course:
        first = plain.sample(FINE._replace(equity=D(equity)), NOW)
        after = equity * size + transfer
        if after > 1:
            transfers += transfer
            size = after / equity
        second = moved.sample(FINE._replace(equity=equity * size, transfers=transfers), NOW)
        one, other = plain.readings()[Rule.DRAWDOWN].observed, moved.readings()[Rule.DRAWDOWN].observed
        assert one is not None
        assert other is not None
        assert abs(one - other) < D("1e-9")
        if abs(one - 20) > D("1e-9"):
            assert rules(first) == rules(second)
