"""What losses are measured from. It outlives the process: a restart forgets neither a peak nor a day's loss (F23)."""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from decimal import Decimal
from typing import Any, Final, Self

from naut_hedgegrid.domain.values import ZERO

DAY: Final = 86_400_000_000_000
"""Nanoseconds; days begin at 00:00 UTC of market time."""


@dataclass(frozen=True, slots=True)
class Baselines:
    """Quote currency. None is set by the next value that is known."""

    peak: Decimal | None = None
    """Highest equity, moved with transfers."""
    transfers: Decimal | None = None
    """Sum of the account's deposits and withdrawals that the peak takes into account."""
    loss_base: Decimal | None = ZERO
    """The grid's net PnL that its loss is measured from: 0 at the uid's first start."""
    day: int | None = None
    """Of the day base: days since the epoch."""
    day_base: Decimal | None = None
    """The grid's net PnL as first known on that day."""

    @property
    def complete(self) -> bool:
        """Nothing waits for a value."""
        return self.peak is not None and self.loss_base is not None and self.day_base is not None

    def seen(self, equity: Decimal | None, transfers: Decimal | None, net_pnl: Decimal | None, now: int) -> Self:
        """After a sample: transfers are taken out of the peak, a new day has its base, what waited is set.

        The day of a clock that was set back doesn't begin again. The peak itself rises in `higher`.
        """
        after = self
        if equity is not None and transfers is not None and (self.peak is None or transfers != self.transfers):
            after = replace(after, peak=self._moved(equity, transfers), transfers=transfers)
        if net_pnl is not None:
            if after.loss_base is None:
                after = replace(after, loss_base=net_pnl)
            day = now // DAY
            if after.day is None or day > after.day:
                after = replace(after, day=day, day_base=net_pnl)
        return after

    def higher(self, peak: Decimal) -> Self:
        """With a peak that has risen."""
        return replace(self, peak=peak)

    def restarted(self, equity: Decimal | None, transfers: Decimal | None, net_pnl: Decimal | None, now: int) -> Self:
        """After an accepted rearm or resume: losses count from the present, or from the next value that is known."""
        return type(self)(loss_base=None).seen(equity, transfers, net_pnl, now)

    def plain(self) -> dict[str, str | int | None]:
        """For the store, JSON-ready."""
        values = {item.name: getattr(self, item.name) for item in fields(self)}
        return {name: str(value) if isinstance(value, Decimal) else value for name, value in values.items()}

    @classmethod
    def from_plain(cls, row: Mapping[str, Any]) -> Self:
        """From the store."""
        return cls(
            peak=_decimal(row["peak"]),
            transfers=_decimal(row["transfers"]),
            loss_base=_decimal(row["loss_base"]),
            day=row["day"],
            day_base=_decimal(row["day_base"]),
        )

    def _moved(self, equity: Decimal, transfers: Decimal) -> Decimal:
        """The peak after a transfer: peak·E_after/E_before, so that the drawdown stays what it was. Where there was no
        equity before, or is none left, it begins anew."""
        if self.peak is None or self.transfers is None:
            return equity
        before = equity - (transfers - self.transfers)
        return self.peak * equity / before if before > 0 and equity > 0 else equity


def _decimal(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)
