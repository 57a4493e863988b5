"""Wait for a condition with a deadline, instead of sleeping."""

import time
from collections.abc import Callable

POLL_SECONDS = 0.02


def wait_until[T](
    condition: Callable[[], T | None],
    timeout: float = 30,
    what: str = "the condition",
    *,
    every: float = POLL_SECONDS,
) -> T:
    """Return the first truthy value of `condition`, which is asked again after `every` seconds.

    Raises TimeoutError after `timeout` seconds, naming `what` was awaited and the last value seen.
    """
    deadline = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {timeout:g} s for {what}; last seen: {value!r}")
        time.sleep(every)
