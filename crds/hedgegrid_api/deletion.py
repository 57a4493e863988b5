"""What the deletion of an object asks of its pod, read without the full model: operator and pod read it alike."""

from collections.abc import Mapping
from typing import Any, cast

from hedgegrid_api.control import DeletionIntent
from hedgegrid_api.types import LegLevel
from hedgegrid_api.v1alpha1 import DeletionPolicy

_NEEDS_WRITTEN = "live"
"""The mode in which nothing is closed that nobody has written down."""
LEVELS = {
    DeletionIntent.NONE: LegLevel.OPEN,
    DeletionIntent.CANCEL_ORDERS: LegLevel.HALTED,
    DeletionIntent.FLATTEN: LegLevel.FLAT,
}
"""How far each intent holds both legs back."""


def policy_of(spec: Mapping[str, Any]) -> DeletionPolicy | None:
    """Policy of a spec, absent meaning Flatten; None where it isn't known: a word of another schema, or none in mode
    live, which has to write it.
    """
    group: Any = spec.get("deletion")
    written = cast("Mapping[str, Any]", group).get("policy") if isinstance(group, Mapping) else None
    if written is None:
        return None if spec.get("mode") == _NEEDS_WRITTEN else DeletionPolicy.FLATTEN
    return next((policy for policy in DeletionPolicy if policy.value == written), None)


def intent_of(policy: DeletionPolicy | None) -> DeletionIntent:
    """What a policy asks of the pod. Under Orphan and under one that isn't known nothing may open any more, and nothing
    is closed.
    """
    return DeletionIntent.FLATTEN if policy is DeletionPolicy.FLATTEN else DeletionIntent.CANCEL_ORDERS
