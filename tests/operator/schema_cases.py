"""Objects that the contract accepts and refuses, each with what the refusal has to say.

Paths are dotted below `spec`. The API server sees every case (test_schema_table.py), the models see every case that is
about the spec alone (tests/unit/test_contract_models.py).
"""

import copy
from dataclasses import dataclass
from typing import Any

ABSENT = object()
"""Takes a field away."""

BASE: dict[str, Any] = {
    "account": {"name": "main"},
    "instrument": "BTCUSDT-PERP.BINANCE",
    "mode": "sim",
    "grid": {"stepBps": 25, "levelsLong": 5, "levelsShort": 5, "baseQty": "0.002", "maxInventoryQuote": "2500"},
}
"""The shortest spec that is accepted."""


def spec_with(changes: dict[str, Any]) -> dict[str, Any]:
    """BASE with values set at dotted paths; ABSENT removes."""
    spec = copy.deepcopy(BASE)
    for path, value in changes.items():
        *groups, field = path.split(".")
        node = spec
        for group in groups:
            node = node.setdefault(group, {})
        if value is ABSENT:
            del node[field]
        else:
            node[field] = copy.deepcopy(value)
    return spec


def grid_object(changes: dict[str, Any] | None = None, name: str = "btc") -> dict[str, Any]:
    """A HedgeGrid with that spec."""
    return {
        "apiVersion": "hedgegrid.io/v1alpha1",
        "kind": "HedgeGrid",
        "metadata": {"name": name},
        "spec": spec_with(changes or {}),
    }


@dataclass(frozen=True)
class Accepted:
    """An object that is accepted."""

    id: str
    changes: dict[str, Any]


@dataclass(frozen=True)
class Refused:
    """An object that is refused, and pieces of the message that the user gets."""

    id: str
    changes: dict[str, Any]
    says: tuple[str, ...]


@dataclass(frozen=True)
class Patched:
    """A merge patch of an accepted object; `says` is empty where it is accepted."""

    id: str
    changes: dict[str, Any]
    patch: dict[str, Any]
    says: tuple[str, ...] = ()


_REPLAY = {"market": "replay", "replay": {"path": "/data/bars.csv.gz"}}
_POSITIVE = 'must be a decimal number greater than 0, written as a string, like "0.002"; not '
_UNSIGNED = 'must be a decimal number of at least 0, written as a string, like "0.0002"; not '
_SIGNED = 'must be a decimal number, written as a string, like "-0.0001"; not '
_NOT_A_STRING = "in body must be of type string"

