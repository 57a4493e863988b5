"""The story in a terminal: what has been told scrolls up, the present step and the figures move below it."""

import time

from rich import box
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.padding import Padding
from rich.rule import Rule
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from tests.demo.figures import Figures
from tests.demo.stage import Source

FRAMES_PER_SECOND = 8


class LiveStage:
    """A terminal: what has been told scrolls up, the present step and the figures move below it."""

    def __init__(self) -> None:
        self._console = Console(highlight=False)
        self._began = time.monotonic()
        self._figures: Source = lambda: None
        self._spinner = Spinner("dots", style="cyan")
        self._now = ""
        self._live = Live(
            console=self._console, get_renderable=self._moving, refresh_per_second=FRAMES_PER_SECOND, transient=True
        )
        self._live.start()

    def begin(self, number: int, of: int, title: str, figures: Source) -> None:
        self._began, self._figures = time.monotonic(), figures
        self._now = title
        self._console.print()
        self._console.print(Text.assemble((f" {number}/{of} ", "bold black on cyan"), " ", (title, "bold")))

    def command(self, text: str) -> None:
        self._console.print(Text.assemble(("  $ ", "green"), (text, "bold green")))

    def remark(self, text: str) -> None:
        self._console.print(Padding(Text(text, style="dim"), (0, 0, 0, 11)))

    def waiting(self, expected: str) -> None:
        self._now = f"waiting for {expected}"

    def saw(self, text: str) -> None:
        seconds = f"{time.monotonic() - self._began:6.2f} s"
        line = Table.grid(padding=(0, 1))
        line.add_row(Text(f" {seconds}", style="cyan"), Text("✓", style="bold green"), Text(text))
        self._console.print(line)

    def figures(self) -> None:
        pass  # they stand below all the time

    def failed(self, step: str, expected: str, seen: str) -> None:
        line = Table.grid(padding=(0, 1))
        line.add_row(Text("  ✗", style="bold red"), Text(f"not seen: {step}", style="bold red"))
        line.add_row("", Text.assemble(("expected  ", "dim"), expected))
        line.add_row("", Text.assemble(("seen      ", "dim"), seen))
        self._console.print(line)

    def text(self, lines: str) -> None:
        self._console.print(lines, markup=False)

    def close(self) -> None:
        self._live.stop()

    def _moving(self) -> RenderableType:
        figures = self._figures()
        elapsed = time.monotonic() - self._began
        self._spinner.update(text=Text(f"{self._now} · {elapsed:.1f} s", style="cyan"))
        now: list[RenderableType] = [Text(), self._spinner] if self._now else []
        if figures is not None:
            now += [Rule(style="dim"), _table(figures)]
        return Group(*now)


def _table(figures: Figures) -> RenderableType:
    table = Table(box=box.SIMPLE_HEAD, title=figures.title, title_style="bold", title_justify="left", pad_edge=False)
    for name in ("", "position", "average entry", "open entries", "take-profits"):
        table.add_column(name, justify="right" if name else "left", min_width=13)
    for row in figures.legs:
        table.add_row(*row, style="green" if row[0] == "LONG" else "magenta")
    return Group(table, Text.assemble("price ", (figures.price, "bold"), "   PnL ", _profit(figures), *figures.rest))


def _profit(figures: Figures) -> tuple[str, str]:
    return figures.pnl, "bold red" if figures.pnl.startswith("-") else "bold green"
