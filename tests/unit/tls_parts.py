"""An authority, certificates of it, and both ends of TLS for the tests."""

import ssl
import tempfile
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

from hedgegrid_operator.objects import GridRef
from hedgegrid_operator.pki.authority import Authority, new_authority
from hedgegrid_operator.pki.leaf import leaf_data, new_leaf
from hedgegrid_operator.pki.trust import Trust
from tests.unit.operator_parts import UID

REF = GridRef("default", "btc", UID)
YEAR, DAY = timedelta(days=365), timedelta(days=1)


@cache
def authority(name: str = "ours") -> Authority:
    """One authority for each name."""
    return new_authority(datetime.now(UTC), YEAR)


def secret_of(ref: GridRef = REF, by: Authority | None = None, since: timedelta = timedelta(0)) -> dict[str, bytes]:
    """Content of the grid's Secret; the certificate was made `since` ago, for a day."""
    issuer = by or authority()
    return leaf_data(new_leaf(ref, issuer, datetime.now(UTC) - since, DAY), issuer)


def put(folder: Path, data: Mapping[str, bytes]) -> None:
    """Files of a mounted Secret."""
    for name, content in data.items():
        (folder / name).write_bytes(content)


def serving(data: Mapping[str, bytes]) -> ssl.SSLContext:
    """A server's context with the certificate of a Secret."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.TemporaryDirectory() as folder:
        put(Path(folder), data)
        context.load_cert_chain(Path(folder) / "tls.crt", Path(folder) / "tls.key")
    return context


def trust(of: Authority | None = None) -> Trust:
    """A client's."""
    found = Trust()
    found.follow(of or authority())
    return found
