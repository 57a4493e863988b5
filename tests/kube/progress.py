"""Tell a person that a long step is alive: one line that is rewritten in a terminal, a line now and then elsewhere."""

import sys
import time
from collections.abc import Callable

type Say = Callable[[str], None]

TERMINAL_SECONDS = 0.2
PLAIN_SECONDS = 15.0


def say_to_stderr(line: str) -> None:
    """The default `Say`: stdout stays free for what a command answers."""
    print(line, file=sys.stderr, flush=True)


class Progress:
    """Elapsed time and stage of one long step."""

    def __init__(self, title: str, say: Say) -> None:
        self._title = title
        self._say = say
        self._started = time.monotonic()
        self._shown = self._started
        # Only our own writer knows that rewriting a line is safe.
        self._rewrites = say is say_to_stderr and sys.stderr.isatty()

    @property
    def elapsed(self) -> float:
        """Seconds since the step began."""
        return time.monotonic() - self._started

    def stage(self, text: str) -> None:
        """Show where the step is; called as often as one likes."""
        now = time.monotonic()
        if now - self._shown < (TERMINAL_SECONDS if self._rewrites else PLAIN_SECONDS):
            return
        self._shown = now
        line = f"  {self._title}: {self.elapsed:4.0f} s, {text}"
        if self._rewrites:
            sys.stderr.write(f"\r\033[K{line[:110]}")
            sys.stderr.flush()
        else:
            self._say(line)

    def done(self, text: str) -> None:
        """End the step with a line that stays."""
        if self._rewrites:
            sys.stderr.write("\r\033[K")
        self._say(f"  {self._title}: {text} ({self.elapsed:.0f} s)")
