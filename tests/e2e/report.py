"""The times of an end-to-end run: of the node, of each step, of the whole."""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Report:
    """Filled while the run goes on; seconds throughout."""

    began: float = field(default_factory=time.monotonic)
    preparation: dict[str, float] = field(default_factory=dict)
    """Each thing that was made before the first step, and how long it took."""
    steps: dict[str, float] = field(default_factory=dict)
    """Each step, with what it had to set up, in the order of the story."""
    figures: dict[str, str] = field(default_factory=dict)
    """What was measured on the way, with its unit."""

    def add_node(self, timings: Mapping[str, float]) -> None:
        """Stages of the node's start, each from the start."""
        self.preparation |= {f"node: {stage}": seconds for stage, seconds in timings.items()}

    def lines(self) -> list[str]:
        """A table."""
        rows = [*self.preparation.items(), *self.steps.items(), ("the whole", time.monotonic() - self.began)]
        return [
            *(f"{seconds:7.1f} s  {name}" for name, seconds in rows),
            *(f"  {name}: {value}" for name, value in self.figures.items()),
        ]

    def write(self, path: Path) -> None:
        """The same as JSON."""
        content = {
            "preparation": self.preparation,
            "steps": self.steps,
            "figures": self.figures,
            "whole": time.monotonic() - self.began,
        }
        path.write_text(json.dumps(content, indent=1) + "\n")
