"""An example of every message of the API, by route and status. A test holds each against its model."""

from collections.abc import Mapping
from typing import Any

from naut_hedgegrid.ops.bodies import TOO_LARGE

type Json = Any
type Verb = str

_OPERATION = "op-9f2c51d07a3e"
_SINCE = "2026-03-02T09:30:00.120000Z"


def _leg(**changes: Json) -> Json:
    return {
        "level": "open",
        "source": None,
        "state": "Released",
        "operationID": None,
        "quantity": "0.02",
        "openOrders": 10,
        "dust": None,
        "attempts": 0,
        "lastError": None,
        "since": None,
        "delivered": None,
        "reached": None,
        **changes,
    }


_TELEMETRY = {
    "long": {"quantity": "0.02", "entryPrice": "41842.5"},
    "short": {"quantity": "0.01", "entryPrice": "42105"},
    "netQuote": "420",
    "openOrders": 20,
    "pnl": {"realized": "12.84", "unrealized": "4.2", "total": "17.04"},
    "marginRatio": 0.0131,
    "equity": "10017.04",
    "fundingRate": 0.0001,
    "regime": "SIDEWAYS",
    "lastBarTime": "2026-03-02T09:30:00Z",
}
_REPORT: Json = {
    "bootID": "5d1f0a6c9be2477f",
    "uid": "0badcafe-0000-4000-8000-000000000001",
    "appliedGeneration": 3,
    "dueGeneration": None,
    "epoch": 1,
    "rearm": 0,
    "synced": True,
    "throttle": {"desired": 1.0, "effective": 0.5, "source": "api"},
    "killSwitch": {
        "desired": "none",
        "effective": "none",
        "state": "Released",
        "source": None,
        "operationID": None,
        "legs": {"long": _leg(), "short": _leg(quantity="0.01")},
    },
    "latches": [],
    "trip": None,
    "conditions": [
        {"type": "VenueReady", "status": True, "reason": "Reconciled", "message": "orders and positions adopted"}
    ],
    "telemetry": _TELEMETRY,
}


def _flattening(quantity: str) -> Json:
    return _leg(
        level="flat",
        source="risk",
        state="Flattening",
        operationID=_OPERATION,
        quantity=quantity,
        attempts=1,
        since=_SINCE,
        delivered="2026-03-02T09:30:00.124000Z",
    )


_TRIPPED: Json = {
    **_REPORT,
    "killSwitch": {
        "desired": "none",
        "effective": "flattenBoth",
        "state": "Flattening",
        "source": "risk",
        "operationID": _OPERATION,
        "legs": {"long": _flattening("0.02"), "short": _flattening("0.01")},
    },
    "latches": [
        {
            "id": "trip-41c8a07755e1",
            "source": "risk",
            "leg": "BOTH",
            "level": "flat",
            "since": _SINCE,
            "reason": "RiskTrip",
            "message": "risk.maxDrawdownPercent is reached: 20.31, the limit is 20",
        }
    ],
    "trip": {
        "id": "trip-41c8a07755e1",
        "reason": "maxDrawdownPercent",
        "observed": "20.31",
        "limit": "20",
        "time": _SINCE,
    },
}


def _problem(sentence: str) -> Json:
    return {"detail": sentence}


def _extremes(*values: str) -> Json:
    names = (
        "equity",
        "unrealized",
        "net_inventory",
        "long_inventory",
        "short_inventory",
        "margin_ratio",
        "drawdown",
        "mark",
    )
    return dict(zip(names, values, strict=True))


_UNREADABLE = "the store has not answered for 5 s"

REQUESTS: Mapping[tuple[Verb, str], Mapping[str, Json]] = {
    ("PUT", "/control"): {
        "throttle": {
            "uid": _REPORT["uid"],
            "generation": 4,
            "epoch": 1,
            "by": {"manager": "kubectl-patch", "time": "2026-03-02T09:29:59Z", "reason": "quieter market"},
            "killSwitch": "none",
            "throttle": 0.5,
            "rearm": 0,
        },
        "kill": {"uid": _REPORT["uid"], "generation": 5, "epoch": 1, "killSwitch": "flattenBoth"},
    },
    ("POST", "/flatten"): {"both legs": {"side": "both", "reason": "margin call"}, "one leg": {"side": "long"}},
    ("POST", "/throttle"): {"half": {"throttle": 0.5}, "end it": {"throttle": 1}},
    ("POST", "/resume"): {
        "both legs": {"id": _OPERATION},
        "one leg": {"id": _OPERATION, "side": "short"},
    },
}
"""Bodies by name."""

