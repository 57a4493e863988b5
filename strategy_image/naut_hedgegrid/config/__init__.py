"""The two files that a strategy reads: YAML in, the contract's models or every mistake at once out."""

from naut_hedgegrid.config.errors import ConfigError, Problem
from naut_hedgegrid.config.load import load_strategy_file, load_venue_file

__all__ = ["ConfigError", "Problem", "load_strategy_file", "load_venue_file"]