ACCEPTED = (
    Accepted("shortest", {}),
    Accepted("sim-empty", {"sim": {}}),
    Accepted("step-least", {"grid.stepBps": 1}),
    Accepted("step-most", {"grid.stepBps": 1000, "grid.recenterTriggerBps": 1000}),
    Accepted("step-fraction", {"grid.stepBps": 12.5}),
    Accepted("long-only", {"grid.levelsShort": 0}),
    Accepted("short-only", {"grid.levelsLong": 0}),
    Accepted("hundred-levels", {"grid.levelsLong": 50, "grid.levelsShort": 50}),
    Accepted("lowest-rung-just-above-zero", {"grid.levelsLong": 99, "grid.levelsShort": 0, "grid.stepBps": 100}),
    Accepted("scale-least", {"grid.qtyScale": 0.1}),
    Accepted("scale-most", {"grid.qtyScale": 3}),
    Accepted("recenter-equals-step", {"grid.recenterTriggerBps": 25}),
    Accepted("recenter-most", {"grid.recenterTriggerBps": 10000}),
    Accepted("quantity-whole", {"grid.baseQty": "3"}),
    Accepted("quantity-tiny", {"grid.baseQty": "0.00000000000000000000000000001"}),
    Accepted("take-profit-least", {"exits.takeProfitSteps": 1}),
    Accepted("take-profit-most", {"exits.takeProfitSteps": 100}),
    Accepted("take-profit-just-above-zero", {"exits.takeProfitSteps": 99, "grid.stepBps": 100}),
    Accepted("stop-only", {"exits": {"takeProfitSteps": 0, "stopLossSteps": 1}}),
    Accepted("stop-most", {"exits.stopLossSteps": 100}),
    Accepted("stops-of-eighty-levels", {"exits.stopLossSteps": 1, "grid.levelsLong": 40, "grid.levelsShort": 40}),
    Accepted("lowest-stop-just-above-zero", {"exits.stopLossSteps": 94, "grid.stepBps": 100}),
    Accepted(
        "regime-least",
        {"regime": {"emaFast": 2, "emaSlow": 3, "adxLength": 2, "adxThreshold": 0, "hysteresisBps": 0}},
    ),
    Accepted(
        "regime-most",
        {
            "regime": {
                "enabled": False,
                "emaFast": 500,
                "emaSlow": 1000,
                "adxLength": 200,
                "adxThreshold": 100,
                "hysteresisBps": 1000,
            }
        },
    ),
    Accepted("regime-empty", {"regime": {}, "placement": {}, "funding": {}, "risk": {}}),
    Accepted("symmetric", {"placement": {"policy": "symmetric", "counterLevels": 0, "counterQtyScale": 0}}),
    Accepted("core-and-scalp", {"placement": {"policy": "coreAndScalp", "counterLevels": 100, "counterQtyScale": 1}}),
    Accepted("funding-least", {"funding": {"maxCostBps": 0, "windowMinutes": 1}}),
    Accepted("funding-most", {"funding": {"maxCostBps": 100, "windowMinutes": 1440}}),
    Accepted("retries-none", {"execution.postOnlyRetries": 0}),
    Accepted("retries-most", {"execution.postOnlyRetries": 10}),
    Accepted("leverage-least", {"leverage": 1, "marginType": "CROSSED"}),
    Accepted("leverage-most", {"leverage": 125, "marginType": "ISOLATED"}),
    Accepted(
        "risk-least",
        {
            "risk": {
                "maxDrawdownPercent": 0.1,
                "maxLossQuote": "0.01",
                "dailyLossQuote": "0.01",
                "maxPositionQuote": "0.01",
                "maxMarginRatio": 0.1,
                "maxFundingCostBps": 0.1,
                "minLiquidationDistancePercent": 0.1,
                "confirmations": 1,
                "action": "haltEntries",
            }
        },
    ),
    Accepted(
        "risk-most",
        {
            "risk": {
                "maxDrawdownPercent": 100,
                "maxLossQuote": "1000000",
                "dailyLossQuote": "1000000",
                "maxPositionQuote": "1000000",
                "maxMarginRatio": 0.95,
                "maxFundingCostBps": 100,
                "minLiquidationDistancePercent": 50,
                "confirmations": 10,
                "action": "flattenBoth",
            }
        },
    ),
    Accepted("bar-least", {"execution": {"barSeconds": 1, "staleDataSeconds": 5}}),
    Accepted("bar-most", {"execution": {"barSeconds": 1800, "staleDataSeconds": 3600}}),
    Accepted("throttle-zero", {"throttle": 0}),
    Accepted("throttle-half", {"throttle": 0.5}),
    Accepted("killed-at-creation", {"killSwitch": "flattenBoth", "rearm": 7}),
    Accepted("rearm-most", {"rearm": 2147483647}),
    Accepted("replay", {"sim": _REPLAY}),
    Accepted("replay-fastest", {"sim": {**_REPLAY, "replay": {"path": "bars.csv", "speed": 1000000}}}),
    Accepted(
        "sim-everything",
        {
            "sim": {
                "market": "synthetic",
                "seed": 9007199254740992,
                "startPrice": "0.5",
                "annualVolatility": 10,
                "annualDrift": -10,
                "ticksPerSecond": 0.1,
                "latencyMs": 10000,
                "startingBalance": "1000000",
                "fundingRate": -0.05,
                "fundingIntervalHours": 24,
                "filters": {
                    "tickSize": "1",
                    "stepSize": "0.1",
                    "minQty": "0.1",
                    "maxQty": "50",
                    "marketMaxQty": "0.1",
                    "minNotional": "0",
                    "maxOrders": 20,
                    "maxConditionalOrders": 10000,
                },
                "fees": {"maker": "-0.0001", "taker": "0"},
            }
        },
    ),
    Accepted(
        "image-and-pod",
        {
            "image": {
                "repository": "registry.example.com:5000/hedgegrid/strategy",
                "tag": "v0.1.0",
                "digest": "sha256:" + "0a" * 32,
                "pullPolicy": "Never",
            },
            "imagePullSecrets": [{"name": "registry"}],
            "pod": {
                "resources": {"limits": {"cpu": 1, "memory": "512Mi"}, "requests": {"cpu": "0.25", "memory": "1e8"}},
                "env": [
                    {"name": "TZ", "value": "UTC"},
                    {"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}},
                ],
                "labels": {"team": "desk-1", "example.com/cost-centre": ""},
                "annotations": {"example.com/note": "any text: {}"},
                "volumes": [{"name": "bars", "configMap": {"name": "bars"}}],
                "volumeMounts": [{"name": "bars", "mountPath": "/data", "readOnly": True}],
            },
        },
    ),
    Accepted(
        "pod-placement",
        {
            "pod": {
                "nodeSelector": {"kubernetes.io/arch": "amd64", "disk": ""},
                "tolerations": [
                    {"operator": "Exists"},
                    {"key": "dedicated", "value": "trading", "effect": "NoSchedule"},
                    {"key": "a.example.com/b", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 0},
                ],
                "affinity": {
                    "nodeAffinity": {
                        "requiredDuringSchedulingIgnoredDuringExecution": {
                            "nodeSelectorTerms": [{"matchExpressions": [{"key": "zone", "operator": "Exists"}]}]
                        }
                    },
                    "podAffinity": {},
                    "podAntiAffinity": {"anything": ["goes", {"here": 1}]},
                },
                "priorityClassName": "trading.high",
            }
        },
    ),
    Accepted("update-empty", {"update": {}}),
    Accepted("update-most", {"update": {"strategy": "Manual", "maxWaitSeconds": 2592000}}),
    Accepted("update-immediate", {"update": {"strategy": "Immediate", "maxWaitSeconds": 0}}),
    Accepted("storage", {"storage": {"size": "500M", "storageClassName": "fast"}}),
    Accepted("storage-ephemeral", {"storage": {"ephemeral": True}}),
    Accepted("monitoring-empty", {"monitoring": {}}),
    Accepted("monitoring-empty-groups", {"monitoring": {"serviceMonitor": {}, "prometheusRule": {}}}),
    Accepted(
        "monitoring",
        {
            "monitoring": {
                "serviceMonitor": {"enabled": True, "labels": {"release": "prometheus"}, "intervalSeconds": 15},
                "prometheusRule": {"enabled": True, "labels": {"role": "alert-rules"}},
            }
        },
    ),
    Accepted("escalation-empty", {"escalation": {}}),
    Accepted("escalation", {"escalation": {"afterSeconds": 5, "action": "RestartPod"}}),
    Accepted("escalation-none", {"escalation": {"afterSeconds": 3600, "action": "None"}}),
    Accepted("deletion-empty", {"deletion": {}}),
    Accepted("deletion", {"deletion": {"policy": "Flatten", "timeoutSeconds": 0, "onTimeout": "Orphan"}}),
    Accepted("deletion-that-keeps-positions", {"deletion": {"policy": "CancelOrders"}}),
    Accepted("deletion-that-keeps-everything", {"deletion": {"policy": "Orphan", "timeoutSeconds": 3600}}),
)


def _out_of(path: str, least: float, most: float, below: float, above: float) -> tuple[Refused, Refused]:
    """Both ends of a range: the message names field, value and bound."""
    return (
        Refused(
            f"{path}-below",
            {path: below},
            (f"spec.{path}: Invalid value: {below}", f"should be greater than or equal to {least}"),
        ),
        Refused(
            f"{path}-above",
            {path: above},
            (f"spec.{path}: Invalid value: {above}", f"should be less than or equal to {most}"),
        ),
    )


def _not_decimal(path: str, value: str, meaning: str = _POSITIVE) -> Refused:
    return Refused(f"{path}-{value or 'empty'}", {path: value}, (f"spec.{path}: Invalid value", f'{meaning}"{value}"'))


def _missing(path: str) -> Refused:
    return Refused(f"{path}-missing", {path: ABSENT}, (f"spec.{path}: Required value",))


def _not_among(path: str, value: str, *allowed: str) -> Refused:
    return Refused(
        f"{path}-{value}",
        {path: value},
        (f'spec.{path}: Unsupported value: "{value}"', *(f'"{item}"' for item in allowed)),
    )


_UNKNOWN = "strict decoding error: unknown field "

REFUSED = (
    # What has to be there.
    _missing("account"),
    Refused("account.name-missing", {"account": {}}, ("spec.account.name: Required value",)),
    _missing("instrument"),
    _missing("mode"),
    _missing("grid"),
    _missing("grid.stepBps"),
    _missing("grid.levelsLong"),
    _missing("grid.levelsShort"),
    _missing("grid.baseQty"),
    _missing("grid.maxInventoryQuote"),
    Refused("replay-path-missing", {"sim": {"market": "replay", "replay": {}}}, ("spec.sim.replay.path: Required",)),
    # Texts.
    Refused(
        "account-with-a-blank",
        {"account.name": "my account"},
        ("spec.account.name", "must be a label value", 'not "my account"'),
    ),
    Refused("account-too-long", {"account.name": "a" * 64}, ("spec.account.name: Too long", "63")),
    Refused(
        "instrument-without-venue",
        {"instrument": "BTCUSDT"},
        ("spec.instrument", "like BTCUSDT-PERP.BINANCE", 'not "BTCUSDT"'),
    ),
    Refused(
        "instrument-of-another-venue",
        {"instrument": "BTCUSDT-PERP.BYBIT"},
        ("spec.instrument", "perpetual of Binance", 'not "BTCUSDT-PERP.BYBIT"'),
    ),
    _not_among("mode", "live", "sim"),
    _not_among("killSwitch", "flatten", "none", "haltEntries", "flattenLong", "flattenShort", "flattenBoth"),
    _not_among("sim.market", "random", "synthetic", "replay"),
    _not_among("update.strategy", "OnDelete", "WhenFlat", "Immediate", "Manual"),
    _not_among("deletion.policy", "Keep", "Flatten", "CancelOrders", "Orphan"),
    _not_among("deletion.onTimeout", "Delete", "Block", "Orphan"),
    _not_among("escalation.action", "Delete", "None", "RestartPod"),
    _not_among("placement.policy", "asymmetric", "symmetric", "throttledCounter", "coreAndScalp"),
    _not_among("marginType", "CROSS", "CROSSED", "ISOLATED"),
    _not_among("risk.action", "flattenLong", "haltEntries", "flattenBoth"),
    _not_among("image.pullPolicy", "Sometimes", "Always", "IfNotPresent", "Never"),
    # Ranges, both ends.
    *_out_of("grid.stepBps", 1, 1000, 0.5, 1000.5),
    *_out_of("grid.levelsLong", 0, 100, -1, 101),
    *_out_of("grid.levelsShort", 0, 100, -1, 101),
    *_out_of("grid.qtyScale", 0.1, 3, 0.05, 3.5),
    *_out_of("grid.recenterTriggerBps", 1, 10000, 0.5, 10001),
    *_out_of("exits.takeProfitSteps", 0, 100, -1, 101),
    *_out_of("exits.stopLossSteps", 0, 100, -1, 101),
    *_out_of("regime.emaFast", 2, 500, 1, 501),
    *_out_of("regime.emaSlow", 3, 1000, 2, 1001),
    *_out_of("regime.adxLength", 2, 200, 1, 201),
    *_out_of("regime.adxThreshold", 0, 100, -0.5, 100.5),
    *_out_of("regime.hysteresisBps", 0, 1000, -0.5, 1000.5),
    *_out_of("placement.counterLevels", 0, 100, -1, 101),
    *_out_of("placement.counterQtyScale", 0, 1, -0.1, 1.01),
    *_out_of("funding.maxCostBps", 0, 100, -0.5, 100.5),
    *_out_of("funding.windowMinutes", 1, 1440, 0, 1441),
    *_out_of("leverage", 1, 125, 0, 126),
    *_out_of("risk.maxDrawdownPercent", 0.1, 100, 0.05, 101),
    *_out_of("risk.maxMarginRatio", 0.1, 0.95, 0.05, 0.96),
    *_out_of("risk.maxFundingCostBps", 0.1, 100, 0.05, 101),
    *_out_of("risk.minLiquidationDistancePercent", 0.1, 50, 0.05, 51),
    *_out_of("risk.confirmations", 1, 10, 0, 11),
    *_out_of("execution.barSeconds", 1, 1800, 0, 1801),
    *_out_of("execution.postOnlyRetries", 0, 10, -1, 11),
    *_out_of("execution.staleDataSeconds", 5, 3600, 4, 3601),
    *_out_of("throttle", 0, 1, -0.1, 1.01),
    *_out_of("update.maxWaitSeconds", 0, 2592000, -1, 2592001),
    *_out_of("rearm", 0, 2147483647, -1, 2147483648),
    *_out_of("sim.seed", 0, 9007199254740992, -1, 9007199254740994),
    *_out_of("sim.annualVolatility", 0, 10, -0.1, 10.5),
    *_out_of("sim.annualDrift", -10, 10, -10.5, 10.5),
    *_out_of("sim.ticksPerSecond", 0.1, 1000, 0.05, 1001),
    *_out_of("sim.latencyMs", 0, 10000, -1, 10001),
    *_out_of("sim.fundingRate", -0.05, 0.05, -0.06, 0.06),
    *_out_of("sim.fundingIntervalHours", 1, 24, 0, 25),
    *_out_of("sim.filters.maxOrders", 20, 10000, 19, 10001),
    *_out_of("sim.filters.maxConditionalOrders", 20, 10000, 19, 10001),
    *_out_of("escalation.afterSeconds", 5, 3600, 4, 3601),
    *_out_of("deletion.timeoutSeconds", 0, 3600, -1, 3601),
    # The API server cuts a fractional bound to its whole part where the value is whole.
    Refused("scale-zero", {"grid.qtyScale": 0}, ("spec.grid.qtyScale", "must be 0.1 to 3; not 0")),
    Refused(
        "drawdown-zero", {"risk.maxDrawdownPercent": 0}, ("spec.risk.maxDrawdownPercent", "must be 0.1 to 100; not 0")
    ),
    Refused("margin-ratio-one", {"risk.maxMarginRatio": 1}, ("spec.risk.maxMarginRatio", "must be 0.1 to 0.95; not 1")),
    Refused(
        "funding-cost-zero", {"risk.maxFundingCostBps": 0}, ("spec.risk.maxFundingCostBps", "must be 0.1 to 100; not 0")
    ),
    Refused(
        "liquidation-distance-zero",
        {"risk.minLiquidationDistancePercent": 0},
        ("spec.risk.minLiquidationDistancePercent", "must be 0.1 to 50; not 0"),
    ),
    Refused("no-ticks", {"sim.ticksPerSecond": 0}, ("spec.sim.ticksPerSecond", "must be 0.1 to 1000; not 0")),
    Refused(
        "replay-slower-than-recorded",
        {"sim": {**_REPLAY, "replay": {"path": "a", "speed": 0.5}}},
        ("spec.sim.replay.speed: Invalid value: 0.5", "greater than or equal to 1"),
    ),
    Refused(
        "replay-too-fast",
        {"sim": {**_REPLAY, "replay": {"path": "a", "speed": 1000001}}},
        ("spec.sim.replay.speed: Invalid value: 1000001", "less than or equal to 1000000", "1"),
    ),
    Refused(
        "replay-path-empty",
        {"sim": {**_REPLAY, "replay": {"path": ""}}},
        ("spec.sim.replay.path", "must be the path of a file"),
    ),
    # Decimals are strings.
    Refused("quantity-number", {"grid.baseQty": 0.002}, (f"spec.grid.baseQty {_NOT_A_STRING}",)),
    Refused("cap-number", {"grid.maxInventoryQuote": 2500}, (f"spec.grid.maxInventoryQuote {_NOT_A_STRING}",)),
    *(
        _not_decimal("grid.baseQty", text)
        for text in ("0", "0.000", "-0.002", "+1", "1e-3", ".5", "5.", "", "NaN", "1 ")
    ),
    _not_decimal("grid.maxInventoryQuote", "lots"),
    _not_decimal("risk.maxLossQuote", "0"),
    _not_decimal("risk.dailyLossQuote", "-300"),
    _not_decimal("risk.maxPositionQuote", "none"),
    Refused("loss-number", {"risk.maxLossQuote": 500}, (f"spec.risk.maxLossQuote {_NOT_A_STRING}",)),
    _not_decimal("sim.startPrice", "0"),
    _not_decimal("sim.startingBalance", "-1"),
    _not_decimal("sim.filters.tickSize", "0"),
    _not_decimal("sim.filters.stepSize", "0"),
    _not_decimal("sim.filters.minQty", "0"),
    _not_decimal("sim.filters.maxQty", "0"),
    _not_decimal("sim.filters.marketMaxQty", "0"),
    _not_decimal("sim.filters.minNotional", "-5", _UNSIGNED),
    _not_decimal("sim.fees.taker", "-0.1", _UNSIGNED),
    _not_decimal("sim.fees.maker", "free", _SIGNED),
    Refused("quantity-too-long", {"grid.baseQty": "0." + "0" * 30 + "1"}, ("spec.grid.baseQty: Too long", "32")),
    # Types.
    Refused("step-text", {"grid.stepBps": "25"}, ("spec.grid.stepBps", "must be of type number")),
    Refused("levels-fraction", {"grid.levelsLong": 2.5}, ("spec.grid.levelsLong", "must be of type integer")),
    Refused("throttle-text", {"throttle": "0.5"}, ("spec.throttle", "must be of type number")),
    Refused("throttle-true", {"throttle": True}, ("spec.throttle", "must be of type number")),
    Refused("enabled-text", {"regime.enabled": "no"}, ("spec.regime.enabled", "must be of type boolean")),
    Refused("steps-fraction", {"exits.stopLossSteps": 1.5}, ("spec.exits.stopLossSteps", "must be of type integer")),
    Refused("ephemeral-text", {"storage.ephemeral": "yes"}, ("spec.storage.ephemeral", "must be of type boolean")),
    # Relations.
    Refused(
        "no-level",
        {"grid.levelsLong": 0, "grid.levelsShort": 0},
        ("spec.grid.levelsLong", "levelsLong + levelsShort must be 1 to 100", "levelsLong is 0, levelsShort is 0"),
    ),
    Refused(
        "too-many-levels",
        {"grid.levelsLong": 60, "grid.levelsShort": 41},
        ("levelsLong + levelsShort must be 1 to 100", "levelsLong is 60, levelsShort is 41"),
    ),
    Refused(
        "lowest-rung-at-zero",
        {"grid.levelsLong": 100, "grid.levelsShort": 0, "grid.stepBps": 100},
        ("spec.grid.levelsLong", "levelsLong * stepBps must be less than 10000", "levelsLong is 100, stepBps is 100"),
    ),
    Refused(
        "recenter-below-step",
        {"grid.recenterTriggerBps": 24.5},
        ("spec.grid.recenterTriggerBps", "must be at least stepBps", "recenterTriggerBps is 24.5, stepBps is 25"),
    ),
    Refused(
        "recenter-default-below-step",
        {"grid.stepBps": 300},
        ("spec.grid.recenterTriggerBps", "recenterTriggerBps is 200, stepBps is 300"),
    ),
    Refused(
        "take-profit-of-short-at-zero",
        {"exits.takeProfitSteps": 100, "grid.stepBps": 100},
        (
            "spec.exits.takeProfitSteps",
            "exits.takeProfitSteps * grid.stepBps must be less than 10000",
            "exits.takeProfitSteps is 100, grid.stepBps is 100",
        ),
    ),
    Refused(
        "no-exit",
        {"exits.takeProfitSteps": 0},
        ("spec.exits.takeProfitSteps", "takeProfitSteps and stopLossSteps must not both be 0"),
    ),
    Refused(
        "lowest-stop-at-zero",
        {"exits.stopLossSteps": 95, "grid.stepBps": 100},
        (
            "spec.exits.stopLossSteps",
            "(grid.levelsLong + exits.stopLossSteps) * grid.stepBps must be less than 10000",
            "grid.levelsLong is 5, exits.stopLossSteps is 95, grid.stepBps is 100",
        ),
    ),
    Refused(
        "too-many-levels-for-stops",
        {"exits.stopLossSteps": 1, "grid.levelsLong": 41, "grid.levelsShort": 40},
        (
            "spec.exits.stopLossSteps",
            "with stops, grid.levelsLong + grid.levelsShort must be at most 80",
            "grid.levelsLong is 41, grid.levelsShort is 40, exits.stopLossSteps is 1",
        ),
    ),
    Refused(
        "fast-average-as-slow-as-the-slow",
        {"regime": {"emaFast": 30}},
        ("spec.regime.emaFast", "emaFast must be less than emaSlow", "emaFast is 30, emaSlow is 30"),
    ),
    Refused(
        "stale-before-second-bar",
        {"execution": {"barSeconds": 61}},
        (
            "spec.execution.staleDataSeconds",
            "staleDataSeconds must be at least 2 * barSeconds",
            "staleDataSeconds is 120, barSeconds is 61",
        ),
    ),
    Refused("replay-without-file", {"sim": {"market": "replay"}}, ("spec.sim.replay", "needs replay.path")),
    Refused(
        "file-without-replay",
        {"sim": {"replay": {"path": "/data/bars.csv"}}},
        ("spec.sim.replay", "only with market: replay", "remove it or set the market"),
    ),
    Refused(
        "smallest-above-largest-market-order",
        {"sim": {"filters": {"minQty": "2", "marketMaxQty": "1"}}},
        (
            "spec.sim.filters.minQty",
            "at most maxQty and marketMaxQty",
            "minQty is 2, maxQty is 1000, marketMaxQty is 1",
        ),
    ),
    Refused(
        "ephemeral-with-class",
        {"storage": {"ephemeral": True, "storageClassName": "fast"}},
        ("spec.storage.storageClassName", "no meaning with ephemeral: true", "remove one of them"),
    ),
    # Image.
    Refused(
        "repository-with-tag", {"image.repository": "a/b:1"}, ("spec.image.repository", "without tag", 'not "a/b:1"')
    ),
    Refused("tag-with-slash", {"image.tag": "a/b"}, ("spec.image.tag", "must be an image tag", 'not "a/b"')),
    Refused("digest-short", {"image.digest": "sha256:00"}, ("spec.image.digest", "64", 'not "sha256:00"')),
    Refused(
        "pull-secret-name",
        {"imagePullSecrets": [{"name": "My_Secret"}]},
        ("spec.imagePullSecrets[0].name", "lower-case letters", 'not "My_Secret"'),
    ),
    Refused(
        "too-many-pull-secrets",
        {"imagePullSecrets": [{"name": f"s{i}"} for i in range(17)]},
        ("spec.imagePullSecrets: Too many: 17: must have at most 16 items",),
    ),
    # The pod: what belongs to the operator stays the operator's.
    *(
        Refused(
            f"env-{name}",
            {"pod": {"env": [{"name": "A", "value": "1"}, {"name": name, "value": "x"}]}},
            ("spec.pod.env[1].name", "the operator's own", f'not "{name}"'),
        )
        for name in ("HEDGEGRID_UID", "POD_NAME")
    ),
    Refused("env-number", {"pod": {"env": [{"name": "A", "value": 1}]}}, ("spec.pod.env[0].value", "type string")),
    Refused(
        "env-twice",
        {"pod": {"env": [{"name": "A", "value": "1"}, {"name": "A", "value": "2"}]}},
        ("spec.pod.env[1]: Duplicate value", '"name":"A"'),
    ),
    Refused("env-nameless", {"pod": {"env": [{"value": "1"}]}}, ("spec.pod.env[0].name: Required value",)),
    *(
        Refused(
            f"{kind}-{key}",
            {"pod": {kind: {"team": "a", key: "b"}}},
            (f"spec.pod.{kind}", "the operator's own", f'not ["{key}"]'),
        )
        for kind in ("labels", "annotations")
        for key in ("hedgegrid.io/uid", "app.kubernetes.io/name", "x.hedgegrid.io/y")
    ),
    *(
        Refused(
            f"{kind}-label",
            {"monitoring": {kind: {"labels": {"release": "a", "app.kubernetes.io/name": "b"}}}},
            (f"spec.monitoring.{kind}.labels", "the operator's own", 'not ["app.kubernetes.io/name"]'),
        )
        for kind in ("serviceMonitor", "prometheusRule")
    ),
    *_out_of("monitoring.serviceMonitor.intervalSeconds", 1, 3600, 0, 3601),
    Refused("label-value", {"pod": {"labels": {"a": "b c"}}}, ("spec.pod.labels[a]", "label value", 'not "b c"')),
    Refused(
        "volume-ours",
        {"pod": {"volumes": [{"name": "hedgegrid-store", "emptyDir": {}}]}},
        ("spec.pod.volumes[0].name", "the operator's own", 'not "hedgegrid-store"'),
    ),
    *(
        Refused(
            f"mount-{path}",
            {"pod": {"volumeMounts": [{"name": "a", "mountPath": path}]}},
            ("spec.pod.volumeMounts[0].mountPath", "outside /etc/hedgegrid and /var/lib/hedgegrid", f'not "{path}"'),
        )
        for path in ("/etc/hedgegrid", "/var/lib/hedgegrid/book", "/etc/../etc/hedgegrid", "//etc/hedgegrid", "data")
    ),
    Refused(
        "mount-of-our-volume",
        {"pod": {"volumeMounts": [{"name": "hedgegrid-tls", "mountPath": "/tls"}]}},
        ("spec.pod.volumeMounts[0].name", "the operator's own", 'not "hedgegrid-tls"'),
    ),
    *(
        Refused(
            f"memory-{text}",
            {"pod": {"resources": {"limits": {"memory": text}}}},
            (
                "spec.pod.resources.limits[memory]",
                "must be a quantity of at least 0, like 500m or 512Mi",
                f"not {text}",
            ),
        )
        for text in ("512 MB", "-1")
    ),
    Refused(
        "cpu-fraction-without-quotes",
        {"pod": {"resources": {"requests": {"cpu": 0.5}}}},
        ("spec.pod.resources.requests", "must be of type integer,string"),
    ),
    Refused(
        "node-label-key",
        {"pod": {"nodeSelector": {"a b": "c"}}},
        ("spec.pod.nodeSelector", "a key like kubernetes.io/arch", 'not ["a b"]'),
    ),
    Refused(
        "node-label-value",
        {"pod": {"nodeSelector": {"a": "b c"}}},
        ("spec.pod.nodeSelector[a]", "label value", 'not "b c"'),
    ),
    Refused(
        "toleration-of-nothing",
        {"pod": {"tolerations": [{"value": "x"}]}},
        ("spec.pod.tolerations[0].key", "a toleration without key needs operator: Exists"),
    ),
    Refused(
        "toleration-value-of-any",
        {"pod": {"tolerations": [{"key": "a", "operator": "Exists", "value": "x"}]}},
        ("spec.pod.tolerations[0].value", "no meaning with operator: Exists", "remove one of them"),
    ),
    Refused(
        "toleration-time-without-effect",
        {"pod": {"tolerations": [{"key": "a", "tolerationSeconds": 5}]}},
        ("spec.pod.tolerations[0].tolerationSeconds", "tolerationSeconds needs effect: NoExecute"),
    ),
    Refused(
        "toleration-effect",
        {"pod": {"tolerations": [{"key": "a", "effect": "Evict"}]}},
        ('spec.pod.tolerations[0].effect: Unsupported value: "Evict"', '"NoExecute"'),
    ),
    Refused(
        "toleration-key",
        {"pod": {"tolerations": [{"key": "a b"}]}},
        ("spec.pod.tolerations[0].key", "a key like kubernetes.io/arch", 'not "a b"'),
    ),
    Refused(
        "affinity-text",
        {"pod": {"affinity": {"nodeAffinity": "zone"}}},
        ("spec.pod.affinity.nodeAffinity", "must be of type object"),
    ),
    Refused(
        "priority-class-name",
        {"pod": {"priorityClassName": "Very High"}},
        ("spec.pod.priorityClassName", "the name of a priority class", 'not "Very High"'),
    ),
    # Storage.
    *(
        Refused(
            f"size-{size}",
            {"storage": {"size": size}},
            ("spec.storage.size", "must be a quantity greater than 0, like 1Gi", f'not "{size}"'),
        )
        for size in ("0", "-1Gi", "1GB", "big")
    ),
    Refused(
        "storage-class-name",
        {"storage": {"storageClassName": "Fast SSD"}},
        ("spec.storage.storageClassName", "lower-case letters", 'not "Fast SSD"'),
    ),
    # Names that don't exist, and fields that come later: never accepted and ignored.
    *(
        Refused(f"unknown-{path}", {path: value}, (f'{_UNKNOWN}"spec.{path}"',))
        for path, value in (
            ("killswitch", "flattenBoth"),
            ("grid.stepBp", 25),
            ("grid.step_bps", 25),
            ("exits.stopLossStep", 2),
            ("risk.maxDrawDownPercent", 10),
            ("regime.ema_fast", 5),
            ("marginMode", "CROSSED"),
            ("pod.nodeName", "a"),
            ("pod.affinity.hostAffinity", {}),
            ("account.credentialsSecretRef", {"name": "keys"}),
            ("update.maxWait", 60),
        )
    ),
)

_ENGAGED = {"killSwitch": "flattenBoth", "rearm": 5}

PATCHED = (
    # Controls, by a patch of nothing else.
    *(Patched(f"kill-{value}", {}, {"killSwitch": value}) for value in ("haltEntries", "flattenLong", "flattenBoth")),
    Patched("release", _ENGAGED, {"killSwitch": "none"}),
    Patched("throttle", {}, {"throttle": 0.25}),
    Patched("rearm-grows", _ENGAGED, {"killSwitch": "none", "rearm": 6}),
    Patched("rearm-the-same", _ENGAGED, {"killSwitch": "none", "rearm": 5}),
    Patched("old-manifest-may-engage", {"rearm": 5}, {"killSwitch": "haltEntries", "rearm": 0}),
    Patched(
        "rearm-shrinks",
        {"rearm": 5},
        {"rearm": 4},
        ("spec.rearm", "rearm only grows; write at least the present value", "rearm was 5, rearm is 4"),
    ),
    Patched("rearm-removed", {"rearm": 5}, {"rearm": None}, ("spec.rearm", "rearm was 5, rearm is 0")),
    Patched("rearm-shrinks-with-release", _ENGAGED, {"killSwitch": "none", "rearm": 0}, ("rearm was 5, rearm is 0",)),
    Patched("kill-unknown", {}, {"killSwitch": "FLATTEN"}, ('spec.killSwitch: Unsupported value: "FLATTEN"', '"none"')),
    Patched("kill-null-is-none", _ENGAGED, {"killSwitch": None}),
    Patched("throttle-above", {}, {"throttle": 1.5}, ("spec.throttle: Invalid value: 1.5", "less than or equal to 1")),
    Patched("throttle-text", {}, {"throttle": "half"}, ("spec.throttle", "must be of type number")),
    # Limits, too.
    Patched("risk-tightened", {}, {"risk": {"maxDrawdownPercent": 5, "maxLossQuote": "100"}}),
    Patched("limit-lifted", {"risk.maxLossQuote": "100"}, {"risk": {"maxLossQuote": None}}),
    Patched(
        "risk-out-of-range",
        {},
        {"risk": {"confirmations": 0}},
        ("spec.risk.confirmations: Invalid value: 0", "greater than or equal to 1"),
    ),
    # The grid may change.
    Patched("stops-come", {}, {"exits": {"stopLossSteps": 8}}),
    Patched("leverage", {}, {"leverage": 10, "marginType": "ISOLATED"}),
    Patched("placement", {}, {"placement": {"policy": "coreAndScalp"}, "regime": {"emaFast": 5}}),
    Patched(
        "step-against-stop",
        {"exits.stopLossSteps": 95},
        {"grid": {"stepBps": 100}},
        ("spec.exits.stopLossSteps", "exits.stopLossSteps is 95, grid.stepBps is 100"),
    ),
    Patched("step", {}, {"grid": {"stepBps": 30}}),
    Patched("levels", {}, {"grid": {"levelsLong": 0}}),
    Patched("image", {}, {"image": {"tag": "v2"}}),
    Patched("update", {}, {"update": {"strategy": "Immediate"}}),
    Patched("placement-of-the-pod", {}, {"pod": {"nodeSelector": {"a": "b"}, "tolerations": [{"operator": "Exists"}]}}),
    Patched("deletion", {}, {"deletion": {"timeoutSeconds": 10}}),
    Patched("monitoring", {}, {"monitoring": {"prometheusRule": {"enabled": True}}}),
    Patched("monitoring-off", {"monitoring.serviceMonitor.enabled": True}, {"monitoring": None}),
    Patched("escalation", {}, {"escalation": {"action": "RestartPod"}}),
    Patched("escalation-off", {"escalation.action": "RestartPod"}, {"escalation": None}),
    Patched(
        "escalation-after-text",
        {},
        {"escalation": {"afterSeconds": "30s"}},
        ("spec.escalation.afterSeconds", "must be of type integer"),
    ),
    Patched("deletion-policy", {"deletion": {"policy": "Orphan"}}, {"deletion": {"policy": "Flatten"}}),
    Patched("defaults-come-back", {"exits.takeProfitSteps": 7}, {"exits": None}),
    Patched(
        "step-against-recenter",
        {},
        {"grid": {"stepBps": 250}},
        ("spec.grid.recenterTriggerBps", "recenterTriggerBps is 200, stepBps is 250"),
    ),
    Patched(
        "step-against-take-profit",
        {"exits.takeProfitSteps": 100},
        {"grid": {"stepBps": 100}},
        ("spec.exits.takeProfitSteps", "exits.takeProfitSteps is 100, grid.stepBps is 100"),
    ),
    Patched(
        "bar-against-stale",
        {},
        {"execution": {"barSeconds": 600}},
        ("spec.execution.staleDataSeconds", "staleDataSeconds is 120, barSeconds is 600"),
    ),
    Patched("grid-removed", {}, {"grid": None}, ("spec.grid: Required value",)),
    Patched("quantity-number", {}, {"grid": {"baseQty": 0.01}}, (f"spec.grid.baseQty {_NOT_A_STRING}",)),
    Patched("unknown", {}, {"killswitch": "flattenBoth"}, (f'{_UNKNOWN}"spec.killswitch"',)),
    # What is immutable.
    Patched(
        "account",
        {},
        {"account": {"name": "other"}},
        ("spec.account.name", "immutable; create another HedgeGrid", "account.name was main, account.name is other"),
    ),
    Patched(
        "instrument",
        {},
        {"instrument": "ETHUSDT-PERP.BINANCE"},
        ("spec.instrument", "immutable", "was BTCUSDT-PERP.BINANCE, instrument is ETHUSDT-PERP.BINANCE"),
    ),
    Patched("mode", {}, {"mode": "paper"}, ('spec.mode: Unsupported value: "paper"', '"sim"')),
    Patched("storage-size", {}, {"storage": {"size": "2Gi"}}, ("spec.storage", "storage is immutable; create another")),
    Patched("storage-ephemeral", {}, {"storage": {"ephemeral": True}}, ("spec.storage", "storage is immutable")),
    Patched("storage-class", {}, {"storage": {"storageClassName": "a"}}, ("spec.storage", "storage is immutable")),
    Patched("storage-removed", {"storage.size": "2Gi"}, {"storage": None}, ("spec.storage", "storage is immutable")),
    Patched("sim-added", {}, {"sim": {"seed": 2}}, ("spec.sim", "sim is immutable; create another HedgeGrid")),
    Patched("sim-changed", {"sim": {"seed": 1}}, {"sim": {"seed": 2}}, ("spec.sim", "sim is immutable")),
    Patched("sim-fee", {"sim": {}}, {"sim": {"fees": {"maker": "0"}}}, ("spec.sim", "sim is immutable")),
    Patched("sim-removed", {"sim": {"seed": 1}}, {"sim": None}, ("spec.sim", "sim is immutable")),
)

NAMES_ACCEPTED = ("b", "btc-1", "0", "a" * 40)
NAMES_REFUSED = ("btc.1", "a" * 41)
"""What the API server itself refuses (upper case, a leading '-') isn't repeated here."""
