"""The charts as SVG: price with fills, equity and drawdown, inventory, profit by day."""

from collections.abc import Callable, Iterable, Sequence
from html import escape

from naut_hedgegrid.backtest.report.axes import Scale, number, padded, time_marks, value_marks
from naut_hedgegrid.backtest.report.periods import Period
from naut_hedgegrid.backtest.report.series import Series
from naut_hedgegrid.backtest.results import Results
from naut_hedgegrid.backtest.summary import market_time
from naut_hedgegrid.domain.values import Leg

WIDTH = 1_160
LEFT, RIGHT, TOP, BOTTOM = 64, 12, 10, 24


class Charts:
    """All charts of a run, over one axis of time."""

    def __init__(self, results: Results, points: Series) -> None:
        self._results = results
        self._points = points
        self._begin, self._end = results.played.data.table.ts[0], results.played.data.table.ts[-1]
        self._x = Scale(self._begin, self._end, LEFT, WIDTH - RIGHT)

    def price(self, height: int = 380) -> str:
        """The price's range and close, and every fill at its place."""
        points = self._points
        y = self._scale(*padded(min(points.low), max(points.high)), height)
        band = self._band(points.high, points.low, y)
        line = self._line(points.close, y)
        dots = "".join(
            f'<path class="dot {name}" d="{self._dots(leg, opening=opening, y=y)}"/>'
            for leg, opening, name in (
                (Leg.LONG, True, "long"),
                (Leg.SHORT, True, "short"),
                (Leg.LONG, False, "long out"),
                (Leg.SHORT, False, "short out"),
            )
        )
        return self._svg("price", height, y, f'<path class="band" d="{band}"/><path class="line" d="{line}"/>{dots}')

    def equity(self, height: int = 240) -> str:
        """Wallet and unrealized profit together."""
        values = self._points.equity
        y = self._scale(*padded(min(values), max(values)), height)
        start = float(self._results.played.books.accountant.starting_balance)
        rule = ""
        if y.low <= start <= y.high:
            rule = f'<path class="zero" d="M{LEFT} {y(start):.1f}H{WIDTH - RIGHT}"/>'
        return self._svg("equity", height, y, f'{rule}<path class="equity" d="{self._line(values, y)}"/>')

    def drawdown(self, height: int = 120) -> str:
        """Loss from the peak so far, downwards."""
        values = [-value * 100 for value in self._points.drawdown]
        y = self._scale(min(*values, -1e-6) * 1.08, 0.0, height)
        return self._svg("drawdown, %", height, y, f'<path class="loss" d="{self._area(values, y)}"/>', marks=3)

    def inventory(self, height: int = 200) -> str:
        """LONG upwards, SHORT downwards."""
        long, short = self._points.long, [-value for value in self._points.short]
        largest = max(*long, *(-value for value in short), 1e-9) * 1.08
        y = self._scale(-largest, largest, height)
        body = (
            f'<path class="held long" d="{self._area(long, y)}"/><path class="held short" d="{self._area(short, y)}"/>'
        )
        return self._svg("inventory", height, y, body, shown=lambda value: number(abs(value)))

    def profit(self, found: Sequence[Period], height: int = 120) -> str:
        """A bar for each day or month, at its place in a row of their own."""
        values = [float(period.profit) for period in found]
        y = self._scale(*padded(min(0.0, *values), max(0.0, *values)), height)
        room = (WIDTH - RIGHT - LEFT) / len(values)
        width = min(room * 0.8, 40.0)
        bars = "".join(
            f'<path class="{"up" if value >= 0 else "down"}" '
            f'd="M{LEFT + room * (place + 0.5) - width / 2:.1f} {y(0):.1f}h{width:.1f}V{y(value):.1f}h{-width:.1f}Z">'
            f"<title>{escape(period.name)}: {value:+,.2f}</title></path>"
            for place, (period, value) in enumerate(zip(found, values, strict=True))
        )
        every = -(-len(found) // 12)
        names = "".join(
            f'<text class="time" x="{LEFT + room * (place + 0.5):.1f}" y="{height - 6}">{escape(period.name)}</text>'
            for place, period in enumerate(found)
            if place % every == 0
        )
        return f'<svg class="chart" viewBox="0 0 {WIDTH} {height}">{self._marks(y, 3)}{names}{bars}</svg>'

    def _scale(self, low: float, high: float, height: int) -> Scale:
        return Scale(low, high, height - BOTTOM, TOP)

    def _svg(
        self,
        name: str,
        height: int,
        y: Scale,
        body: str,
        *,
        marks: int = 5,
        shown: Callable[[float], str] = number,
    ) -> str:
        times = "".join(
            f'<text class="time" x="{self._x(ts):.1f}" y="{height - 6}">{escape(text)}</text>'
            for ts, text in time_marks(self._begin, self._end)
        )
        return (
            f'<svg class="chart" data-time viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{escape(name)}">'
            f"{self._marks(y, marks, shown)}{times}{body}{self._trips(height)}"
            f'<path class="cursor" d="M0 {TOP}V{height - BOTTOM}" visibility="hidden"/></svg>'
        )

    def _marks(self, y: Scale, marks: int, shown: Callable[[float], str] = number) -> str:
        return "".join(
            f'<path class="grid" d="M{LEFT} {y(value):.1f}H{WIDTH - RIGHT}"/>'
            f'<text class="value" x="{LEFT - 8}" y="{y(value) + 3.5:.1f}">{escape(shown(value))}</text>'
            for value in value_marks(y.low, y.high, marks)
        )

    def _trips(self, height: int) -> str:
        return "".join(
            f'<path class="trip" d="M{self._x(market_time(trip)):.1f} {TOP}V{height - BOTTOM}">'
            f"<title>{escape(trip.reason)}</title></path>"
            for trip in self._results.trips
        )

    def _line(self, values: Sequence[float], y: Scale) -> str:
        return "M" + "L".join(self._places(values, y))

    def _band(self, high: Sequence[float], low: Sequence[float], y: Scale) -> str:
        back = [*self._places(low, y)]
        return f"M{'L'.join(self._places(high, y))}L{'L'.join(reversed(back))}Z"

    def _area(self, values: Sequence[float], y: Scale) -> str:
        begin, end, zero = self._x(self._points.ts[0]), self._x(self._points.ts[-1]), y(0)
        return f"M{begin:.1f} {zero:.1f}L{'L'.join(self._places(values, y))}L{end:.1f} {zero:.1f}Z"

    def _places(self, values: Sequence[float], y: Scale) -> Iterable[str]:
        return (f"{self._x(ts):.1f} {y(value):.1f}" for ts, value in zip(self._points.ts, values, strict=True))

    def _dots(self, leg: Leg, *, opening: bool, y: Scale) -> str:
        """Fills of a kind; those that would cover each other are drawn once."""
        places = {
            (round(self._x(fill.ts) * 2), round(y(float(fill.price)) * 2)): None
            for fill in self._results.played.books.fills
            if fill.leg is leg and (fill.side is leg.opening) is opening
        }
        return "".join(f"M{x / 2:g} {height / 2:g}h0" for x, height in places)
