"""Markets that are hard on a grid, as bar files."""

import gzip
import random
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path

type Bar = tuple[datetime, Fraction, Fraction, Fraction, Fraction, Fraction]
"""End, open, high, low, close, volume."""
type Row = tuple[int, int, int, int, int, str]
"""Minute, open, high, low, close in tenths, volume."""

T0 = 1_641_002_400
"""2022-01-01 02:00."""
START = 400_000


def _walk(minutes: Iterator[int] | range, scale: float, seed: int, volume: Callable[[random.Random], str]) -> list[Row]:
    chance = random.Random(seed)
    price, found = START, list[Row]()
    for minute in minutes:
        path = [price]
        for _ in range(4):
            path.append(max(1_000, round(path[-1] * (1 + chance.gauss(0, scale)))))
        found.append((minute, path[0], max(path), min(path), path[-1], volume(chance)))
        price = path[-1]
    return found


def _plenty(_: random.Random) -> str:
    return "1000"


def calm(length: int = 3_000, seed: int = 1) -> list[Row]:
    """Nothing but noise."""
    return _walk(range(length), 0.0006, seed, _plenty)


def gaps() -> list[Row]:
    """Minutes, hours and a day are missing, and the price has moved meanwhile."""
    chance = random.Random(7)
    found, minute, price = list[Row](), 0, START
    for length in (300, 200, 400, 250, 350, 100):
        part = _walk(range(minute, minute + length), 0.0006, minute + 3, _plenty)
        shift = price / START
        for at, *prices, volume in part:
            open_, high, low, close = (round(p * shift) for p in prices)
            found.append((at, open_, high, low, close, volume))
        minute += length + chance.choice((1, 7, 45, 240, 1_500))
        price = round(found[-1][4] * (1 + chance.gauss(0, 0.015)))
    return found


def crash() -> list[Row]:
    """30 % down in five minutes, and half of it back."""
    before = _walk(range(600), 0.0006, 11, _plenty)
    price, found = before[-1][4], list(before)
    for minute, share in enumerate((0.95, 0.88, 0.92, 0.85, 0.93, 1.06, 1.05, 1.04), 600):
        close = round(price * share)
        found.append((minute, price, max(price, close) + 40, min(price, close) - 55, close, "1000"))
        price = close
    shift = price / START
    for at, *prices, volume in _walk(range(608, 1_800), 0.0012, 12, _plenty):
        open_, high, low, close = (round(p * shift) for p in prices)
        found.append((at, open_, high, low, close, volume))
    return found


def flat() -> list[Row]:
    """The price doesn't move at all for hours, in between a little."""
    line = [(minute, START, START, START, START, "12.5") for minute in range(900)]
    return [*line, *_walk(range(900, 1_500), 0.0006, 5, _plenty)]


def no_volume() -> list[Row]:
    """Most bars nobody trades in; some have less than an order."""

    def volume(chance: random.Random) -> str:
        return chance.choice(("0", "0", "0", "0.004", "0.007", "0.05", "3"))

    return _walk(range(3_000), 0.0006, 21, volume)


def one_tick() -> list[Row]:
    """Ranges of one tick: the price creeps."""
    chance, price, found = random.Random(3), START, list[Row]()
    direction = 1
    for minute in range(6_000):
        if minute % 1_500 == 1_499:
            direction = -direction
        step = direction if chance.random() < 0.85 else -direction
        close = price + step
        found.append((minute, price, max(price, close), min(price, close), close, "1000"))
        price = close
    return found


MARKETS: dict[str, Callable[[], list[Row]]] = {
    "calm": calm,
    "gaps": gaps,
    "crash": crash,
    "flat": flat,
    "no_volume": no_volume,
    "one_tick": one_tick,
}


def write(path: Path, rows: list[Row]) -> list[Bar]:
    """Write a file, and give back what is in it."""
    lines, bars = ["timestamp,open,high,low,close,volume"], list[Bar]()
    for minute, *tenths, volume in rows:
        end = datetime.fromtimestamp(T0 + 60 * minute, UTC)
        open_, high, low, close = tenths
        lines.append(f"{end:%Y-%m-%d %H:%M:%S},{open_ / 10},{high / 10},{low / 10},{close / 10},{volume}")
        bars.append((end, *(Fraction(price, 10) for price in (open_, high, low, close)), Fraction(volume)))
    text = "\n".join([*lines, ""])
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    return bars
