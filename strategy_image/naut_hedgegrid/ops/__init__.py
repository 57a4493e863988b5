"""Operations: control API, metrics, keys. `OperationsManager` starts and stops them together."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from naut_hedgegrid.ops.manager import OperationsManager

__all__ = ["OperationsManager"]


def __getattr__(name: str) -> Any:
    # The strategy imports `ops.port`; a backtest shall not load a web server with it.
    if name == "OperationsManager":
        from naut_hedgegrid.ops.manager import OperationsManager  # noqa: PLC0415

        return OperationsManager
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
