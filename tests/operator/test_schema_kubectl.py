"""The contract through kubectl: what a user types and reads."""

import json
from collections.abc import Iterator

import pytest

from tests.kube import KubectlFailed
from tests.operator.schema_api import Grids, grids_of_own_namespace
from tests.operator.schema_cases import grid_object


@pytest.fixture(scope="module")
def grids(cluster) -> Iterator[Grids]:
    """A namespace with one shortest grid, `btc`."""
    with grids_of_own_namespace(cluster) as grids:
        grids.create(grid_object(), dry=False)
        yield grids


def test_misspelt_field_is_refused_by_apply(cluster, grids: Grids) -> None:
    misspelt = json.dumps(grid_object({"grid.stepBp": 25, "killswitch": "flattenBoth"}, "eth"))
    with pytest.raises(KubectlFailed) as failure:
        cluster.kubectl("apply", "-n", grids.namespace, "-f", "-", stdin=misspelt)
    assert 'unknown field "spec.grid.stepBp"' in failure.value.stderr
    assert 'unknown field "spec.killswitch"' in failure.value.stderr


def test_misspelt_field_in_a_patch_changes_nothing(cluster, grids: Grids) -> None:
    """kubectl doesn't validate patches strictly: its answer has to show it."""
    misspelt = '{"spec":{"killswitch":"flattenBoth"}}'
    answer = cluster.kubectl("patch", "hg", "btc", "-n", grids.namespace, "--type=merge", "-p", misspelt)
    assert "(no change)" in answer


def test_message_of_a_refused_patch(cluster, grids: Grids) -> None:
    with pytest.raises(KubectlFailed) as failure:
        cluster.kubectl("patch", "hg", "btc", "-n", grids.namespace, "--type=merge", "-p", '{"spec":{"throttle":1.5}}')
    assert failure.value.stderr.strip() == (
        'The HedgeGrid "btc" is invalid: spec.throttle: Invalid value: 1.5: '
        "spec.throttle in body should be less than or equal to 1"
    )


def test_absent_fields_get_their_defaults(grids: Grids) -> None:
    spec = grids.get("btc")["spec"]
    assert spec["grid"]["qtyScale"] == 1
    assert spec["grid"]["recenterTriggerBps"] == 200
    assert spec["exits"] == {"takeProfitSteps": 2, "stopLossSteps": 0}
    assert spec["regime"] == {
        "enabled": True,
        "emaFast": 10,
        "emaSlow": 30,
        "adxLength": 14,
        "adxThreshold": 20,
        "hysteresisBps": 10,
    }
    assert spec["placement"] == {"policy": "throttledCounter", "counterLevels": 4, "counterQtyScale": 0.5}
    assert spec["funding"] == {"maxCostBps": 12, "windowMinutes": 480}
    assert spec["execution"] == {"barSeconds": 60, "postOnlyRetries": 3, "staleDataSeconds": 120}
    assert (spec["leverage"], spec["marginType"]) == (5, "CROSSED")
    assert spec["risk"] == {
        "maxDrawdownPercent": 20,
        "maxMarginRatio": 0.8,
        "maxFundingCostBps": 20,
        "minLiquidationDistancePercent": 5,
        "confirmations": 3,
        "action": "flattenBoth",
    }
    assert spec["storage"] == {"size": "1Gi", "ephemeral": False}
    assert (spec["throttle"], spec["killSwitch"], spec["rearm"]) == (1, "none", 0)


def test_presence_of_sim_and_deletion_is_the_users_word(grids: Grids) -> None:
    assert not {"sim", "deletion"} & grids.get("btc")["spec"].keys()
    written = grids.create(grid_object({"sim": {}, "deletion": {}}, "eth"), dry=True)["spec"]
    assert written["deletion"] == {"timeoutSeconds": 300, "onTimeout": "Block"}
    assert written["sim"]["market"] == "synthetic"
    assert written["sim"]["startPrice"] == "50000"
    assert written["sim"]["filters"]["tickSize"] == "0.1"
    assert written["sim"]["fees"] == {"maker": "0.0002", "taker": "0.0005"}
    assert "replay" not in written["sim"]


