"""The contract between `kubectl`, the operator and the strategy pod: models only, no I/O."""

__version__ = "0.1.0"
