"""Store first, then send: the order in which a step leaves the strategy.

Steps go out one after another. What a step changed in the books is written before any of its orders is sent, so that
an order whose id the store doesn't know can't exist after a crash. If the store doesn't answer, entries stay behind
and everything that reduces risk goes out without it.
"""

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass

from naut_hedgegrid.domain.grid import WorkingOrder
from naut_hedgegrid.domain.values import Role
from naut_hedgegrid.grid.records import Changes
from naut_hedgegrid.strategies.hedge_grid_v1.actions import Action, Submit
from naut_hedgegrid.strategies.hedge_grid_v1.health import PATIENCE_SECONDS, StoreHealth


@dataclass(slots=True)
class _Step:
    actions: list[Action]
    stored: Future[None] | None
    since: float


class Outbox:
    """Holds steps until the store has them."""

    def __init__(
        self,
        store: StoreHealth,
        send: Callable[[Action], None],
        drop: Callable[[WorkingOrder, str], None],
        wake: Callable[[Callable[[], None]], None],
    ) -> None:
        """`send` carries an action out, `drop` says that an order was not sent and why, `wake` has a function called
        soon on the strategy's own thread, from any thread."""
        self._store = store
        self._send = send
        self._drop = drop
        self._wake = wake
        self._steps: deque[_Step] = deque()
        self._pumping = False

    @property
    def empty(self) -> bool:
        """Everything has been sent."""
        return not self._steps

    def put(self, changes: Changes | None, actions: list[Action], now: float) -> None:
        """Take in a step."""
        stored = self._store.commit(changes) if changes is not None else None
        if not actions and stored is None:
            return
        if not self._steps and not self._pumping and (stored is None or stored.done()):
            self._pumping = True
            try:
                self._leave(actions, stored)
            finally:
                self._pumping = False
            self.pump(now)  # what came in meanwhile
            return
        self._steps.append(_Step(actions, stored, now))
        if stored is not None and not stored.done():
            stored.add_done_callback(lambda _: self._wake(lambda: self.pump(now)))
        self.pump(now)

    def pump(self, now: float) -> None:
        """Send what may go out: the steps that are stored, and of overdue ones what reduces risk."""
        if self._pumping:
            return
        self._pumping = True
        try:
            while self._steps and self._ready(self._steps[0], now):
                step = self._steps.popleft()
                self._leave(step.actions, step.stored)
        finally:
            self._pumping = False

    def _ready(self, step: _Step, now: float) -> bool:
        if step.stored is None or step.stored.done():
            return True
        return self._store.failure is not None or now - step.since > PATIENCE_SECONDS

    def _leave(self, actions: list[Action], stored: Future[None] | None) -> None:
        unstored = self._unstored(stored)
        for action in actions:
            if unstored is not None and isinstance(action, Submit) and action.order.role is Role.ENTRY:
                self._drop(action.order, unstored)
            else:
                self._send(action)

    def _unstored(self, stored: Future[None] | None) -> str | None:
        """Why a step isn't in the store; None where it is."""
        if stored is None:
            return None
        if not stored.done():
            return self._store.failure or f"the store has not answered for {PATIENCE_SECONDS} s"
        error = stored.exception()
        if error is None:
            return None
        self._store.check()  # closes the gate, so that what is dropped isn't tried again at once
        return str(error)
