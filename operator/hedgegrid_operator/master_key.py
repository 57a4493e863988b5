"""The master key of the pods' API: made at the first start, read at start only."""

import asyncio
import base64
import logging
import secrets

from hedgegrid_operator.kube import ApiError, ApiUnreachableError, Kube
from hedgegrid_operator.objects import SECRET, Json, section

log = logging.getLogger(__name__)

_KEY = "master"
_PAUSE = 2.0


async def master_key(kube: Kube, namespace: str, name: str) -> bytes:
    """The key, from its Secret; waits while the API server won't give it. Raises `ValueError` if none is in it."""
    while True:
        try:
            found = await kube.get(SECRET, namespace, name)
            if found is None:
                found = await kube.create(SECRET, namespace, _new(name))
                log.info("master key made", extra={"secret": f"{namespace}/{name}"})
            return _key_in(found, f"Secret {namespace}/{name}")
        except (ApiError, ApiUnreachableError) as error:
            # Not there yet, or no longer: the namespace, our rights, the API server. Whoever made one in between wins.
            log.warning("the master key in Secret %s/%s can't be read: %s", namespace, name, error)
        await asyncio.sleep(_PAUSE)


def _key_in(secret: Json, what: str) -> bytes:
    key = base64.b64decode(section(secret, "data").get(_KEY, ""))
    if not key:
        raise ValueError(f"{what} has no key {_KEY!r}: delete it, a new one is made")
    return key


def _new(name: str) -> Json:
    return {
        "apiVersion": SECRET.api_version,
        "kind": SECRET.kind,
        "metadata": {"name": name, "labels": {"app.kubernetes.io/managed-by": "hedgegrid-operator"}},
        "type": "Opaque",
        "data": {_KEY: base64.b64encode(secrets.token_bytes(32)).decode()},
    }
