"""What comes from outside, checked and in the core's own terms."""

from naut_hedgegrid.domain.values import Leg

_SIDES: dict[str, tuple[Leg, ...]] = {"long": (Leg.LONG,), "short": (Leg.SHORT,), "both": (Leg.LONG, Leg.SHORT)}


def legs_of(side: str) -> tuple[Leg, ...]:
    """The legs that `"long"`, `"short"` or `"both"` means.

    Raises:
        ValueError: any other side.
    """
    legs = _SIDES.get(side)
    if legs is None:
        raise ValueError(f"side {side!r} is not one of 'long', 'short', 'both'")
    return legs


def checked_throttle(throttle: float) -> float:
    """The throttle.

    Raises:
        ValueError: outside 0.0..1.0, NaN included.
    """
    if not 0.0 <= throttle <= 1.0:
        raise ValueError(f"throttle {throttle} is outside 0.0..1.0")
    return throttle
