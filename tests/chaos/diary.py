"""What happened when: written by many threads, read where something was wrong."""

import threading
import time
from collections import Counter
from datetime import UTC, datetime

AROUND_SECONDS = 6.0


class Diary:
    """Lines with their times, and how often what happened."""

    def __init__(self) -> None:
        self._lines: list[tuple[int, str]] = []
        self._lock = threading.Lock()
        self.faults: Counter[str] = Counter()
        self.patches: Counter[str] = Counter()

    def note(self, text: str) -> None:
        """Something happened just now."""
        with self._lock:
            self._lines.append((time.time_ns(), text))

    def fault(self, kind: str, text: str) -> None:
        """A fault was set."""
        self.note(f"{kind}: {text}")
        with self._lock:
            self.faults[kind] += 1

    def patch(self, kind: str, text: str) -> None:
        """An object was changed."""
        self.note(text)
        with self._lock:
            self.patches[kind] += 1

    @property
    def lines(self) -> list[str]:
        """All of it."""
        with self._lock:
            return [f"{_clock(when)} {text}" for when, text in sorted(self._lines)]

    def around(self, at: int | None) -> list[str]:
        """The lines about a moment; about the end where there is none."""
        with self._lock:
            lines = sorted(self._lines)
        at = at if at is not None or not lines else lines[-1][0]
        return [f"{_clock(when)} {text}" for when, text in lines if at and abs(when - at) < AROUND_SECONDS * 1e9]


def _clock(at: int) -> str:
    return datetime.fromtimestamp(at / 1e9, UTC).strftime("%H:%M:%S.%f")[:-3]
