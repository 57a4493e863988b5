"""kind, for machines where Docker runs: the same cluster that everybody else tests on.

with Kind() as cluster:
    cluster.load(archive)
    cluster.kubectl("apply", "-f", "examples/sim-btc.yaml")
"""

from tests.kube.kind.kind import Kind, prepare

__all__ = ["Kind", "prepare"]
