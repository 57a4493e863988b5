"""NetworkPolicies in force on a node: kube-router's firewall, built from its Go module once.

The node's own network, pairs of interfaces and routes, knows nothing of policies.
"""

from pathlib import Path

from tests.kube import gobuild
from tests.kube.binaries import cached
from tests.kube.errors import ClusterUnavailable
from tests.kube.gobuild import BuildError, Target
from tests.kube.node import packages
from tests.kube.node.node import Node
from tests.kube.progress import Say
from tests.kube.release import PLATFORM
from tests.kube.waiting import wait_until

VERSION = "2.1.0"
"""As in router/go.mod."""
PROGRAM = "kube-router"
TARGET = Target(
    what=f"kube-router {VERSION}",
    source=Path(__file__).parents[1] / "router",
    program=PROGRAM,
    package=f"github.com/cloudnativelabs/kube-router/v2/cmd/{PROGRAM}",
)
CHAIN = "KUBE-ROUTER-FORWARD"
START_SECONDS = 60.0


def prepare(say: Say) -> Path:
    """The program, built where the cache has none; packages too. Raises ClusterUnavailable where that can't be."""
    packages.install_missing(say, {"ipset": "ipset"})
    try:
        folder = cached(f"{PROGRAM}-{VERSION}-{PLATFORM}", lambda made, told: gobuild.build(made, told, TARGET), say)
    except BuildError as reason:
        raise ClusterUnavailable(f"nothing that holds pods to NetworkPolicies: {reason}") from reason
    return folder / PROGRAM


def hold(node: Node, program: Path) -> None:
    """Hold the node's pods to NetworkPolicies from now on, by what `prepare` has found."""
    daemon = node.launch_firewall(str(program))

    def holds() -> bool:
        daemon.check()
        return f"-N {CHAIN}" in node.inside.run("iptables", "--list-rules").stdout.decode()

    wait_until(holds, START_SECONDS, "kube-router to hold pods to policies")
