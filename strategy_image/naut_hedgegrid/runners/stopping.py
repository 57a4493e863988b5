"""What a strategy still does when its process is asked to stop: entries go, exits stay, a flatten is finished."""

import asyncio
import logging
from dataclasses import dataclass

from hedgegrid_api.types import LegLevel
from naut_hedgegrid.strategies.hedge_grid_v1.strategy import HedgeGridV1

log = logging.getLogger(__name__)

_POLL_SECONDS = 0.02


@dataclass(frozen=True, slots=True)
class Patience:
    """How long each part may take, in seconds from the request to stop."""

    entries: float = 10
    """For the entries to be gone; what is left then stays at the venue."""
    answers: float = 5
    """With a leg engaged flat, or (under an operator) a position, `/control` answers for so long: the operator may be
    reading how it ends, or sending what is stronger. In a namespace that is being terminated the pod goes first."""
    flatten: float = 110
    """For a flatten under way: within a pod's grace period of 120 s."""


async def wind_down(strategy: HedgeGridV1, patience: Patience | None = None, *, attended: bool = False) -> None:
    """Close the gate, cancel the entries, finish a flatten; returns when nothing is left to wait for. `attended`: by an
    operator.
    """
    patience = patience or Patience()
    now = asyncio.get_running_loop().time
    began = now()
    strategy.halt()
    while _waits(strategy, now() - began, patience, attended=attended):  # noqa: ASYNC110  conditions of several parts, none has an event
        await asyncio.sleep(_POLL_SECONDS)
    if not strategy.entries_gone:
        log.error("entries are left at the venue: they were not cancelled within %g s", patience.entries)
    if strategy.flattening:
        log.error("a flatten is left undone: it goes on at the next start")


def _waits(strategy: HedgeGridV1, elapsed: float, patience: Patience, *, attended: bool) -> bool:
    if strategy.flattening:
        return elapsed < patience.flatten
    if (_engaged(strategy) or (attended and strategy.holding)) and elapsed < patience.answers:
        return True
    return not strategy.entries_gone and elapsed < patience.entries


def _engaged(strategy: HedgeGridV1) -> bool:
    legs = strategy.report().kill_switch.legs
    return LegLevel.FLAT in {legs.long.level, legs.short.level}
