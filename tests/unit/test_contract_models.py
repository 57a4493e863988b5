"""The models agree with the API server: the same table that tests/operator runs against the real one.

What the models can't know: what the object was before (immutability, rearm) and its name. Where they are stricter: a
whole number written `5.0` and a group written as null, both of which the API server mends.
"""

import math
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from hedgegrid_api.control import LegTelemetry, PnL, Telemetry
from hedgegrid_api.files import CONTROLS, StrategyFile, VenueFile, rendered, rendered_for_pod, settled, strategy_file
from hedgegrid_api.types import plain
from hedgegrid_api.v1alpha1 import Grid, HedgeGridSpec, MarginType
from tests.operator.schema_cases import ACCEPTED, BASE, REFUSED, Accepted, Refused, spec_with

STRATEGY_GROUPS = StrategyFile.model_json_schema()["properties"].keys()


def from_server(spec: dict[str, Any]) -> HedgeGridSpec:
    return HedgeGridSpec.model_validate(spec, by_alias=True, by_name=False)


def group(case: Refused) -> str:
    return next(iter(case.changes)).split(".")[0]


@pytest.mark.parametrize("case", ACCEPTED, ids=lambda case: case.id)
def test_model_accepts_what_the_server_accepts(case: Accepted) -> None:
    from_server(spec_with(case.changes))


@pytest.mark.parametrize("case", REFUSED, ids=lambda case: case.id)
def test_model_refuses_what_the_server_refuses(case: Refused) -> None:
    with pytest.raises(ValidationError):
        from_server(spec_with(case.changes))


@pytest.mark.parametrize("case", [case for case in REFUSED if group(case) in STRATEGY_GROUPS], ids=lambda case: case.id)
def test_strategy_file_refuses_what_the_server_refuses(case: Refused) -> None:
    spec = spec_with(case.changes)
    with pytest.raises(ValidationError):
        StrategyFile.model_validate(
            {key: spec[key] for key in spec.keys() & STRATEGY_GROUPS}, by_name=False, by_alias=True
        )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"grid.recenterTriggerBps": 24.5},
            "recenterTriggerBps must be at least stepBps, or the ladder would move within one step "
            "(recenterTriggerBps is 24.5, stepBps is 25)",
        ),
        (
            {"grid.baseQty": "1e-3"},
            'must be a decimal number greater than 0, written as a string, like "0.002"; not "1e-3"',
        ),
    ],
)
def test_message_is_the_servers(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError) as refusal:
        from_server(spec_with(changes))
    assert [error["msg"] for error in refusal.value.errors()] == [message]


def test_every_broken_rule_is_named_at_its_field() -> None:
    with pytest.raises(ValidationError) as refusal:
        from_server(spec_with({"grid.levelsLong": 100, "grid.stepBps": 500, "execution": {"barSeconds": 100}}))
    assert [error["loc"] for error in refusal.value.errors()] == [
        ("grid", "levelsLong"),
        ("grid", "levelsLong"),
        ("grid", "recenterTriggerBps"),
        ("execution", "staleDataSeconds"),
    ]


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_numbers_are_finite(value: float) -> None:
    with pytest.raises(ValidationError):
        from_server(spec_with({"throttle": value}))


def test_code_may_use_python_names_and_decimals() -> None:
    grid = Grid(
        step_bps=25, levels_long=1, levels_short=1, base_qty=Decimal("1E-3"), max_inventory_quote=Decimal("1E+3")
    )
    assert grid.model_dump(mode="json", by_alias=True)["baseQty"] == "0.001"
    assert grid.model_dump(mode="json", by_alias=True)["maxInventoryQuote"] == "1000"


@given(st.decimals(allow_nan=False, allow_infinity=False, min_value="1e-20", max_value="1e20", places=8))
def test_a_decimal_of_the_spec_survives_the_way_to_the_pod(quantity: Decimal) -> None:
    spec = from_server(spec_with({"grid.baseQty": plain(quantity)}))
    assert StrategyFile.model_validate(rendered(strategy_file(spec))).grid.base_qty == quantity


@pytest.mark.parametrize("case", ACCEPTED, ids=lambda case: case.id)
def test_files_of_the_pod_say_what_the_spec_says(case: Accepted) -> None:
    spec = from_server(spec_with(case.changes))
    strategy_text, venue_text = rendered_for_pod(spec)
    strategy = StrategyFile.model_validate(strategy_text, by_alias=True, by_name=False)
    venue = VenueFile.model_validate(venue_text, by_alias=True, by_name=False)
    for name in type(strategy).model_fields.keys() - CONTROLS:
        assert getattr(strategy, name) == getattr(spec, name)
    assert (venue.instrument, venue.mode) == (spec.instrument, spec.mode)
    assert (venue.leverage, venue.margin_type) == (spec.leverage, spec.margin_type)
    if spec.sim is not None:
        for name in type(venue.sim).model_fields:
            assert getattr(venue.sim, name) == getattr(spec.sim, name)
        for name in ("starting_balance", "funding_rate", "funding_interval_hours", "filters", "fees"):
            assert getattr(venue, name) == getattr(spec.sim, name)


def test_controls_are_not_in_the_files_of_the_pod() -> None:
    """Changing them must not change the ConfigMap, or the pod would have to restart."""
    calm = from_server(BASE)
    changes = {"throttle": 0.5, "killSwitch": "flattenBoth", "rearm": 3, "risk": {"maxDrawdownPercent": 5}}
    engaged = from_server(spec_with(changes))
    assert rendered_for_pod(calm) == rendered_for_pod(engaged)
    strategy, _ = rendered_for_pod(engaged)
    assert not {"throttle", "killSwitch", "rearm", "risk"} & strategy.keys()


def test_leverage_and_margin_type_are_the_strategy_files_where_it_writes_them() -> None:
    venue = VenueFile(instrument="BTCUSDT-PERP.BINANCE", leverage=20)
    grid = from_server(BASE).grid
    assert settled(StrategyFile(grid=grid), venue) == venue
    found = settled(StrategyFile(grid=grid, leverage=10, margin_type=MarginType.ISOLATED), venue)
    assert (found.leverage, found.margin_type) == (10, MarginType.ISOLATED)
    assert settled(StrategyFile(grid=grid, margin_type=MarginType.ISOLATED), venue).leverage == 20


def test_figures_of_messages_may_be_of_any_length() -> None:
    """A report with an endless quotient must not cost the whole report."""
    third = Decimal(-1) / Decimal(3) / Decimal(10) ** 12
    telemetry = Telemetry(pnl=PnL(total=third), long=LegTelemetry(quantity=Decimal(0)))
    assert Telemetry.model_validate_json(telemetry.model_dump_json(by_alias=True)).pnl.total == third
