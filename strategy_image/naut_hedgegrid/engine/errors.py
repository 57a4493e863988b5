"""The one place where exceptions of callbacks and background work end up."""

import logging
from collections import Counter
from collections.abc import Callable

_log = logging.getLogger(__name__)

type ErrorHook = Callable[[str, Exception], None]


class ErrorReports:
    """Logs, counts and passes on. The engine only logs what a callback raises; nothing else would notice."""

    def __init__(self, hook: ErrorHook | None = None) -> None:
        """`hook(where, error)` is told of each error, on the loop's thread."""
        self._hook = hook
        self.counts: Counter[str] = Counter()
        """Errors by where they happened."""

    def report(self, where: str, error: Exception) -> None:
        """Record an error that nobody can handle where it was raised."""
        self.counts[where] += 1
        _log.error("error in %s: %s", where, error, exc_info=error)
        if self._hook is None:
            return
        try:
            self._hook(where, error)
        except Exception as second:  # noqa: BLE001  the hook is the last to be told
            self.counts["error hook"] += 1
            _log.exception("error in the error hook", exc_info=second)

    def guarded[**P](self, where: str, call: Callable[P, object], *args: P.args, **kwargs: P.kwargs) -> None:
        """Make a call whose exceptions are reported."""
        try:
            call(*args, **kwargs)
        except Exception as error:  # noqa: BLE001  the caller is the engine or the loop: neither can handle it
            self.report(where, error)
