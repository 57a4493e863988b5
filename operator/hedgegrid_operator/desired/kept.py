"""The pod template as applied, kept on the StatefulSet itself, so that an operator that has just started can put it
back while a newer one waits. Pure.

It lies compressed in an annotation. The revision, a hash of the template, says whether it is what was applied; one that
somebody touched counts as not there.
"""

import base64
import binascii
import copy
import hashlib
import json
import zlib

from hedgegrid_operator.objects import (
    REVISION_ANNOTATION,
    TEMPLATE_ANNOTATION,
    Json,
    annotations_of,
    as_object,
    items,
    metadata,
    section,
)

CONFIG_VOLUME = "hedgegrid-config"
"""Name of the pod's volume with the configuration."""
_LARGEST = 100_000
"""Characters. An object's annotations may be 256 KiB together; a template beyond this isn't kept."""
_UNPACKED_MAX = 4 * 1024 * 1024
"""Bytes. An object is smaller than that; whoever may write the annotation could make it unpack to gigabytes."""


def revision_of_template(template: Json) -> str:
    """Ten hexadecimal digits that name a template."""
    return hashlib.sha256(json.dumps(template, sort_keys=True).encode()).hexdigest()[:10]


def packed(template: Json) -> dict[str, str]:
    """The annotation that keeps a template; none where it is too large."""
    text = json.dumps(template, sort_keys=True, separators=(",", ":")).encode()
    found = base64.b64encode(zlib.compress(text)).decode()
    return {TEMPLATE_ANNOTATION: found} if len(found) <= _LARGEST else {}


def kept(stateful_set: Json) -> Json | None:
    """The template that was applied, from a StatefulSet as it is now; None where it isn't known."""
    annotations = annotations_of(stateful_set)
    try:
        data = base64.b64decode(annotations.get(TEMPLATE_ANNOTATION, ""), validate=True)
        text = zlib.decompressobj().decompress(data, _UNPACKED_MAX)
        template = as_object(json.loads(text))
    except (ValueError, binascii.Error, zlib.error):
        return None
    return template if revision_of_template(template) == annotations.get(REVISION_ANNOTATION) else None


def restored(wanted: Json, template: Json) -> Json:
    """The manifest of a StatefulSet with an earlier template."""
    manifest = copy.deepcopy(wanted)
    revision = revision_of_template(template)
    metadata(manifest)["annotations"] = {REVISION_ANNOTATION: revision, **packed(template)}
    inside = copy.deepcopy(template)
    inside["metadata"]["annotations"][REVISION_ANNOTATION] = revision
    manifest["spec"]["template"] = inside
    return manifest


def config_map_of(pod_spec: Json) -> str | None:
    """Name of the ConfigMap that a pod's configuration comes from."""
    volumes = (found for found in items(pod_spec, "volumes") if found.get("name") == CONFIG_VOLUME)
    return next((str(section(found, "configMap").get("name")) for found in volumes), None)
