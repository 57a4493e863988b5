"""What a stub pod holds, and how it answers: the order of documents as a real pod keeps it, effects at once. Pure."""

import json
import secrets
from typing import Any

from hedgegrid_api.types import KillSwitch, LegLevel, levels_of, switch_of

type Json = dict[str, Any]

_STATES = {LegLevel.OPEN: "Released", LegLevel.HALTED: "Halted", LegLevel.FLAT: "Flat"}
_LEAST_FINISHED = ("Halted", "Flat", "Released")
_EPOCH_START = "2026-01-01T00:00:00Z"


class Stub:
    """One grid's pod: it trades nothing, has no position, and obeys."""

    def __init__(self) -> None:
        self.held: Json | None = None
        """The document that rules."""
        self.operations = 0
        """Engagements so far."""
        self._levels = (LegLevel.OPEN, LegLevel.OPEN)
        self._operation: str | None = None
        self._boot = secrets.token_hex(8)
        self._synced = False
        self._rearm = 0
        self._report: bytes | None = None

    def restart(self) -> None:
        """A new process with the same store."""
        self._boot, self._synced, self._report = secrets.token_hex(8), False, None

    def put(self, document: Json) -> tuple[int, bytes]:
        """Status and body for a document."""
        reason = self._refusal(document)
        if reason is not None:
            held = json.loads(self.report())
            return 409, json.dumps({"reason": reason, "message": f"{reason} is older", "held": held}).encode()
        self.held, self._synced, self._report = document, True, None
        self._rearm = max(self._rearm, document["rearm"])
        deletes = document.get("deletion", "none") != "none"
        levels = levels_of(KillSwitch.FLATTEN_BOTH if deletes else KillSwitch(document["killSwitch"]))
        if LegLevel.OPEN not in levels and LegLevel.OPEN in self._levels:
            self._operation, self.operations = secrets.token_hex(8), self.operations + 1
        self._levels = levels
        if levels == (LegLevel.OPEN, LegLevel.OPEN):
            self._operation = None
        return 200, self.report()

    def report(self) -> bytes:
        """The ControlReport."""
        if self._report is None:
            self._report = json.dumps(self._made()).encode()
        return self._report

    def _refusal(self, document: Json) -> str | None:
        if self.held is None:
            return None
        if document["uid"] != self.held["uid"]:
            return "uid"
        return next((name for name in ("generation", "epoch") if document[name] < self.held[name]), None)

    def _made(self) -> Json:
        held: Json = self.held or {"throttle": 1, "killSwitch": "none", "generation": None, "epoch": None, "uid": None}
        source = "deletion" if held.get("deletion", "none") != "none" else "spec"
        long, short = (self._leg(level, source) for level in self._levels)
        engaged = [leg["state"] for leg in (long, short) if leg["level"] != "open"]
        return {
            "bootID": self._boot,
            "uid": held["uid"],
            "appliedGeneration": held["generation"],
            "epoch": held["epoch"],
            "rearm": self._rearm,
            "synced": self._synced,
            "throttle": {"desired": held["throttle"], "effective": held["throttle"], "source": "spec"},
            "killSwitch": {
                "desired": held["killSwitch"],
                "effective": switch_of(*self._levels),
                "state": next((state for state in _LEAST_FINISHED if state in engaged), "Released"),
                "source": source if engaged else None,
                "operationID": self._operation,
                "legs": {"long": long, "short": short},
            },
            "latches": [],
            "conditions": [
                {"type": "VenueReady", "status": True, "reason": "Reconciled", "message": "as the venue says"}
            ],
            "telemetry": {
                "long": {"quantity": "0"},
                "short": {"quantity": "0"},
                "netQuote": "0",
                "openOrders": 0,
                "pnl": {"realized": "12.5", "unrealized": "0", "total": "12.5"},
                "marginRatio": 0.01,
                "equity": "10012.5",
                "fundingRate": 0.0001,
                "regime": "SIDEWAYS",
                "lastBarTime": _EPOCH_START,
            },
        }

    def _leg(self, level: LegLevel, source: str) -> Json:
        leg: Json = {"level": level.value, "state": _STATES[level], "quantity": "0", "openOrders": 0}
        if level is not LegLevel.OPEN:
            times = dict.fromkeys(("since", "delivered", "reached"), _EPOCH_START)
            leg |= {"source": source, "operationID": self._operation, **times}
        return leg
