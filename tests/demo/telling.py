"""Durations in words, and what has to have stayed the same."""

from tests.demo.seeing import NotSeen


def after(began: float, ended: float) -> str:
    """The time between two moments; what clocks and watch can't tell apart is under a millisecond."""
    milliseconds = (ended - began) * 1000
    if milliseconds < 1:
        return "less than 1 ms"
    return f"{milliseconds:.0f} ms" if milliseconds < 1000 else f"{milliseconds / 1000:.1f} s"


def same(what: str, before: object, now: object) -> None:
    """Raise NotSeen unless both are equal."""
    if before != now:
        raise NotSeen(f"{what} to stay {before}", str(now), 0)