ANSWERS: Mapping[tuple[Verb, str], Mapping[int, Json]] = {
    ("GET", "/livez"): {200: {"live": True}},
    ("GET", "/readyz"): {
        200: {"ready": True, "reason": None},
        503: {"ready": False, "reason": "the market data are stale: entries are stopped until fresh data come"},
    },
    ("GET", "/health"): {
        200: {"running": True, "last_bar_timestamp": 1772443800.0},
        503: {"running": False, "last_bar_timestamp": 0.0},
    },
    ("GET", "/status"): {
        200: {
            "running": True,
            "positions": {
                "long": {
                    "inventory_usdt": 840.0,
                    "quantity": 0.02,
                    "entry_price": 41842.5,
                    "unprotected_quantity": 0.0,
                    "state": "Released",
                },
                "short": {
                    "inventory_usdt": 420.0,
                    "quantity": 0.01,
                    "entry_price": 42105.0,
                    "unprotected_quantity": 0.0,
                    "state": "Released",
                },
            },
            "margin_ratio": 0.0131,
            "open_orders": 20,
            "pnl": {"realized": 12.84, "unrealized": 4.2, "total": 17.04},
            "ready": True,
            "synced": True,
            "throttle": 0.5,
            "kill_switch": "none",
            "callback_errors": 0,
            "mark_price": 42000.0,
            "data_age_seconds": 0.1,
            "equity": 10017.04,
            "account_balance": 10012.84,
            "drawdown": 0.004,
            "liquidation_distance": 0.62,
            "funding_rate": 0.0001,
            "regime": "SIDEWAYS",
            "latches": [],
            "trip": None,
        }
    },
    ("GET", "/ladders"): {
        200: {
            "timestamp": 1772443800000000000,
            "mid_price": 42000.0,
            "long_ladder": [
                {"price": 41895.0, "qty": 0.01, "side": "LONG"},
                {"price": 41790.0, "qty": 0.01, "side": "LONG"},
            ],
            "short_ladder": [
                {"price": 42105.0, "qty": 0.01, "side": "SHORT"},
                {"price": 42210.0, "qty": 0.01, "side": "SHORT"},
            ],
        }
    },
    ("GET", "/orders"): {
        200: {
            "orders": [
                {
                    "client_order_id": "hg-0badcafe-L1-E-5",
                    "leg": "LONG",
                    "role": "ENTRY",
                    "side": "BUY",
                    "price": "41895.0",
                    "quantity": "0.010",
                    "filled": "0",
                    "status": "OPEN",
                }
            ]
        }
    },
    ("GET", "/history"): {
        200: {
            "resolution": "1m",
            "points": [
                {
                    "time": "2026-03-02T09:29:00Z",
                    "samples": 6,
                    "last": {
                        "equity": "10017.04",
                        "wallet": "10012.84",
                        "realized": "12.84",
                        "unrealized": "4.2",
                        "funding": "-0.12",
                        "fees": "3.51",
                        "net_inventory": "420",
                        "long_inventory": "840",
                        "short_inventory": "420",
                        "margin_ratio": "0.0131",
                        "drawdown": "0.004",
                        "mark": "42000",
                        "open_orders": 20,
                        "throttle": "0.5",
                        "fills": 418,
                    },
                    "low": _extremes("10015.9", "3.06", "418", "836", "418", "0.013", "0.004", "41800"),
                    "high": _extremes("10017.2", "4.36", "421", "842", "421", "0.0132", "0.0041", "42100"),
                }
            ],
            "next": "2026-03-02T09:30:00Z",
        },
        422: _problem("limit: Input should be less than or equal to 1000, not '5000'"),
        503: _problem(_UNREADABLE),
    },
    ("GET", "/fills"): {
        200: {
            "fills": [
                {
                    "trade_id": 418,
                    "time": "2026-03-02T09:29:58.301000Z",
                    "client_order_id": "hg-0badcafe-L1-E-5",
                    "leg": "LONG",
                    "role": "ENTRY",
                    "side": "BUY",
                    "price": "41895",
                    "quantity": "0.01",
                    "maker": True,
                    "commission": "0.08379",
                    "realized_pnl": "0",
                }
            ],
            "next": 418,
        },
        422: _problem("before: Input should be greater than or equal to 1, not '0'"),
        503: _problem(_UNREADABLE),
    },
    ("GET", "/audit"): {
        200: {
            "entries": [
                {
                    "number": 12,
                    "time": "2026-03-02T09:30:00.121000Z",
                    "operation": "flatten",
                    "who": "trader",
                    "key": "trader",
                    "role": "trader",
                    "what": "both",
                    "why": "margin call",
                    "result": f"20 orders being cancelled, closing LONG 0.020, SHORT 0.010, operation {_OPERATION}",
                    "asked": None,
                }
            ],
            "next": None,
        },
        422: _problem("limit: Input should be greater than or equal to 1, not '0'"),
        503: _problem(_UNREADABLE),
    },
    ("GET", "/control"): {200: _TRIPPED},
    ("PUT", "/control"): {
        200: _REPORT,
        409: {"reason": "generation", "message": "generation 2 is lower than the pod's 3", "held": _REPORT},
        413: _problem(TOO_LARGE),
        422: _problem("throttle: Input should be less than or equal to 1, not 1.1; nothing was changed"),
    },
    ("POST", "/flatten"): {
        200: {
            "cancelled_orders": 20,
            "closing_positions": [
                {"leg": "LONG", "side": "SELL", "quantity": "0.020"},
                {"leg": "SHORT", "side": "BUY", "quantity": "0.010"},
            ],
            "operationID": {"LONG": _OPERATION, "SHORT": _OPERATION},
        },
        413: _problem(TOO_LARGE),
        422: _problem("side 'up' is not one of 'long', 'short', 'both'; nothing was changed"),
    },
    ("POST", "/throttle"): {
        200: {"throttle": 0.5, "effective": 0.5, "source": "api"},
        413: _problem(TOO_LARGE),
        422: _problem("throttle: Input should be less than or equal to 1, not 1.1; nothing was changed"),
    },
    ("POST", "/resume"): {
        200: _REPORT,
        404: _problem(f"no latch 'op-0' stands for that side; standing: {_OPERATION} (LONG), {_OPERATION} (SHORT)"),
        413: _problem(TOO_LARGE),
        422: _problem("side 'up' is not one of 'long', 'short', 'both'; nothing was changed"),
    },
}
"""Bodies of answers."""

REFUSALS: dict[int, Json] = {
    401: _problem("no key was sent: send a valid one in the header X-API-Key"),
    403: _problem("the key 'viewer' has the role viewer; POST /flatten needs trader"),
}
"""What every route with a key may answer."""
