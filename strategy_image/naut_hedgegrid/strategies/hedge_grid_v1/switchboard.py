"""The controls and their keeping: gates close first, then the latch goes to the disk, then the flatten may act.

If the store fails or takes longer than `PATIENCE_SECONDS`, the controls act from memory and say so; they count as
delivered once the store has them after all.
"""

import asyncio
import logging
import secrets
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

from naut_hedgegrid.domain.values import Leg
from naut_hedgegrid.grid.records import Changes
from naut_hedgegrid.strategies.hedge_grid_v1 import control
from naut_hedgegrid.strategies.hedge_grid_v1.clock import Clock
from naut_hedgegrid.strategies.hedge_grid_v1.control import Controls
from naut_hedgegrid.strategies.hedge_grid_v1.health import PATIENCE_SECONDS, StoreHealth

log = logging.getLogger(__name__)

_NAME = "controls"


@dataclass(frozen=True, slots=True, eq=False)
class _Pending:
    after: Controls
    stored: Future[None]
    deadline: float
    then: Callable[[], None]


class Switchboard:
    """Holds the controls."""

    def __init__(
        self,
        store: StoreHealth,
        values: Mapping[str, Any],
        clock: Clock,
        close_gates: Callable[[Controls], None],
        wake: Callable[[Callable[[], None]], None],
    ) -> None:
        """`values` is what the store knows. `close_gates` is called before anything is written; `wake` has a function
        called soon on the strategy's thread, from any thread."""
        self.controls = stored_controls(values)
        self.error: str | None = None
        """Why the controls are in memory only; None while the store has them."""
        self._unstored: Controls | None = None
        """What the store has refused, or hasn't answered."""
        self._store = store
        self._clock = clock
        self._close_gates = close_gates
        self._wake = wake
        self._pending: list[_Pending] = []

    async def put(self, after: Controls) -> None:
        """Take new controls; returns when they are stored, or will have to act from memory."""
        if (stored := self._begin(after)) is None:
            return
        try:
            # Shielded: a cancelled future would be more than the store's thread can set a result on.
            await asyncio.wait_for(asyncio.shield(asyncio.wrap_future(stored)), PATIENCE_SECONDS)
        except Exception as error:  # noqa: BLE001  the flatten goes on from memory, and says so
            self._failed(error, stored, after)
        else:
            self._delivered(after)

    def put_now(self, after: Controls) -> None:
        """The same for callers that can't await: the strategy's thread waits for the disk."""
        if (stored := self._begin(after)) is None:
            return
        try:
            stored.result(PATIENCE_SECONDS)
        except Exception as error:  # noqa: BLE001  as in `put`
            self._failed(error, stored, after)
        else:
            self._delivered(after)

    def recovered(self) -> None:
        """The store has written everything that it was given, what it had refused before too."""
        if self._unstored is not None:
            self._delivered(self._unstored)

    def put_later(self, after: Controls, then: Callable[[], None]) -> None:
        """Take new controls without waiting; `then` is called once they are stored, or have to act from memory."""
        if (stored := self._begin(after)) is None:
            return
        self._pending.append(_Pending(after, stored, self._clock.monotonic() + PATIENCE_SECONDS, then))
        if not stored.done():
            stored.add_done_callback(lambda _: self._wake(self.pump))
        self.pump()

    def pump(self) -> None:
        """Go on with what was put later: what is stored, and what has waited long enough."""
        now = self._clock.monotonic()
        ready = [one for one in self._pending if one.stored.done() or now >= one.deadline]
        self._pending = [one for one in self._pending if one not in ready]
        for one in ready:
            error = one.stored.exception() if one.stored.done() else TimeoutError()
            if isinstance(error, Exception):
                self._failed(error, one.stored, one.after)
            else:
                self._delivered(one.after)
            one.then()

    def note_reached(self, legs: Mapping[Leg, bool]) -> None:
        """Legs have reached what is asked of them, or lost it again."""
        after = control.reached(self.controls, legs, self._clock.wall())
        if after is not self.controls:
            self.controls = after
            self._save(durable=False)

    def _begin(self, after: Controls) -> Future[None] | None:
        if after == self.controls:
            return None
        self.controls = after
        self._close_gates(after)
        return self._save(durable=True)

    def _save(self, *, durable: bool) -> Future[None]:
        value = self.controls.model_dump(mode="json", by_alias=True)
        return self._store.commit(Changes(values={_NAME: value}), durable=durable)

    def _delivered(self, written: Controls) -> None:
        self.error = self._unstored = None
        self.controls = control.delivered(self.controls, written, self._clock.wall())

    def _failed(self, error: Exception, stored: Future[None], written: Controls) -> None:
        self._unstored = written
        self.error = str(error) or f"the store has not answered for {PATIENCE_SECONDS} s"
        log.error("controls are in memory only: %s", self.error)
        stored.add_done_callback(lambda late: self._wake(lambda: self._late(late, written)))

    def _late(self, stored: Future[None], written: Controls) -> None:
        if stored.exception() is None:
            self._delivered(written)


def stored_controls(values: Mapping[str, Any]) -> Controls:
    """The controls that a store knows.

    Raises:
        ValueError: they make no sense.
    """
    return Controls.model_validate(values.get(_NAME, {}))


def new_operation_id() -> str:
    """A new engagement's id."""
    return f"op-{secrets.token_hex(6)}"
