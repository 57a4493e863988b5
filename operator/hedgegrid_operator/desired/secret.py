"""The Secret of API keys: a file for each key in the pod. People's keys are made once and kept."""

import base64
import secrets

from hedgegrid_operator.desired.naming import api_secret_name, labels
from hedgegrid_operator.objects import GridRef, Json, section

PEOPLE = ("viewer", "trader", "admin")
"""Keys of people and scripts, random."""
OPERATOR = "operator"
"""The operator's own key: computed from its master key, so that it never has to be read."""


def new_key() -> str:
    """A random key of 256 bits."""
    return secrets.token_urlsafe(32)


def keys_of(secret: Json | None) -> dict[str, str]:
    """Keys in a Secret as it is; those that aren't readable count as missing."""
    found: dict[str, str] = {}
    for name, value in section(secret or {}, "data").items():
        try:
            found[name] = base64.b64decode(str(value), validate=True).decode()
        except ValueError:
            continue
    return found


def completed(present: dict[str, str], operator: str) -> dict[str, str]:
    """The keys as they have to be: people's kept where present, the operator's among its lines."""
    people = {name: present.get(name) or new_key() for name in PEOPLE}
    lines = present.get(OPERATOR, "").split()
    # A line that somebody added is a key of theirs; the file may hold several.
    return {**people, OPERATOR: present[OPERATOR] if operator in lines else operator}


def api_secret(grid: GridRef, keys: dict[str, str]) -> Json:
    """The manifest."""
    return {
        "metadata": {"name": api_secret_name(grid.name), "namespace": grid.namespace, "labels": labels(grid)},
        "type": "Opaque",
        "data": {name: base64.b64encode(key.encode()).decode() for name, key in keys.items()},
    }
