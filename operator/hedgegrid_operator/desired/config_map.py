"""The ConfigMap: strategy and venue file, rendered from the spec without its controls; immutable, named by its hash."""

import hashlib
import json

import yaml

from hedgegrid_api.files import rendered, strategy_file, venue_file
from hedgegrid_api.v1alpha1 import HedgeGridSpec
from hedgegrid_operator.desired.naming import config_map_name, labels
from hedgegrid_operator.objects import GridRef, Json

STRATEGY_KEY = "strategy.yaml"
VENUE_KEY = "venue.yaml"


def files(spec: HedgeGridSpec) -> dict[str, str]:
    """Content of the ConfigMap. Raises `ValueError` for a spec whose files contradict themselves."""
    return {
        STRATEGY_KEY: yaml.safe_dump(rendered(strategy_file(spec)), sort_keys=False),
        VENUE_KEY: yaml.safe_dump(rendered(venue_file(spec)), sort_keys=False),
    }


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
