"""The ConfigMap: strategy and venue file, rendered from the spec without its controls; immutable, named by its hash."""

import functools
import hashlib
import json

import yaml

from hedgegrid_api.files import rendered_for_pod
from hedgegrid_api.v1alpha1 import HedgeGridSpec
from hedgegrid_operator.desired.naming import config_map_name, labels
from hedgegrid_operator.objects import GridRef, Json

STRATEGY_KEY = "strategy.yaml"
VENUE_KEY = "venue.yaml"


def files(spec: HedgeGridSpec) -> dict[str, str]:
    """Content of the ConfigMap. Raises `ValueError` for a spec whose files contradict themselves."""
    strategy, venue = rendered_for_pod(spec)
    return {STRATEGY_KEY: _yaml(json.dumps(strategy)), VENUE_KEY: _yaml(json.dumps(venue))}


@functools.lru_cache(maxsize=4096)
def _yaml(content: str) -> str:
    """JSON as YAML, which costs milliseconds in plain Python: not again whenever only a control has changed."""
    return yaml.safe_dump(json.loads(content), sort_keys=False)


def config_hash(content: dict[str, str]) -> str:
    """Ten hexadecimal digits that name a content."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:10]


def config_map(grid: GridRef, content: dict[str, str]) -> Json:
    """The manifest."""
    return {
        "metadata": {
            "name": config_map_name(grid.name, config_hash(content)),
            "namespace": grid.namespace,
            "labels": labels(grid),
        },
        "immutable": True,
        "data": content,
    }
