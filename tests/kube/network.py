"""A block of loopback addresses, 127.x.0.0/16, that only one cluster of this machine uses.

A block is reserved by a socket in the abstract Unix namespace: the name belongs to exactly the network namespace whose
loopback it stands for, it is free again the moment its owner dies, and no file is left.

    127.x.0.1                   etcd, API server, the node's own HTTPS endpoint
    127.x.0.2                   a relay to the API server, for pods
    127.x.1.1 … 127.x.127.254   pods (status.podIP)
    127.x.129.1 …               where a pod's process listens behind a relay: its address, 128 added to the third part
"""

import contextlib
import errno
import socket
from dataclasses import dataclass

FIRST_BLOCK, LAST_BLOCK = 16, 250
HOSTS_A_ROW = 254
POD_ROWS = 127


@dataclass(frozen=True)
class Block:
    """127.<number>.0.0/16."""

    number: int

    @property
    def node_address(self) -> str:
        """Where the daemons and the node listen."""
        return f"127.{self.number}.0.1"

    @property
    def relay_address(self) -> str:
        """Where pods find the API server, when the way there can break."""
        return f"127.{self.number}.0.2"

    def pod_address(self, index: int) -> str:
        """The address of the pod with this index, counted from 0."""
        row, host = divmod(index, HOSTS_A_ROW)
        if row >= POD_ROWS:
            raise ValueError(f"a block has {POD_ROWS * HOSTS_A_ROW} pod addresses, index {index} asked for")
        return f"127.{self.number}.{row + 1}.{host + 1}"


def hidden_address(pod_address: str) -> str:
    """Where the process of a pod listens when a relay has the pod's own address."""
    first, block, row, host = pod_address.split(".")
    return f"{first}.{block}.{int(row) + 128}.{host}"


class Reservation:
    """Holds a block until closed, or until this process ends."""

    def __init__(self) -> None:
        for number in range(FIRST_BLOCK, LAST_BLOCK + 1):
            claim = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            try:
                claim.bind(f"\0hedgegrid-kube-127.{number}")
            except OSError as error:
                claim.close()
                if error.errno != errno.EADDRINUSE:
                    raise
                continue
            self._claim = claim
            self.block = Block(number)
            return
        raise OSError(errno.EADDRNOTAVAIL, f"all blocks 127.{FIRST_BLOCK}–{LAST_BLOCK} are taken by other clusters")

    def close(self) -> None:
        """Give the block back."""
        self._claim.close()


def free_ports(address: str, count: int) -> list[int]:
    """Different TCP ports that nobody listens on at `address`, wildcard listeners of other programs counted."""
    with contextlib.ExitStack() as probes:
        sockets = [probes.enter_context(socket.socket()) for _ in range(count)]
        for probe in sockets:
            probe.bind((address, 0))
        return [int(probe.getsockname()[1]) for probe in sockets]
