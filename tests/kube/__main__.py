"""`python -m tests.kube binaries`: have the Kubernetes programs, and Helm, ready before something needs them."""

import argparse
import sys

from tests.kube.binaries import find_binaries
from tests.kube.errors import ClusterUnavailable
from tests.kube.helm import HelmUnavailable, find_helm


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.kube", description=__doc__)
    commands = parser.add_subparsers(required=True)
    commands.add_parser("binaries", help="find, download or build what runs Kubernetes, and Helm")
    parser.parse_args()
    try:
        find_binaries()
        find_helm()
    except ClusterUnavailable as reason:
        print(f"error: {reason}", file=sys.stderr)
        return 1
    except HelmUnavailable as reason:
        # The tests that need it say so and are skipped.
        print(f"warning: {reason}", file=sys.stderr)
    except KeyboardInterrupt:
        print("error: interrupted; the next run begins this step anew", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
