"""All manifests of a grid, but the Secret, whose keys are read first."""

from collections.abc import Iterator
from dataclasses import dataclass

from hedgegrid_api.v1alpha1 import HedgeGridSpec, Update
from hedgegrid_operator.desired.config_map import config_hash, config_map
from hedgegrid_operator.desired.network_policy import Access, network_policy
from hedgegrid_operator.desired.own_watch import role, role_binding
from hedgegrid_operator.desired.prometheus_rule import prometheus_rule
from hedgegrid_operator.desired.service import service
from hedgegrid_operator.desired.service_account import service_account
from hedgegrid_operator.desired.service_monitor import service_monitor
from hedgegrid_operator.desired.stateful_set import ImageDefaults, revision_of, stateful_set
from hedgegrid_operator.objects import (
    CONFIG_MAP,
    NETWORK_POLICY,
    PROMETHEUS_RULE,
    ROLE,
    ROLE_BINDING,
    SERVICE,
    SERVICE_ACCOUNT,
    SERVICE_MONITOR,
    GridRef,
    Json,
    Kind,
    packed,
    unpacked,
)


@dataclass(frozen=True, slots=True)
class Desired:
    """What a generation of the spec asks for; manifests are kept packed."""

    config_hash: str
    revision: str
    """Hash of the pod template."""
    update: Update
    """When a changed template may restart the pod."""
    packed_set: bytes
    packed_others: tuple[tuple[Kind, bytes], ...]
    packed_monitors: tuple[tuple[Kind, bytes], ...] = ()

    @property
    def stateful_set(self) -> Json:
        """The StatefulSet."""
        return unpacked(self.packed_set)

    @property
    def others(self) -> tuple[tuple[Kind, Json], ...]:
        """Everything that the pod needs beforehand."""
        return tuple((kind, unpacked(text)) for kind, text in self.packed_others)

    @property
    def monitors(self) -> tuple[tuple[Kind, Json], ...]:
        """What watches the pod, of kinds that the cluster may lack."""
        return tuple((kind, unpacked(text)) for kind, text in self.packed_monitors)

    @property
    def kinds(self) -> frozenset[Kind]:
        """Kinds of everything but the StatefulSet."""
        return frozenset(kind for kind, _ in (*self.packed_others, *self.packed_monitors))


def desired(
    grid: GridRef,
    spec: HedgeGridSpec,
    content: dict[str, str],
    defaults: ImageDefaults,
    access: Access | None = None,
    runbooks: str = "",
) -> Desired:
    """The manifests for a spec and the content of its ConfigMap. `access`: None makes no NetworkPolicy; `runbooks`:
    where the pages of alerts are.
    """
    digest = config_hash(content)
    sets = stateful_set(grid, spec, digest, defaults)
    others = [
        (SERVICE_ACCOUNT, service_account(grid)),
        (ROLE, role(grid)),
        (ROLE_BINDING, role_binding(grid)),
        (CONFIG_MAP, config_map(grid, content)),
        (SERVICE, service(grid)),
    ]
    if access is not None:
        others.append((NETWORK_POLICY, network_policy(grid, access)))
    return Desired(
        config_hash=digest,
        revision=revision_of(sets),
        update=spec.update,
        packed_set=packed(sets),
        packed_others=tuple((kind, packed(manifest)) for kind, manifest in others),
        packed_monitors=tuple((kind, packed(manifest)) for kind, manifest in _monitors(grid, spec, runbooks)),
    )


def _monitors(grid: GridRef, spec: HedgeGridSpec, runbooks: str) -> Iterator[tuple[Kind, Json]]:
    wanted = spec.monitoring
    if wanted.service_monitor.enabled:
        yield SERVICE_MONITOR, service_monitor(grid, wanted.service_monitor)
    if wanted.prometheus_rule.enabled:
        yield PROMETHEUS_RULE, prometheus_rule(grid, wanted.prometheus_rule, runbooks)
