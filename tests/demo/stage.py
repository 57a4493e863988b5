"""Where the story is told to a person."""

from collections.abc import Callable
from typing import Protocol

from tests.demo.figures import Figures

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

    def waiting(self, expected: str) -> None:
        """What is to be seen next."""
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
