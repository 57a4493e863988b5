"""The pod's own HedgeGrid as its watch sees it, beside the operator's documents: what is stronger there is engaged."""

import time
from collections.abc import Callable

from hedgegrid_api.asked import Asked
from naut_hedgegrid.strategies.hedge_grid_v1 import control
from naut_hedgegrid.strategies.hedge_grid_v1.clock import Clock
from naut_hedgegrid.strategies.hedge_grid_v1.control import Controls
from naut_hedgegrid.strategies.hedge_grid_v1.switchboard import Switchboard, new_operation_id


class OwnObject:
    """What is known of it. All but `heard` and `age` are called on the strategy's loop."""

    def __init__(self, switchboard: Switchboard, clock: Clock, act: Callable[[], None]) -> None:
        """`act` has the core act on changed controls."""
        self._switchboard = switchboard
        self._clock = clock
        self._act = act
        self._asked: Asked | None = None
        self._heard: float | None = None

    def heard(self) -> None:
        """The watch begins, or the API server has told how the object is. From any thread."""
        self._heard = time.monotonic()

    @property
    def age(self) -> float | None:
        """Seconds since then; None where nobody watches."""
        return None if self._heard is None else time.monotonic() - self._heard

    def saw(self, asked: Asked) -> str | None:
        """Take a state of the object, none older than the last; what was engaged by it in words, None: nothing."""
        self._asked = asked
        held = self._switchboard.controls
        after = control.with_asked(held, asked, self._clock.wall(), new_operation_id)
        throttle = "as it is" if asked.throttle is None else f"{asked.throttle:g}"
        told = f"killSwitch={asked.kill_switch} throttle={throttle} deletion={asked.deletion}"
        return self._engage(held, after, f"{told} of generation {asked.generation}")

    def gone(self) -> str | None:
        """The object isn't there any more; what was engaged by that in words, None: nothing new."""
        held = self._switchboard.controls
        generation = self._asked.generation if self._asked is not None else 0
        after = control.with_object_gone(held, generation, self._clock.wall(), new_operation_id)
        return self._engage(held, after, "the object is gone: entries stop")

    def again(self, controls: Controls) -> Controls:
        """Controls after a document, which may be older than what was seen: that stands as soon as it does."""
        if self._asked is None:
            return controls
        return control.with_asked(controls, self._asked, self._clock.wall(), new_operation_id)

    def _engage(self, held: Controls, after: Controls, told: str) -> str | None:
        if after is held:
            return None
        self._switchboard.put_later(after, self._act)
        return told
