"""`python -m tests.kube binaries`: have the Kubernetes programs, and Helm, ready before something needs them.

`tools`: the same for what only tests need: the Prometheus Operator, kube-state-metrics, an old Kubernetes' check of
definitions.
"""

import argparse
import sys

from tests.kube.binaries import find_binaries
from tests.kube.errors import ClusterUnavailable
from tests.kube.gobuild import BuildError
from tests.kube.helm import NEWEST, OLDEST, HelmUnavailable, find_helm
from tests.kube.kube_state_metrics import find_kube_state_metrics
from tests.kube.oldest import find_accepts
from tests.kube.prometheus_operator import find_prometheus_operator


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.kube", description=__doc__)
    commands = parser.add_subparsers(required=True)
    for name, find, what in (
        ("binaries", _find_binaries, "find, download or build what runs Kubernetes, and Helm"),
        ("tools", _find_tools, "find or build what only tests need"),
    ):
        commands.add_parser(name, help=what).set_defaults(find=find)
    try:
        parser.parse_args().find()
    except ClusterUnavailable as reason:
        print(f"error: {reason}", file=sys.stderr)
        return 1
    except (HelmUnavailable, BuildError) as reason:
        # The tests that need it say so and are skipped.
        print(f"warning: {reason}", file=sys.stderr)
    except KeyboardInterrupt:
        print("error: interrupted; the next run begins this step anew", file=sys.stderr)
        return 130
    return 0


def _find_binaries() -> None:
    find_binaries()
    for edition in (NEWEST, OLDEST):
        find_helm(edition=edition)


def _find_tools() -> None:
    find_prometheus_operator()
    find_kube_state_metrics()
    find_accepts()


if __name__ == "__main__":
    sys.exit(main())
