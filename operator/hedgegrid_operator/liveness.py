"""How a request that is made again and again goes, and when that is a reason to be restarted.

An API server that doesn't answer, or is in trouble, is no reason: a restart would only lose the kills that are known.
A loop that stands still is one, and so is an API server that answers and refuses: then the operator is blind.
"""

import time
from collections.abc import Callable

from hedgegrid_operator.kube import ApiError, ApiUnreachableError


class Attempts:
    """The attempts at one kind of request."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """`clock`: seconds that never jump."""
        self._clock = clock
        self._tried_at = clock()
        self._refused_since: float | None = None
        self._refusal = ""

    def going_on(self) -> None:
        """Some of it is done."""
        self._tried_at = self._clock()

    def succeeded(self) -> None:
        """It was done."""
        self.going_on()
        self._refused_since = None

    def failed(self, error: ApiError | ApiUnreachableError | None) -> None:
        """It wasn't done; None where that doesn't matter."""
        self.going_on()
        if not isinstance(error, ApiError) or error.passing:
            self._refused_since = None
            return
        self._refusal = str(error)
        if self._refused_since is None:
            self._refused_since = self._tried_at

    def wrong(self, what: str, limit: float) -> str | None:
        """What is wrong when it stands still, or is refused, for longer than `limit` seconds; None: nothing."""
        now = self._clock()
        if now - self._tried_at > limit:
            return f"{what} wasn't tried for {now - self._tried_at:.0f} s"
        if self._refused_since is not None and now - self._refused_since > limit:
            return f"{what} is refused for {now - self._refused_since:.0f} s: {self._refusal}"
        return None
