"""The time of a backtest."""

from datetime import UTC, datetime

from naut_hedgegrid.grid.bars import SECOND


class MarketClock:
    """All times are the market's, so that two runs are the same."""

    def __init__(self, ts: int) -> None:
        """Starts at a market time, ns since the epoch."""
        self._ts = ts

    def market(self) -> int:
        """Market time, ns since the epoch."""
        return self._ts

    def monotonic(self) -> float:
        """Market time in seconds."""
        return self._ts / SECOND

    def wall(self) -> datetime:
        """Market time, UTC."""
        return datetime.fromtimestamp(self._ts / SECOND, UTC)

    def saw(self, ts: int) -> None:
        """The market has got there."""
        self._ts = max(self._ts, ts)
