"""How far a long run has got: a bar on a terminal, a line now and then anywhere else."""

import time
from collections.abc import Callable
from typing import TextIO

_WIDTH = 30
_REDRAW_SECONDS = 0.1
_LINE_SECONDS = 10.0


class Progress:
    """Tells of progress towards a number."""

    def __init__(self, total: int, what: str, stream: TextIO, monotonic: Callable[[], float] = time.monotonic) -> None:
        """`what` is counted, in the plural."""
        self._total = total
        self._what = what
        self._stream = stream
        self._monotonic = monotonic
        self._terminal = stream.isatty()
        self._began = self._told = monotonic()
        self._drawn = False

    def __call__(self, done: int) -> None:
        """So many are done."""
        now = self._monotonic()
        if now - self._told < (_REDRAW_SECONDS if self._terminal else _LINE_SECONDS):
            return
        self._told = now
        share, rate = done / self._total, done / (now - self._began)
        left = (self._total - done) / rate if rate else None
        text = f"{share:4.0%}  {done:,} of {self._total:,} {self._what}  {rate:,.0f}/s  {_eta(left)}"
        if self._terminal:
            filled = round(share * _WIDTH)
            self._stream.write(f"\r{'█' * filled}{'░' * (_WIDTH - filled)} {text}\x1b[K")
            self._drawn = True
        else:
            self._stream.write(f"{text}\n")
        self._stream.flush()

    def clear(self) -> None:
        """Take the bar away again."""
        if self._drawn:
            self._stream.write("\r\x1b[K")
            self._stream.flush()


def _eta(seconds: float | None) -> str:
    if seconds is None:
        return "ETA unknown"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"ETA {hours}:{minutes:02d}:{rest:02d}"
