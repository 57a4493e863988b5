"""The status panel: where everything is, once it runs."""

import logging
import sys
from pathlib import Path

from hedgegrid_api.files import VenueFile
from naut_hedgegrid.ops.manager import OperationsManager

log = logging.getLogger(__name__)


def show(venue: VenueFile, store: Path, ops: OperationsManager | None, *, awaits_control: bool) -> None:
    """To a terminal as a table, else as one log line."""
    rows = dict(_rows(venue, store, ops, awaits_control=awaits_control))
    if not sys.stderr.isatty():
        log.info("running", extra={name.replace(" ", "_"): value for name, value in rows.items()})
        return
    width = max(map(len, rows))
    lines = [f"  {name:<{width}}  {value}" for name, value in rows.items()]
    rule = "─" * (max(map(len, lines)) + 2)
    sys.stderr.write("\n".join([rule, *lines, rule, ""]))


def _rows(
    venue: VenueFile, store: Path, ops: OperationsManager | None, *, awaits_control: bool
) -> list[tuple[str, str]]:
    rows = [("instrument", venue.instrument), ("market", venue.sim.market.value), ("store", str(store))]
    if ops is None:
        rows.append(("operations", "off; --enable-ops serves the control API and the metrics"))
    else:
        host = f"[{ops.host}]" if ":" in ops.host else ops.host
        rows += [
            ("control api", f"{ops.scheme}://{host}:{ops.api_port}/docs"),
            ("metrics", f"http://{host}:{ops.prometheus_port}/metrics"),
        ]
    if awaits_control:
        rows.append(("entries", "wait for the first PUT /control"))
    return rows
