"""How figures and times are written: decimals without exponent, times in UTC."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_EVEN, Context, Decimal
from itertools import repeat

MONEY_DIGITS = 8
"""Of what is summed up."""
_WIDE = Context(prec=80)
_QUANTA = [Decimal(1).scaleb(-digits) for digits in range(25)]
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DAY = 86_400_000_000_000


def rounded(value: Decimal, digits: int = MONEY_DIGITS) -> Decimal:
    """At most so many digits after the point (up to 24), half to even."""
    return value.quantize(_QUANTA[digits], ROUND_HALF_EVEN, _WIDE)


def plain(value: Decimal | None, digits: int = MONEY_DIGITS) -> str | None:
    """A decimal as it is written: rounded, without exponent and without needless zeros; None stays None."""
    return None if value is None else exact(rounded(value, digits))


def exact(value: Decimal) -> str:
    """All digits of a decimal, without exponent and without needless zeros."""
    text = f"{value:f}"
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def fixed(units: Iterable[int]) -> list[str]:
    """Whole numbers of 1e-8 as decimals of 8 digits."""
    one = 10**MONEY_DIGITS
    # Twice as fast as an f-string, and there are two of them a bar.
    return ["%d.%08d" % divmod(value, one) if value >= 0 else "-%d.%08d" % divmod(-value, one) for value in units]  # noqa: UP031


class Times:
    """Market times in words, ISO 8601 in UTC, with a fraction of a second where there is one."""

    def __init__(self) -> None:
        self._days, self._clocks = _Days(), _Clocks()

    def __call__(self, ts: int) -> str:
        """One of them."""
        day, clock = divmod(ts, _DAY)
        return self._days[day] + self._clocks[clock]

    def all(self, times: Iterable[int]) -> list[str]:
        """Many."""
        days, clocks = self._days, self._clocks
        return [days[day] + clocks[clock] for day, clock in map(divmod, times, repeat(_DAY))]


class _Days(dict[int, str]):
    """Days since the epoch, each written once."""

    def __missing__(self, day: int) -> str:
        text = self[day] = f"{(_EPOCH + timedelta(days=day)).date().isoformat()}T"
        return text


class _Clocks(dict[int, str]):
    """Times of the day in ns, each written once: bars come at few of them."""

    def __missing__(self, ns: int) -> str:
        seconds, fraction = divmod(ns, 1_000_000_000)
        text = f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"
        if fraction:
            text = f"{text}.{fraction:09d}".rstrip("0")
        text = self[ns] = f"{text}Z"
        return text
