"""The story as plain lines, for files and pipes."""

import time

from tests.demo.stage import Source


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

    def waiting(self, expected: str) -> None:
        pass  # lines tell what has happened

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
