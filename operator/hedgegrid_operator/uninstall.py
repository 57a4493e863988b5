"""`python -m hedgegrid_operator.uninstall`: may this operator go? The chart asks before it is uninstalled.

Exit code 0 where no HedgeGrid is left that this installation runs; else 1, with their names and both ways on.
"""

import argparse
import asyncio
import sys
from collections.abc import Iterable, Sequence

from kubernetes.aio.config import ConfigException

from hedgegrid_api.text import shown
from hedgegrid_operator.credentials import CredentialSource
from hedgegrid_operator.installation import is_stranger
from hedgegrid_operator.kube import ApiError, ApiUnreachableError, Kube
from hedgegrid_operator.metrics import Metrics
from hedgegrid_operator.objects import HEDGE_GRID, INSTALLATION_ANNOTATION, Json, annotations_of, metadata
from hedgegrid_operator.settings import Settings, parse

_NAMES_MAX = 50


def own_grids(grids: Iterable[Json], installation: str) -> list[str]:
    """namespace/name of the grids that this installation runs, or would run."""
    own = (grid for grid in grids if not is_stranger(annotations_of(grid).get(INSTALLATION_ANNOTATION), installation))
    return sorted(f"{metadata(grid).get('namespace')}/{metadata(grid).get('name')}" for grid in own)


def refusal(names: Sequence[str], release: str) -> str:
    """What a person reads who uninstalls an operator that still has grids.

    `release` is its name and revision, as `helm rollback` takes them.
    """
    listed = [f"  {name}" for name in names[:_NAMES_MAX]]
    more = [f"  and {len(names) - _NAMES_MAX} more"] if len(names) > _NAMES_MAX else []
    namespaces = sorted({name.partition("/")[0] for name in names})
    deletions = [f"  kubectl -n {namespace} delete hedgegrids --all" for namespace in namespaces]
    return "\n".join(
        [
            f"The operator stays: {len(names)} HedgeGrid{'s' if len(names) > 1 else ''} would be left without it.",
            *listed,
            *more,
            "Either let it delete them, each as its deletion.policy says, and uninstall then:",
            *deletions,
            "or leave them to their pods: helm uninstall --no-hooks. They trade on, and a kill switch in their object "
            "still reaches them by their own watch; nobody writes their status or renews their certificates, and a "
            "deletion waits until the chart is installed again.",
            f"To keep it: helm rollback {release}, since Helm has marked the release and upgrades none in that state.",
        ]
    )


async def _grids(settings: Settings) -> list[Json]:
    source = CredentialSource(settings.kubeconfig, settings.context, settings.service_account_dir)
    found: list[Json] = []
    async with Kube(source, Metrics(), settings.request_timeout, may_write=lambda: False) as kube:
        for namespace in settings.namespaces:
            async for page, _ in kube.pages(HEDGE_GRID, namespace, metadata_only=True):
                found += page
    return found


def main() -> int:
    """Look; the exit code."""
    parser = argparse.ArgumentParser(description="Says whether HedgeGrids would be left without an operator.")
    parser.add_argument("--release", default="RELEASE REVISION", help="for the message: name and revision in Helm")
    own, others = parser.parse_known_args()
    settings = parse(others)
    try:
        names = own_grids(asyncio.run(_grids(settings)), settings.own_installation)
    except ApiError as error:
        if error.status != 404:
            return _unknown(error)
        names = []  # the kind isn't served: there can be no object of it
    except (ApiUnreachableError, ConfigException, OSError) as error:
        return _unknown(error)
    if names:
        sys.stdout.write(f"{refusal(names, own.release)}\n")
        return 1
    sys.stdout.write("No HedgeGrid is left: the operator may go.\n")
    return 0


def _unknown(error: Exception) -> int:
    told = shown(str(error), 512)
    sys.stdout.write(
        f"The operator stays: whether there are HedgeGrids can't be seen: {told}\n"
        "If you know that there are none: helm uninstall --no-hooks.\n"
    )
    return 1


if __name__ == "__main__":
    sys.exit(main())
