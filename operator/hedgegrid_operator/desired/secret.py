"""The Secrets: API keys, a file for each in the pod, people's made once and kept; and the pod's certificate."""

import base64
import secrets
from collections.abc import Mapping

from hedgegrid_operator.desired.naming import api_secret_name, labels, tls_secret_name
from hedgegrid_operator.objects import GridRef, Json, section

PEOPLE = ("viewer", "trader", "admin")
"""Keys of people and scripts, random."""
OPERATOR = "operator"
"""The operator's own key: computed from its master key, so that it never has to be read."""


def new_key() -> str:
    """A random key of 256 bits."""
    return secrets.token_urlsafe(32)


def data_of(secret: Json | None) -> dict[str, bytes]:
    """What a Secret holds; values that aren't readable count as missing."""
    found: dict[str, bytes] = {}
    for name, value in section(secret or {}, "data").items():
        try:
            found[name] = base64.b64decode(str(value), validate=True)
        except ValueError:
            continue
    return found


def encoded(data: Mapping[str, bytes]) -> dict[str, str]:
    """As it stands in a Secret."""
    return {name: base64.b64encode(value).decode() for name, value in data.items()}


def completed(data: Mapping[str, bytes], operator: str) -> dict[str, bytes]:
    """The API keys as they have to be: people's kept where present, the operator's among its lines."""
    present = {name: text for name, value in data.items() if (text := _text(value))}
    people = {name: present.get(name) or new_key() for name in PEOPLE}
    lines = present.get(OPERATOR, "").split()
    # A line that somebody added is a key of theirs; the file may hold several.
    keys = {**people, OPERATOR: present[OPERATOR] if operator in lines else operator}
    return {name: key.encode() for name, key in keys.items()}


def api_secret(grid: GridRef, data: Mapping[str, bytes]) -> Json:
    """The manifest of the API keys."""
    return _manifest(grid, api_secret_name(grid.name), "Opaque", data)


def tls_secret(grid: GridRef, data: Mapping[str, bytes]) -> Json:
    """The manifest of the certificate."""
    return _manifest(grid, tls_secret_name(grid.name), "kubernetes.io/tls", data)


def _manifest(grid: GridRef, name: str, kind: str, data: Mapping[str, bytes]) -> Json:
    return {
        "metadata": {"name": name, "namespace": grid.namespace, "labels": labels(grid)},
        "type": kind,
        "data": encoded(data),
    }


def _text(value: bytes) -> str | None:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return None
