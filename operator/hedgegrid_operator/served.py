"""Kinds that a cluster may lack, those of the Prometheus Operator: whether it has them, looked up again and again.

Nothing of a grid depends on them: where one isn't served, or where we have no right to it, it is left out.
"""

import logging
from collections.abc import Generator
from contextlib import contextmanager

from hedgegrid_operator.kube import ApiError, Kube, NotServedError
from hedgegrid_operator.objects import PROMETHEUS_RULE, SERVICE_MONITOR, Kind

log = logging.getLogger(__name__)

OPTIONAL = (SERVICE_MONITOR, PROMETHEUS_RULE)
"""All of one group and version."""


class Served:
    """Which of them the cluster has."""

    def __init__(self, kube: Kube) -> None:
        self._kube = kube
        self.kinds: tuple[Kind, ...] = ()
        """As last looked up."""

    async def look(self) -> bool:
        """Look them up; whether that has changed anything. Raises what `Kube` raises."""
        offered = await self._kube.resources(SERVICE_MONITOR.group, SERVICE_MONITOR.version)
        before, self.kinds = self.kinds, tuple(kind for kind in OPTIONAL if kind.plural in offered)
        if self.kinds != before:
            log.info("kinds of the Prometheus Operator", extra={"served": [kind.kind for kind in self.kinds]})
        return self.kinds != before

    def missed(self, kind: Kind) -> None:
        """One of them wasn't there: to whom it matters is woken when it is found again."""
        self.kinds = tuple(known for known in self.kinds if known is not kind)


@contextmanager
def left_out(kind: Kind) -> Generator[None]:
    """A kind that isn't served any more, or that we may not touch, holds up nothing if it is one of these."""
    try:
        yield
    except (ApiError, NotServedError) as error:
        if kind not in OPTIONAL or (isinstance(error, ApiError) and not error.refused):
            raise
        log.warning("%s is left out: %s", kind.kind, error)
