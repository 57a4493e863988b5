"""How far a market has gone, in a form that the book can keep."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Place:
    """A tick of a market: where a restart goes on."""

    market: str
    """Which market: its kind and seed, or its kind and file."""
    position: str
    """Where in it, in the market's own words."""
