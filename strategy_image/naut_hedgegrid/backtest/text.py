"""How figures and times are written: decimals without exponent, times in UTC."""

from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_EVEN, Context, Decimal

MONEY_DIGITS = 8
"""Of what is summed up."""
_WIDE = Context(prec=80)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DAY = 86_400_000_000_000


def rounded(value: Decimal, digits: int = MONEY_DIGITS) -> Decimal:
    """At most so many digits after the point, half to even."""
    return value.quantize(Decimal(1).scaleb(-digits), ROUND_HALF_EVEN, _WIDE)


def plain(value: Decimal | None, digits: int = MONEY_DIGITS) -> str | None:
    """A decimal as it is written: rounded, without exponent and without needless zeros; None stays None."""
    if value is None:
        return None
    text = f"{rounded(value, digits):f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text == "-0" else text


def fixed(units: int) -> str:
    """A whole number of 1e-8 as a decimal."""
    sign, units = ("-", -units) if units < 0 else ("", units)
    return f"{sign}{units // 100_000_000}.{units % 100_000_000:08d}"


class Times:
    """Market times in words; the parts are made once a day and once a time of day."""

    def __init__(self) -> None:
        self._days: dict[int, str] = {}
        self._clocks: dict[int, str] = {}

    def __call__(self, ts: int) -> str:
        """ISO 8601 in UTC, with a fraction of a second where there is one."""
        day, clock = divmod(ts, _DAY)
        found = self._days.get(day)
        if found is None:
            found = self._days[day] = f"{(_EPOCH + timedelta(days=day)).date().isoformat()}T"
        rest = self._clocks.get(clock)
        if rest is None:
            rest = self._clocks[clock] = _clock(clock)
        return found + rest


def _clock(ns: int) -> str:
    seconds, fraction = divmod(ns, 1_000_000_000)
    text = f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"
    return f"{text}.{fraction:09d}".rstrip("0") + "Z" if fraction else f"{text}Z"
