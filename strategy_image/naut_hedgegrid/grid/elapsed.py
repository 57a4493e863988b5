"""Time for sliding windows."""


class Elapsed:
    """Market time made steady: a clock that is set back counts as having stood still (F50).

    Without it a step back of an hour would keep every window full, and every pause shut, for an hour.
    """

    __slots__ = ("_lag", "_newest")

    def __init__(self) -> None:
        self._newest = self._lag = 0

    def at(self, now: int) -> int:
        """The steady time at market time `now`, ns."""
        steady = now + self._lag
        if steady < self._newest:
            self._lag += self._newest - steady
            return self._newest
        self._newest = steady
        return steady
