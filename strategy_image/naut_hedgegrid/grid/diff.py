"""Rule R11: from the rungs that are wanted and the entries that live to cancels and creates of one leg."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from naut_hedgegrid.domain.grid import OrderStatus, Rung, WorkingOrder


@dataclass(frozen=True, slots=True)
class EntryDiff:
    """What to do now."""

    cancel: tuple[WorkingOrder, ...]
    create: tuple[Rung, ...]
    waiting: bool
    """Something has to wait for an answer of the venue: look again when an entry of the leg changes its state."""


def entry_diff(rungs: Sequence[Rung], entries: Sequence[WorkingOrder]) -> EntryDiff:
    """Keep every entry that is still wanted, cancel the others, create what is missing.

    An order matches a rung by the price that it was sent for and its original quantity; a partly filled one by price
    alone. Never are there two live entries of a leg at one price: a rung waits until the old order is terminal. An
    order that is still on its way is left until the venue has answered.
    """
    by_price: dict[Decimal | None, Rung] = {rung.price: rung for rung in rungs}
    unwanted = [entry for entry in entries if not _matches(by_price.get(entry.price), entry)]
    taken = {entry.price for entry in entries}
    return EntryDiff(
        cancel=tuple(entry for entry in unwanted if entry.status is OrderStatus.OPEN),
        create=tuple(rung for rung in rungs if rung.price not in taken),
        waiting=bool(unwanted),
    )


def _matches(rung: Rung | None, entry: WorkingOrder) -> bool:
    """A cancel under way can't be called back, so an order in that state stands for no rung."""
    if rung is None or entry.status is OrderStatus.CANCELING:
        return False
    return entry.filled > 0 or rung.quantity == entry.quantity
