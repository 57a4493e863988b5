"""Fields that both messages have, and how each side reads what a newer side calls otherwise."""

from typing import Annotated, Any

from pydantic import AwareDatetime, BeforeValidator, Field

from hedgegrid_api.types import Integer, KillSwitch, LegLevel, Message, Source

LARGEST = 2**53 - 1
"""Every reader of JSON has whole numbers exact up to here; no generation gets there."""


def _whole(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() else value


Counter = Annotated[Integer, Field(ge=0, le=LARGEST), BeforeValidator(_whole)]
"""A whole number from 0 on; 3.0 is one in JSON, text and true aren't."""

AnySide = Annotated[str, Field(max_length=16, json_schema_extra={"enum": ["long", "short", "both"]})]
"""Which legs an operation is for."""


def known_switch(value: Any) -> Any:
    """A value of a newer schema can only be more than this side knows: entries stop."""
    known = {switch.value for switch in KillSwitch}
    return value if not isinstance(value, str) or value in known else KillSwitch.HALT_ENTRIES


def _known_level(value: Any) -> Any:
    """What a newer side calls otherwise is held back: nothing is said to be open, and nothing to be flat."""
    known = {level.value for level in LegLevel}
    return value if not isinstance(value, str) or value in known else LegLevel.HALTED


def _known_source(value: Any) -> Any:
    """A source of a newer side: nobody that this side can name."""
    known = {source.value for source in Source}
    return value if not isinstance(value, str) or value in known else None


def _latching_source(value: Any) -> Any:
    """Whoever latched it, it stands until it is released, like what risk latches."""
    return _known_source(value) or Source.RISK


Level = Annotated[LegLevel, BeforeValidator(_known_level)]
"""How far a leg is held back; an unknown value counts as halted."""

Asker = Annotated[Source | None, BeforeValidator(_known_source)]
"""Who asks; none where nobody does, or where this side doesn't know them."""


class Latch(Message):
    """What stands until it is released by id (`POST /resume`) or by a rearm."""

    id: str
    """Operation id."""
    source: Annotated[Source, BeforeValidator(_latching_source)]
    """Who engaged it; an unknown value counts as risk: it stands until it is released."""
    leg: str
    """LONG, SHORT or BOTH."""
    level: Level
    """What it holds the leg at."""
    since: AwareDatetime
    """When it was engaged, wall time."""
    reason: str | None = None
    """Why, as a condition's reason; none for what somebody asked for through the API."""
    message: str | None = None
    """Why, in words."""
