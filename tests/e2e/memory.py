"""A container that runs out of memory at a moment of the test's choosing."""

import subprocess
import sys
from pathlib import Path

from tests.kube.node import Node, cgroups

EAT_SECONDS = 60
LIMIT_FILES = ("memory.limit_in_bytes", "memory.max")

# Joins the container's group and fills it. The kernel ends whom the score makes the easiest to do without, and that is
# the container's own program: the kubelet has raised its score.
_EATER = """
import os, sys
open(sys.argv[1], "w").write(str(os.getpid()))
kept = bytearray()
for _ in range(int(sys.argv[2]) >> 20):
    kept += bytes([1]) * (1 << 20)
"""


def container_cgroup(node: Node, container_id: str) -> Path:
    """The folder of a running container, by the containerID of its status, where its memory is limited."""
    name = container_id.rpartition("/")[2]
    for hierarchy in (cgroups.ROOT / "memory", cgroups.ROOT):
        found = next((hierarchy / node.folder.name).glob(f"**/{name}"), None)
        if found:
            return found
    raise LookupError(f"no cgroup of container {container_id} below {node.folder.name}")


def exhaust(group: Path) -> None:
    """Use up the memory of a group until its limit has been hit; returns when the eater has ended, too."""
    limit = next((group / file).read_text() for file in LIMIT_FILES if (group / file).exists())
    eater = [sys.executable, "-c", _EATER, str(group / "cgroup.procs"), limit]
    # However it ends: it stops at the limit, or is killed there itself.
    subprocess.run(eater, timeout=EAT_SECONDS, check=False)
