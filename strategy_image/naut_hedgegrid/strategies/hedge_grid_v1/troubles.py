"""What closes gates though the market and the controls would let the grid trade (rules R10, R17, R18)."""

from collections.abc import Callable, Mapping
from typing import Any

from naut_hedgegrid.domain.grid import WorkingOrder
from naut_hedgegrid.domain.values import Leg
from naut_hedgegrid.grid.breaker import Breaker
from naut_hedgegrid.grid.budget import Budget
from naut_hedgegrid.grid.repair import Repairs
from naut_hedgegrid.strategies.hedge_grid_v1.gates import Gates

ORDER_REJECTS = "OrderRejects"
EXITS_LOST = "ExitsLost"
BREAKER = "breaker"
"""Name of the breaker's state in the store."""


class Troubles:
    """Refused orders, exits that vanish, a rate limit that is hit for long. All times are market time, ns."""

    def __init__(
        self,
        gates: Gates,
        budget: Budget,
        note: Callable[[str, object], None],
        ask_latch: Callable[[str, tuple[Leg, ...], str], None],
    ) -> None:
        """`note` has a value stored; `ask_latch` has legs held back until somebody releases them."""
        self._gates = gates
        self._budget = budget
        self._note = note
        self._ask_latch = ask_latch
        self._breaker = Breaker()
        self._repairs = Repairs()
        self._shut = False
        """A gate is closed here, or was at the last look."""

    def restore(self, stored: Mapping[str, Any], now: int) -> None:
        """Go on with what the store knows."""
        if (state := stored.get(BREAKER)) is not None:
            self._breaker = Breaker.from_plain(state, now)
            self._look(now)

    def on_rejected(self, reason: str, now: int) -> bool:
        """An order was refused for another reason than being post-only; whether a gate has changed."""
        self._breaker.refused(reason, now, post_only=False)
        return self._look(now)

    def on_exit_lost(self, order: WorkingOrder, now: int) -> bool:
        """An exit ended, but not by us; whether a gate has changed."""
        self._repairs.created_again(order.leg, now)
        self._shut = True
        return self._look(now)

    def on_time(self, now: int) -> bool:
        """Time has passed; whether a gate has changed."""
        waited = self._budget.hit_for(now)
        if not self._shut and not waited:
            return False
        self._breaker.budget_hit(waited, now)
        return self._look(now)

    def _look(self, now: int) -> bool:
        """Bring the gates in line. What the breaker latches is latched where a person can release it."""
        closure = self._breaker.closure(now)
        if closure is not None and closure.until is None:
            self._breaker.release()
            self._ask_latch(ORDER_REJECTS, tuple(Leg), closure.message)
            closure = None
        changed = self._gates.set_fault(ORDER_REJECTS, closure.message if closure is not None else None)
        if changed:
            self._note(BREAKER, self._breaker.plain())
        lost = {leg: self._repairs.closed(leg, now) for leg in Leg}
        for leg, message in lost.items():
            changed |= self._gates.set_fault(EXITS_LOST, message, leg)
        self._shut = closure is not None or any(lost.values())
        return changed
