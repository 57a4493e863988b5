"""Who this process is: the grid that a pod belongs to, or a grid that somebody started by hand."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from naut_hedgegrid.grid.ids import owner_of

_UID = re.compile(r"[0-9A-Za-z][0-9A-Za-z-]{0,63}")


class IdentityError(ValueError):
    """The environment names no usable identity."""


@dataclass(frozen=True, slots=True)
class Identity:
    """From the environment of a pod; all None by hand."""

    uid: str | None = None
    """UID of the HedgeGrid ($HEDGEGRID_UID)."""
    name: str | None = None
    """Name of the HedgeGrid ($HEDGEGRID_NAME)."""
    namespace: str | None = None
    """Its namespace ($HEDGEGRID_NAMESPACE)."""

    @classmethod
    def of(cls, environ: Mapping[str, str]) -> Self:
        """The identity that the environment gives. Raises IdentityError for a uid that can't name a file."""
        uid = environ.get("HEDGEGRID_UID") or None
        if uid is not None and _UID.fullmatch(uid) is None:
            raise IdentityError(f"HEDGEGRID_UID {uid!r} is no uid: letters, digits and '-' are, like the object's")
        return cls(uid, environ.get("HEDGEGRID_NAME") or None, environ.get("HEDGEGRID_NAMESPACE") or None)

    def owner(self, instrument: str) -> str:
        """The grid's part of its client order ids."""
        return owner_of(self.uid or f"sim/{instrument}")

    def store(self, folder: Path) -> Path:
        """File of the strategy's store: one for each uid, so that a new object of the same name starts anew."""
        return folder / f"{self.uid or 'sim'}.sqlite"

    def book(self, folder: Path) -> Path:
        """File of the simulated venue's book."""
        return folder / f"{self.uid or 'sim'}.venue.sqlite"

    @property
    def metric_labels(self) -> dict[str, str]:
        """Labels beside `instrument` on every metric."""
        return _present(grid_namespace=self.namespace, grid=self.name)

    @property
    def log_fields(self) -> dict[str, str]:
        """Fields of every log line."""
        return _present(grid=self.name, namespace=self.namespace, uid=self.uid)


def _present(**fields: str | None) -> dict[str, str]:
    return {name: value for name, value in fields.items() if value is not None}
