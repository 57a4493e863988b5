"""Whether a leg's entries may be sent, may rest, or must go: controls, faults and what is under way, in one place."""

from collections.abc import Callable, Mapping

from hedgegrid_api.types import LegLevel
from naut_hedgegrid.domain.values import Leg
from naut_hedgegrid.strategies.hedge_grid_v1.entries import Gate


class Gates:
    """The gates of both legs."""

    def __init__(self, closing: Callable[[Leg], bool]) -> None:
        """`closing` says whether a market close of a flatten is under way for a leg."""
        self.stamp = 0
        """Grows with everything that may change a gate, but for a flatten's closes."""
        self.started = False
        """The venue's books have been adopted."""
        self.levels: Mapping[Leg, LegLevel] = dict.fromkeys(Leg, LegLevel.OPEN)
        """How far each leg is held back by the controls."""
        self.held = True
        """Nothing is added to what rests (after a start, until the controls are known and risk has had its say)."""
        self.faults: dict[str, str] = {}
        """Why entries of both legs are stopped, by condition reason."""
        self.leg_faults: dict[Leg, dict[str, str]] = {leg: {} for leg in Leg}
        """Why entries of one leg are stopped."""
        self.unknown: Mapping[Leg, bool] = dict.fromkeys(Leg, False)
        """What a leg's new entries would cost isn't known: they wait, what rests stays."""
        self._closing = closing
        self._barred = self.levels
        self._throttled = False

    def of(self, leg: Leg) -> Gate:
        """How a leg's gate stands."""
        if not self.started:
            return Gate.HELD
        if self._barred[leg] is not LegLevel.OPEN or self._throttled or self.faults or self.leg_faults[leg]:
            return Gate.CLOSED
        return Gate.HELD if self.held or self.unknown[leg] or self._closing(leg) else Gate.OPEN

    def begin(self) -> None:
        """The venue's books have been adopted."""
        self.started = True
        self.stamp += 1

    def bar(self, levels: Mapping[Leg, LegLevel]) -> None:
        """Levels are on their way to the store: from now on nothing opens that they forbid, whatever else comes."""
        self._barred = {leg: max(self._barred[leg], levels[leg], key=lambda level: level.rank) for leg in Leg}
        self.stamp += 1

    def control(self, levels: Mapping[Leg, LegLevel], *, throttled: bool, held: bool) -> None:
        """The controls as they are stored; `throttled`: to 0."""
        self.levels = self._barred = dict(levels)
        self._throttled, self.held = throttled, held
        self.stamp += 1

    def set_unknown(self, unknown: Mapping[Leg, bool]) -> None:
        """Whether the cost of each leg's new entries is unknown."""
        self.unknown = unknown
        self.stamp += 1

    def set_fault(self, reason: str, message: str | None, leg: Leg | None = None) -> bool:
        """Note or (with None) clear a fault of a leg or of both; whether that changed a gate."""
        faults = self.faults if leg is None else self.leg_faults[leg]
        before = reason in faults
        if message is None:
            faults.pop(reason, None)
        else:
            faults[reason] = message
        changed = before != (message is not None)
        self.stamp += changed
        return changed

    @property
    def first_fault(self) -> tuple[str, str] | None:
        """Reason and message of what stops entries; None while nothing is wrong."""
        for faults in (self.faults, *self.leg_faults.values()):
            if faults:
                return next(iter(faults.items()))
        return None