def test_status_is_not_changed_through_the_object(grids: Grids) -> None:
    grids.patch_status("btc", {"phase": "Running"})
    patched = grids.patch("btc", {"status": {"phase": "Flat"}, "spec": {"throttle": 0.5}}, dry=False)
    assert patched["status"]["phase"] == "Running"
    assert patched["spec"]["throttle"] == 0.5
    assert grids.create({**grid_object(name="eth"), "status": {"phase": "Flat"}}, dry=True).get("status") is None


def test_spec_is_not_changed_through_the_status(cluster, grids: Grids) -> None:
    generation = grids.get("btc")["metadata"]["generation"]
    both = json.dumps({"spec": {"killSwitch": "flattenBoth"}, "status": {"phase": "Halted"}})
    cluster.kubectl("patch", "hg", "btc", "-n", grids.namespace, "--subresource=status", "--type=merge", "-p", both)
    after = grids.get("btc")
    assert after["status"]["phase"] == "Halted"
    assert after["spec"]["killSwitch"] == "none"
    assert after["metadata"]["generation"] == generation


def test_status_of_a_newer_operator_is_stored(grids: Grids) -> None:
    """A value and a length that this definition doesn't know must not cost the rest of the status."""
    pnl = "-0." + "1" * 60
    grids.patch_status("btc", {"phase": "Hibernating", "telemetry": {"pnl": {"total": pnl}}})
    status = grids.get("btc")["status"]
    assert (status["phase"], status["telemetry"]["pnl"]["total"]) == ("Hibernating", pnl)


def test_conditions_are_keyed_by_type(cluster, grids: Grids) -> None:
    """Two writers that apply different conditions don't take each other's away."""
    for condition in ("Ready", "Accepted"):
        applied = {
            **{key: value for key, value in grid_object().items() if key != "spec"},
            "status": {
                "conditions": [
                    {
                        "type": condition,
                        "status": "True",
                        "reason": "Test",
                        "lastTransitionTime": "2026-01-01T00:00:00Z",
                    }
                ]
            },
        }
        cluster.kubectl(
            "apply", "-n", grids.namespace, "--server-side", f"--field-manager={condition}", "--subresource=status",
            "-f", "-", stdin=json.dumps(applied),
        )  # fmt: skip
    assert {condition["type"] for condition in grids.get("btc")["status"]["conditions"]} == {"Ready", "Accepted"}


def test_columns(cluster, grids: Grids) -> None:
    grids.patch_status(
        "btc",
        {
            "phase": "Running",
            "conditions": [
                {"type": "Ready", "status": "True", "reason": "Trading", "lastTransitionTime": "2026-01-01T00:00:00Z"}
            ],
            "control": {
                "throttle": {"effective": 0.5},
                "killSwitch": {"state": "Released"},
            },
            "telemetry": {"netQuote": "-84.25", "pnl": {"total": "12.5"}},
        },
    )
    head, row = (line.split() for line in cluster.kubectl("get", "hg", "-n", grids.namespace).splitlines())
    assert " ".join(head) == "NAME INSTRUMENT MODE PHASE READY KILL STATE THROTTLE NET PNL AGE"
    assert " ".join(row[:-1]) == "btc BTCUSDT-PERP.BINANCE sim Running True none Released 0.5 -84.25 12.5"
    assert "btc" in cluster.kubectl("get", "hedgegrid", "-n", grids.namespace, "-o", "name")


@pytest.mark.parametrize(
    ("path", "manual"),
    [
        (
            "spec.grid.stepBps",
            "Distance between two rungs, in basis points of the centre price (arithmetic ladder). Range: 1 to 1000.",
        ),
        (
            "spec.grid",
            "in quote currency (USDT). Must be a decimal number greater than 0, written as a string",
        ),
        ("spec.execution", "Range: 5 to 3600. Default: 120."),
        ("status.control.killSwitch", "One of Released, Requested, Delivered, Flattening, Failed, Halted, Dust, Flat."),
    ],
)
def test_explain_reads_like_a_manual(cluster, grids: Grids, path: str, manual: str) -> None:
    assert manual in " ".join(cluster.kubectl("explain", f"hg.{path}").split())
