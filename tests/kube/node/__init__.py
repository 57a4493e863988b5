"""A real node: kubelet, containerd and all that runs pods as a cluster does, made and removed by the test code.

    with Node() as node:
        node.load(archive)
        node.kubectl("apply", "-f", "examples/sim-btc.yaml")

Linux and root. Everything is inside one process with mount, network and PID namespaces of its own (keeper.py), so that
after any end, SIGKILL included, no mount, namespace, cgroup, process or file of it is left on the machine.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.kube.node.node import Node, prepare

__all__ = ["Node", "prepare"]


def __getattr__(name: str) -> object:
    # Imported when asked for: the keeper lives in this package too, and has to start fast.
    if name not in __all__:
        raise AttributeError(name)
    return getattr(import_module("tests.kube.node.node"), name)
