"""`kubectl port-forward` as a person runs it."""

import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

from tests.kube.access import Access

_LISTENS = re.compile(r"Forwarding from 127\.0\.0\.1:(\d+)")


@contextmanager
def port_forward(cluster: Access, namespace: str, target: str, port: int) -> Iterator[int]:
    """The loopback port that leads to `port` of `target` (pod/NAME, svc/NAME) meanwhile.

    Raises RuntimeError with what kubectl said instead.
    """
    command = [
        *(str(cluster.kubectl_path), f"--kubeconfig={cluster.kubeconfig}", f"--namespace={namespace}"),
        *("port-forward", "--address=127.0.0.1", target, f":{port}"),
    ]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        found = _LISTENS.search(line)
        if not found:
            raise RuntimeError(f"kubectl port-forward {target}: {line.strip() or 'it ended without a word'}")
        yield int(found[1])
    finally:
        process.kill()
        process.communicate()
