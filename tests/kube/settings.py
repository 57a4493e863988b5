"""What a cluster is to be, on its way from the process that wants it to the host that runs it."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class ClusterSettings:
    """Crosses a command line as JSON."""

    binaries: str | None
    """Folder of the Kubernetes programs; None where the cluster is there already."""
    programs: str
    """Folder of programs that stands for an image, put first in PATH."""
    images: Mapping[str, str]
    """The same for single image repositories."""
    network_faults: bool
    """Put a relay in front of every pod."""
    pods_run: bool
    """Play the kubelet; without it pods stay as they are made."""
    began: float
    """time.monotonic() when the cluster was asked for; timings count from here."""

    def encode(self) -> str:
        """As one argument."""
        return json.dumps(asdict(self))

    @classmethod
    def decode(cls, text: str) -> "ClusterSettings":
        """From the argument."""
        return cls(**json.loads(text))
