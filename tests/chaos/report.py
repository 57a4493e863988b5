"""What a run tells: counts, and what was wrong with the lines of the diary around it."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass

from tests.chaos.evidence import Violation


@dataclass(frozen=True, slots=True)
class Wrong:
    """A violation with what happened about it."""

    violation: Violation
    around: list[str]

    @property
    def line(self) -> str:
        """What is wrong, without what happened about it."""
        found = self.violation
        return f"{found.kind}: {found.grid}: {found.what}"


@dataclass(frozen=True, slots=True)
class Report:
    """A whole run."""

    seed: int
    minutes: float
    """Asked for."""
    seconds: float
    """From the first fault to the end of the last one."""
    rest_seconds: float
    """From there until nothing moved any more."""
    faults: Mapping[str, int]
    patches: Mapping[str, int]
    lives: int
    """Objects that were made."""
    commands: int
    """Lines of the venues' order logs."""
    fills: int
    sightings: int
    """Different states of the pods' stores that were seen."""
    held: int
    """Kills that stood until the venue was flat, or 15 s."""
    reached: int
    """Those that were flat by then."""
    wrong: tuple[Wrong, ...]
    diary: tuple[str, ...]
    """What happened when; in the file only."""

    @property
    def rate(self) -> float:
        """Faults a minute."""
        return sum(self.faults.values()) / (self.seconds / 60) if self.seconds else 0.0

    def json(self) -> str:
        """For a program."""
        return json.dumps(asdict(self) | {"rate": round(self.rate, 1)}, indent=1, default=str)

    def text(self) -> str:
        """For a person."""
        counted = [f"  {count:4}  {kind}" for kind, count in sorted(self.faults.items())]
        changes = ", ".join(f"{count} {kind}" for kind, count in sorted(self.patches.items()))
        lines = [
            f"chaos: seed {self.seed}, {self.minutes:g} min",
            f"{sum(self.faults.values())} faults in {self.seconds:.0f} s, {self.rate:.1f} a minute:",
            *counted,
            f"patches: {changes}",
            f"{self.held} kills stood, {self.reached} of them were flat within 15 s, faults and all",
            f"at rest {self.rest_seconds:.0f} s after the last fault",
            f"audited: {self.lives} objects, {self.commands} commands and {self.fills} fills at their venues, "
            f"{self.sightings} states of their stores",
        ]
        for wrong in self.wrong:
            lines += [wrong.line, *(f"    {line}" for line in wrong.around)]
        return "\n".join([*lines, self.verdict()])

    def verdict(self) -> str:
        """How many violations, and each of them in a line; comes last, so that a cut log still has it."""
        return "\n".join([f"{len(self.wrong)} violations", *(wrong.line for wrong in self.wrong)])
