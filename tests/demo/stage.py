"""Shows the story: live and in colours in a terminal, in plain lines elsewhere."""

import os
import sys
import time
from collections.abc import Callable
from typing import Protocol

from rich import box
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.padding import Padding
from rich.rule import Rule
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from tests.demo.figures import Figures

FRAMES_PER_SECOND = 8

type Source = Callable[[], Figures | None]
"""The figures now, None while there are none; called from any thread."""


class Stage(Protocol):
    """Where a story is told. The time of a line counts from the beginning of its step."""

    def begin(self, number: int, of: int, title: str, figures: Source) -> None:
        """A step begins."""
        ...

    def command(self, text: str) -> None:
        """What a user would type, at the moment when it is done."""
        ...

    def remark(self, text: str) -> None:
        """What a spectator may want to know."""
        ...

    def saw(self, text: str) -> None:
        """Something that was expected has been seen."""
        ...

    def figures(self) -> None:
        """A good moment to look at the figures."""
        ...

    def failed(self, step: str, expected: str, seen: str) -> None:
        """The step that was not seen."""
        ...

    def text(self, lines: str) -> None:
        """Anything before the first and after the last step."""
        ...

    def close(self) -> None:
        """Leave the terminal as it was."""
        ...


def stage() -> Stage:
    """For where this process runs."""
    plain = (
        not sys.stdout.isatty() or "NO_COLOR" in os.environ or "CI" in os.environ or os.environ.get("TERM") == "dumb"
    )
    return PlainStage() if plain else LiveStage()


class PlainStage:
    """Lines, for files and pipes."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._figures: Source = lambda: None

    def begin(self, number: int, of: int, title: str, figures: Source) -> None:
        self._began, self._figures = time.monotonic(), figures
        self.text(f"\n[{number}/{of}] {title}")

    def command(self, text: str) -> None:
        self.text(f"  $ {text}")

    def remark(self, text: str) -> None:
        self.text(f"          {text}")

    def saw(self, text: str) -> None:
        self.text(f"  {time.monotonic() - self._began:6.2f} s  ok  {text}")

    def figures(self) -> None:
        figures = self._figures()
        if figures is not None:
            self.text("\n".join(f"          {line}" for line in figures.lines()))

    def failed(self, step: str, expected: str, seen: str) -> None:
        self.text(
            f"  {time.monotonic() - self._began:6.2f} s  NOT SEEN: {step}\n  expected  {expected}\n  seen      {seen}"
        )

    def text(self, lines: str) -> None:
        print(lines, flush=True)

    def close(self) -> None:
        pass


class LiveStage:
    """A terminal: what has been told scrolls up, the present step and the figures move below it."""

    def __init__(self) -> None:
        self._console = Console(highlight=False)
        self._began = time.monotonic()
        self._figures: Source = lambda: None
        self._spinner = Spinner("dots", style="cyan")
        self._step = ""
        self._waiting = ""
        self._live = Live(
            console=self._console, get_renderable=self._moving, refresh_per_second=FRAMES_PER_SECOND, transient=True
        )
        self._live.start()

    def begin(self, number: int, of: int, title: str, figures: Source) -> None:
        self._began, self._figures = time.monotonic(), figures
        self._step, self._waiting = title, ""
        self._console.print()
        self._console.print(Text.assemble((f" {number}/{of} ", "bold black on cyan"), " ", (title, "bold")))

    def command(self, text: str) -> None:
        self._waiting = text
        self._console.print(Text.assemble(("  $ ", "green"), (text, "bold green")))

    def remark(self, text: str) -> None:
        self._console.print(Padding(Text(text, style="dim"), (0, 0, 0, 11)))

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
        self._spinner.update(text=Text(f"{self._step} · {elapsed:.1f} s", style="cyan"))
        now: list[RenderableType] = [Text(), self._spinner] if self._step else []
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
