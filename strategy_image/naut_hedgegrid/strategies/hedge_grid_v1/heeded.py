"""What the object asked for by the pod's own watch while no document has brought it: always the stronger of two."""

from typing import Self

from hedgegrid_api.asked import Asked
from hedgegrid_api.control import DeletionIntent
from hedgegrid_api.deletion import LEVELS
from hedgegrid_api.types import LegLevel, Message, levels_of
from naut_hedgegrid.domain.values import Leg


class Heeded(Message):
    """What holds the grid back by the pod's own watch, since the newest document."""

    generation: int
    """A document of a lower one is refused; one of this or a higher one says everything again."""
    long: LegLevel = LegLevel.OPEN
    """The highest level of LONG by `killSwitch`."""
    short: LegLevel = LegLevel.OPEN
    """The same of SHORT."""
    throttle: float = 1
    """The lowest one; 1 asks for nothing."""
    deletion: DeletionIntent = DeletionIntent.NONE
    """The strongest one."""
    gone: bool = False
    """The object isn't there any more: entries stop."""

    def level(self, leg: Leg) -> LegLevel:
        """What `killSwitch` asked for, of a leg."""
        return self.long if leg is Leg.LONG else self.short

    def by_deletion(self) -> LegLevel:
        """What the deletion asked for, of both legs."""
        return higher(LEVELS[self.deletion], LegLevel.HALTED if self.gone else LegLevel.OPEN)

    def joined(self, asked: Asked) -> Self:
        """This, and what the object asks for now."""
        long, short = levels_of(asked.kill_switch)
        changes = {
            "generation": max(asked.generation, self.generation),
            "long": higher(long, self.long),
            "short": higher(short, self.short),
            "throttle": self.throttle if asked.throttle is None else min(asked.throttle, self.throttle),
            "deletion": max(asked.deletion, self.deletion, key=lambda intent: LEVELS[intent].rank),
        }
        return self.model_copy(update=changes)


NOTHING = Heeded(generation=0)
"""Asks for nothing."""


def higher(one: LegLevel, other: LegLevel) -> LegLevel:
    """The more restrictive of two levels."""
    return max(one, other, key=lambda level: level.rank)
