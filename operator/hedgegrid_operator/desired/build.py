"""All manifests of a grid, but the Secret, whose keys are read first."""

from dataclasses import dataclass

from hedgegrid_api.v1alpha1 import HedgeGridSpec, Update
from hedgegrid_operator.desired.config_map import config_hash, config_map
from hedgegrid_operator.desired.own_watch import role, role_binding
from hedgegrid_operator.desired.service import service
from hedgegrid_operator.desired.service_account import service_account
from hedgegrid_operator.desired.stateful_set import ImageDefaults, revision_of, stateful_set
from hedgegrid_operator.objects import (
    CONFIG_MAP,
    ROLE,
    ROLE_BINDING,
    SERVICE,
    SERVICE_ACCOUNT,
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

    @property
    def stateful_set(self) -> Json:
        """The StatefulSet."""
        return unpacked(self.packed_set)

    @property
    def others(self) -> tuple[tuple[Kind, Json], ...]:
        """Everything that the pod needs beforehand."""
        return tuple((kind, unpacked(text)) for kind, text in self.packed_others)


def desired(grid: GridRef, spec: HedgeGridSpec, content: dict[str, str], defaults: ImageDefaults) -> Desired:
    """The manifests for a spec and the content of its ConfigMap."""
    digest = config_hash(content)
    sets = stateful_set(grid, spec, digest, defaults)
    others = (
        (SERVICE_ACCOUNT, service_account(grid)),
        (ROLE, role(grid)),
        (ROLE_BINDING, role_binding(grid)),
        (CONFIG_MAP, config_map(grid, content)),
        (SERVICE, service(grid)),
    )
    return Desired(
        config_hash=digest,
        revision=revision_of(sets),
        update=spec.update,
        packed_set=packed(sets),
        packed_others=tuple((kind, packed(manifest)) for kind, manifest in others),
    )
