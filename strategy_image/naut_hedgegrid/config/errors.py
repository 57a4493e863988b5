"""What is wrong with a file, in words that name the place, the value and the remedy."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake in a file."""

    message: str
    """What is there, what is allowed and what to do; begins with the field where there is one."""
    field: str = ""
    """Dotted path as it is written in the file, like `tiers[0].mmr`; empty for the file as a whole."""
    line: int | None = None
    """Line, from 1; of the group where the field is missing; None for the file as a whole."""


class ConfigError(Exception):
    """A configuration file that can't be used. Its text has one line for each problem: `file:line: message`."""

    def __init__(self, file: Path, *problems: Problem) -> None:
        self.file = file
        self.problems = tuple(sorted(problems, key=lambda problem: problem.line or 0))
        super().__init__("\n".join(self._line(problem) for problem in self.problems))

    def _line(self, problem: Problem) -> str:
        place = str(self.file) if problem.line is None else f"{self.file}:{problem.line}"
        return f"{place}: {problem.message}"
