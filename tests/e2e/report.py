"""The times of an end-to-end run: of the cluster's start, of each step, of the whole."""

import json
import time
from dataclasses import dataclass, field
from pathlib import Path

from tests.kube.real import RealCluster


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

    def add_cluster(self, name: str, cluster: RealCluster) -> None:
        """Its version, and the stages of its start, each from the start."""
        self.figures[f"{name}, Kubernetes"] = cluster.version
        self.preparation |= {f"{name}: {stage}": seconds for stage, seconds in cluster.timings.items()}

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
