"""Times in bar files: ISO 8601 (UTC unless they say otherwise), or a number of s, ms, µs or ns since the epoch."""

from datetime import UTC, datetime

NS_BY_DIGITS = {10: 1_000_000_000, 13: 1_000_000, 16: 1_000, 19: 1}
"""Nanoseconds of one by the digits of the number: those of s, ms, µs, ns between 2001 and 2286."""
ALLOWED = "must be ISO 8601, or s, ms, µs or ns since the epoch"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def parsed(text: str) -> int | None:
    """ns since the epoch; None where the text is no time."""
    text = text.strip()
    if text.isdecimal():
        unit = NS_BY_DIGITS.get(len(text))
        return None if unit is None else int(text) * unit
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        return None
    since = (time if time.tzinfo else time.replace(tzinfo=UTC)) - _EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000_000 + since.microseconds * 1_000


def unit(text: str) -> int:
    """Nanoseconds of one in the unit of a numeric time; 1 ms for times in words.

    The close time of a published kline is the last moment of the bar in this unit; one more is its end.
    """
    return NS_BY_DIGITS.get(len(text.strip()), 1_000_000)
