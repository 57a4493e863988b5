"""Whether a leg's entries may be sent, may rest, or must go: controls, faults and what is under way, in one place."""

from collections.abc import Callable
from dataclasses import dataclass, field

from hedgegrid_api.types import LegLevel
from naut_hedgegrid.domain.values import Leg
from naut_hedgegrid.strategies.hedge_grid_v1.entries import Gate


@dataclass(slots=True)
class Gates:
    """The gates of both legs."""

    closing: Callable[[Leg], bool]
    """Whether a market close of a flatten is under way for a leg."""
    started: bool = False
    """The venue's books have been adopted."""
    levels: dict[Leg, LegLevel] = field(default_factory=lambda: dict.fromkeys(Leg, LegLevel.OPEN))
    """How far each leg is held back by the controls."""
    barred: dict[Leg, LegLevel] = field(default_factory=lambda: dict.fromkeys(Leg, LegLevel.OPEN))
    """The same, with levels that are on their way to the store: they count at once."""
    throttled: bool = False
    """The throttle is 0."""
    held: bool = True
    """Nothing is added to what rests (after a start, until the controls are known and risk has had its say)."""
    faults: dict[str, str] = field(default_factory=dict[str, str])
    """Why entries of both legs are stopped, by condition reason."""
    leg_faults: dict[Leg, dict[str, str]] = field(default_factory=lambda: {leg: {} for leg in Leg})
    """Why entries of one leg are stopped."""
    unknown: dict[Leg, bool] = field(default_factory=lambda: dict.fromkeys(Leg, False))
    """What a leg's new entries would cost isn't known: they wait, what rests stays."""

    def of(self, leg: Leg) -> Gate:
        """How a leg's gate stands."""
        if not self.started:
            return Gate.HELD
        if self.barred[leg] is not LegLevel.OPEN or self.throttled or self.faults or self.leg_faults[leg]:
            return Gate.CLOSED
        return Gate.HELD if self.held or self.unknown[leg] or self.closing(leg) else Gate.OPEN

    def bar(self, levels: dict[Leg, LegLevel]) -> None:
        """From now on nothing opens that these levels forbid, whatever else is stored later."""
        self.barred = {leg: max(self.barred[leg], levels[leg], key=lambda level: level.rank) for leg in Leg}

    def set_fault(self, reason: str, message: str | None, leg: Leg | None = None) -> bool:
        """Note or (with None) clear a fault of a leg or of both; whether that changed a gate."""
        faults = self.faults if leg is None else self.leg_faults[leg]
        before = reason in faults
        if message is None:
            faults.pop(reason, None)
        else:
            faults[reason] = message
        return before != (message is not None)

    @property
    def first_fault(self) -> tuple[str, str] | None:
        """Reason and message of what stops entries; None while nothing is wrong."""
        for faults in (self.faults, *self.leg_faults.values()):
            if faults:
                return next(iter(faults.items()))
        return None
