"""The venue's side of the story, read from the book's file while a process has it, or after it died."""

import os
import sqlite3
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Self

from naut_hedgegrid.domain.values import Leg, OrderFilled, Quote, VenueOrder, VenuePosition
from naut_hedgegrid.venues.sim import rows, schema
from naut_hedgegrid.venues.sim.ledger import BookFileError
from naut_hedgegrid.venues.sim.places import Place
from naut_hedgegrid.venues.sim.records import FundingPayment, LoggedCommand, Transfer


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The venue at one moment."""

    wallet: Decimal
    starting_balance: Decimal
    positions: dict[Leg, VenuePosition]
    open_orders: tuple[VenueOrder, ...]
    """Oldest first."""
    quote: Quote | None
    """As of the newest commit: up to a second old."""
    place: Place | None
    ts: int
    """Market time of what happened last."""
    last_trade_id: int

    @property
    def flat(self) -> bool:
        """No position and no open order."""
        return not self.open_orders and all(position.quantity == 0 for position in self.positions.values())


class Audit:
    """Read-only view of a book's file. Each answer is one consistent state; it never disturbs the writer."""

    def __init__(self, path: Path) -> None:
        """Open the file.

        Raises sqlite3.OperationalError if there is none, BookFileError if it is of another layout.
        """
        self._db = sqlite3.connect(f"{path.absolute().as_uri()}?{_mode(path)}", uri=True, isolation_level=None)
        self._db.row_factory = sqlite3.Row
        (version,) = self._db.execute("pragma user_version").fetchone()
        if version not in (0, schema.SCHEMA_VERSION):  # 0: a venue is about to make it
            self._db.close()
            raise BookFileError(
                f"{path} has layout {version}; this version reads layout {schema.SCHEMA_VERSION}: where it is older, "
                "start the venue on it once"
            )

    def __enter__(self) -> Self:
        """Use as a context manager to close the file."""
        return self

    def __exit__(self, *exception: object) -> None:
        """Close the file."""
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def snapshot(self) -> Snapshot:
        """Wallet, positions and open orders in one piece."""
        with self._one_state():
            standing = rows.read_standing(self._db.execute("select * from venue").fetchone())
            orders = tuple(rows.read_order(row).seen() for row in self._db.execute(schema.SELECT_OPEN_ORDERS))
        account = standing.account
        return Snapshot(
            wallet=account.wallet,
            starting_balance=account.starting_balance,
            positions={
                leg: VenuePosition(position.quantity, position.entry_price)
                for leg, position in account.positions.items()
            },
            open_orders=orders,
            quote=standing.quote,
            place=standing.place,
            ts=standing.ts,
            last_trade_id=standing.last_trade_id,
        )

    def fills(self, after_trade_id: int = 0) -> list[OrderFilled]:
        """Fills after a trade id, oldest first."""
        return [rows.read_fill(row).event for row in self._db.execute(schema.SELECT_FILLS, (after_trade_id,))]

    def funding(self) -> list[FundingPayment]:
        """Settlements, one row a leg, oldest first."""
        return [rows.read_funding(row) for row in self._db.execute("select * from funding order by ts, leg")]

    def transfers(self) -> list[Transfer]:
        """Deposits and withdrawals, oldest first."""
        return [rows.read_transfer(row) for row in self._db.execute("select * from transfers order by sequence")]

    def order_log(self, after_sequence: int = 0) -> list[LoggedCommand]:
        """Commands in the order of arrival, those after a sequence number."""
        found = self._db.execute("select * from order_log where sequence > ? order by sequence", (after_sequence,))
        return [rows.read_command(row) for row in found]

    def openings(self, after_wall_ns: int) -> list[LoggedCommand]:
        """Opening orders that the venue accepted and that arrived after a moment of the machine's clock."""
        return [
            command
            for command in self.order_log()
            if command.opening and command.action == "submit" and command.accepted and command.wall_ns > after_wall_ns
        ]

    @contextmanager
    def _one_state(self) -> Generator[None]:
        self._db.execute("begin")
        try:
            yield
        finally:
            self._db.execute("commit")


def _mode(path: Path) -> str:
    """How to open a book: beside one that nobody has open SQLite makes files, and a stranger's lock its writer out."""
    stranger = not os.access(path, os.W_OK, effective_ids=True)
    in_use = path.with_name(f"{path.name}-wal").exists()
    return "mode=ro&immutable=1" if stranger and not in_use else "mode=ro"
