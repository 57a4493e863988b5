"""The small table: position, orders and profit, by the venue's own book."""

from dataclasses import dataclass

from naut_hedgegrid.domain.values import Leg
from tests.demo.chronicle import Chronicle
from tests.demo.venue import Book


@dataclass(frozen=True)
class Figures:
    """As text, ready to be shown."""

    title: str
    legs: tuple[tuple[str, ...], ...]
    """Leg, position, average entry, open entries, open take-profits."""
    price: str
    pnl: str
    """With its sign."""
    rest: tuple[str, ...]

    @classmethod
    def of(cls, book: Book, chronicle: Chronicle) -> "Figures":
        """From one state of the venue, and what the API server shows."""
        throttle = chronicle.status.get("control", {}).get("throttle", {}).get("effective", 1)
        kill = chronicle.kill_switch.get("state", "unknown")
        return cls(
            title=f"hg/{chronicle.name} · {chronicle.status.get('phase', '')} · throttle {throttle:g} · kill {kill}",
            legs=tuple(_leg(book, leg) for leg in Leg),
            price=f"{book.mid:,.1f}" if book.mid is not None else "unknown",
            pnl=f"{book.pnl:+.2f} USDT" if book.pnl is not None else "unknown",
            rest=(f"   fills {book.fills}", f"   wallet {book.snapshot.wallet:,.2f} USDT"),
        )

    def lines(self) -> list[str]:
        """As plain text."""
        names = ("", "position", "average entry", "entries", "take-profits")
        rows = [names, *self.legs]
        table = ["".join(f"{cell:>15}" if i else f"{cell:<6}" for i, cell in enumerate(row)) for row in rows]
        return [self.title, *table, f"price {self.price}   PnL {self.pnl}{''.join(self.rest)}"]


def _leg(book: Book, leg: Leg) -> tuple[str, ...]:
    average = book.entry_price(leg)
    return (
        leg.value,
        f"{book.quantity(leg):.3f}",
        f"{average:,.1f}" if average is not None else "",
        str(len(book.entries(leg))),
        str(len(book.exits(leg))),
    )
