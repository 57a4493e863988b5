"""A step counts when it has been seen: looks that say what they saw, and a deadline."""

import time
from collections.abc import Callable

LOOK_SECONDS = 0.02


class NotYet(Exception):  # noqa: N818 - what a look answers
    """What was seen is not what is expected; the message says what was seen."""


class NotSeen(Exception):  # noqa: N818 - how a demo ends
    """A step did not happen, or not in time."""

    def __init__(self, expected: str, seen: str, seconds: float) -> None:
        super().__init__(f"expected {expected}; after {seconds:.1f} s saw {seen}")
        self.expected = expected
        self.seen = seen
        self.seconds = seconds


def require(holds: object, seen: str) -> None:
    """Raise NotYet with what was seen, unless it holds."""
    if not holds:
        raise NotYet(seen)


def see[T](expected: str, look: Callable[[], T], within: float) -> T:
    """What `look` returns as soon as it doesn't raise NotYet; raises NotSeen after `within` seconds."""
    began = time.monotonic()
    while True:
        try:
            return look()
        except NotYet as seen:
            elapsed = time.monotonic() - began
            if elapsed > within:
                raise NotSeen(expected, str(seen), elapsed) from None
        time.sleep(LOOK_SECONDS)
