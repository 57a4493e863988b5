"""The strategy's image and what a user may add to its pod."""

from enum import StrEnum
from typing import Annotated, Any

from pydantic import Field

from hedgegrid_api.pieces import (
    ANNOTATIONS,
    ENV,
    LABELS,
    MAYBE_EMPTY_LABEL_VALUE,
    NODE_LABELS,
    QUALIFIED_NAME,
    QUANTITIES,
    VOLUME_MOUNTS,
    VOLUMES,
    Piece,
)
from hedgegrid_api.rules import Rule, Written
from hedgegrid_api.types import Integer, Model

type Json = Any
"""A piece of a core Kubernetes object that is passed on as it is and validated by the API server."""


class PullPolicy(StrEnum):
    """When the kubelet pulls the image."""

    ALWAYS = "Always"
    IF_NOT_PRESENT = "IfNotPresent"
    NEVER = "Never"


class Image(Model):
    """The strategy image; what is absent comes from the operator's settings."""

    repository: (
        Annotated[
            str,
            Written(
                r"^([A-Za-z0-9][A-Za-z0-9.-]*(:[0-9]+)?/)?[a-z0-9][a-z0-9._-]*(/[a-z0-9][a-z0-9._-]*)*$",
                "a repository without tag and digest, like registry.example.com/hedgegrid-strategy",
                max_length=255,
            ),
        ]
        | None
    ) = None
    """Repository, registry included."""
    tag: (
        Annotated[
            str,
            Written(
                r"^[A-Za-z0-9_][A-Za-z0-9_.-]*$",
                "an image tag: at most 128 letters, digits, '_', '.' and '-'",
                max_length=128,
            ),
        ]
        | None
    ) = None
    """Tag; not used where there is a digest."""
    digest: (
        Annotated[
            str,
            Written(r"^sha256:[0-9a-f]{64}$", "sha256: and 64 lower-case hexadecimal digits", max_length=71),
        ]
        | None
    ) = None
    """Digest; outranks the tag."""
    pull_policy: PullPolicy | None = None
    """When the kubelet pulls the image."""


class LocalObjectReference(Model):
    """Name of an object in the same namespace."""

    name: Annotated[
        str,
        Written(
            r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$",
            "the name of an object: lower-case letters, digits, '-' and '.'",
            max_length=253,
        ),
    ]
    """Name of the object."""


class Resources(Model):
    """Compute resources of the strategy container."""

    limits: Annotated[dict[str, str | int], QUANTITIES] = Field(default_factory=dict)
    """Upper bounds, like {cpu: "1", memory: 512Mi}."""
    requests: Annotated[dict[str, str | int], QUANTITIES] = Field(default_factory=dict)
    """What the scheduler reserves, like {cpu: 100m, memory: 256Mi}."""


class TolerationOperator(StrEnum):
    """How a toleration is compared with a taint."""

    EXISTS = "Exists"
    EQUAL = "Equal"


class TaintEffect(StrEnum):
    """What a taint does to pods that don't tolerate it."""

    NO_SCHEDULE = "NoSchedule"
    PREFER_NO_SCHEDULE = "PreferNoSchedule"
    NO_EXECUTE = "NoExecute"


class Toleration(Model):
    """A taint that the pod bears."""

    RULES = (
        Rule(
            at="key",
            cel="has(self.key) || self.operator == 'Exists'",
            holds=lambda found: found.key is not None or found.operator is TolerationOperator.EXISTS,
            message="a toleration without key needs operator: Exists",
        ),
        Rule(
            at="value",
            cel="!has(self.value) || self.value == '' || self.operator == 'Equal'",
            holds=lambda found: not found.value or found.operator is TolerationOperator.EQUAL,
            message="value has no meaning with operator: Exists; remove one of them",
        ),
        Rule(
            at="tolerationSeconds",
            cel="!has(self.tolerationSeconds) || (has(self.effect) && self.effect == 'NoExecute')",
            holds=lambda found: found.toleration_seconds is None or found.effect is TaintEffect.NO_EXECUTE,
            message="tolerationSeconds needs effect: NoExecute",
        ),
    )

    key: Annotated[str, QUALIFIED_NAME] | None = None
    """Key of the taint; absent, with operator Exists: every taint."""
    operator: TolerationOperator = TolerationOperator.EQUAL
    """Exists: any value. Equal: this value."""
    value: Annotated[str, MAYBE_EMPTY_LABEL_VALUE] | None = None
    """Value of the taint; absent: the empty one."""
    effect: TaintEffect | None = None
    """Effect of the taint; absent: every effect."""
    toleration_seconds: Annotated[Integer, Field(ge=0, le=2**31 - 1)] | None = None
    """How long a NoExecute taint is borne, in seconds; absent: for ever."""


class Affinity(Model):
    """Where the pod wants to run, as in a Pod."""

    node_affinity: Annotated[dict[str, Json], Piece()] | None = None
    """Which nodes."""
    pod_affinity: Annotated[dict[str, Json], Piece()] | None = None
    """Near which pods."""
    pod_anti_affinity: Annotated[dict[str, Json], Piece()] | None = None
    """Away from which pods."""


class Pod(Model):
    """Additions to the strategy pod. They can't override what the operator sets."""

    resources: Resources = Resources()
    """Compute resources of the strategy container."""
    node_selector: Annotated[dict[str, str], NODE_LABELS] = Field(default_factory=dict)
    """Labels that the node has to have."""
    tolerations: Annotated[tuple[Toleration, ...], Field(max_length=32)] = ()
    """Taints that the pod bears."""
    affinity: Affinity | None = None
    """Where the pod wants to run, as in a Pod."""
    priority_class_name: (
        Annotated[
            str,
            Written(
                r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$",
                "the name of a priority class: lower-case letters, digits, '-' and '.'",
                max_length=253,
            ),
        ]
        | None
    ) = None
    """Priority class: which pods give way when a node is full. It has to exist."""
    env: Annotated[list[Json], ENV] = Field(default_factory=list)
    """Environment variables of the strategy container, as in a Pod. Names that begin with HEDGEGRID_ or POD_ are the
    operator's own."""
    labels: Annotated[dict[str, str], LABELS] = Field(default_factory=dict)
    """Labels of the pod."""
    annotations: Annotated[dict[str, str], ANNOTATIONS] = Field(default_factory=dict)
    """Annotations of the pod."""
    volumes: Annotated[list[Json], VOLUMES] = Field(default_factory=list)
    """Volumes of the pod, as in a Pod. Names that begin with hedgegrid- are the operator's own."""
    volume_mounts: Annotated[list[Json], VOLUME_MOUNTS] = Field(default_factory=list)
    """Mounts of volumes into the strategy container, as in a Pod. /etc/hedgegrid and /var/lib/hedgegrid are the
    operator's own."""
