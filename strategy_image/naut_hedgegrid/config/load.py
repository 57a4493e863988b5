"""Loads the strategy file and the venue file."""

from pathlib import Path

from pydantic import ValidationError

from hedgegrid_api.files import StrategyFile, VenueFile
from hedgegrid_api.types import Model
from naut_hedgegrid.config.document import read
from naut_hedgegrid.config.errors import ConfigError, Problem
from naut_hedgegrid.config.explain import problems


def load_strategy_file(path: str | Path) -> StrategyFile:
    """Read a strategy file, like configs/strategies/hedge_grid_v1.yaml.

    Raises:
        ConfigError: The file can't be read, or holds what isn't allowed; names every mistake.
    """
    return _load(Path(path), StrategyFile, "is a venue file; a strategy file is needed here", needed="grid")


def load_venue_file(path: str | Path) -> VenueFile:
    """Read a venue file, like configs/venues/binance_futures.yaml.

    Raises:
        ConfigError: The file can't be read, or holds what isn't allowed; names every mistake.
    """
    return _load(Path(path), VenueFile, "is a strategy file; a venue file is needed here", needed="instrument")


def _load[File: Model](path: Path, model: type[File], swapped: str, *, needed: str) -> File:
    document = read(path)
    # The two paths stand side by side on the command line: swapped, every field of the file would be a problem.
    if needed not in document.data and {"grid", "instrument"} & document.data.keys():
        raise ConfigError(path, Problem(swapped))
    try:
        # Only the names of the object: by_name would take step_bps, which the API server refuses.
        loaded = model.model_validate(document.data, by_alias=True, by_name=False)
    except ValidationError as error:
        raise ConfigError(path, *document.problems, *problems(error, document, model)) from error
    if document.problems:
        raise ConfigError(path, *document.problems)
    return loaded
