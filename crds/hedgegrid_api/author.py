"""Who changed a HedgeGrid last, and why, for the audit log: read from the object alike by operator and pod."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, cast

from hedgegrid_api.asked import group
from hedgegrid_api.control import Author
from hedgegrid_api.text import shown

REASON_ANNOTATION = "hedgegrid.io/reason"
_WORD_MAX = 253
_TEXT_MAX = 1024


def author_of(grid: Any) -> Author:
    """Field manager and time of the newest change of the spec, and the reason in the annotation; of any shape."""
    about = group(grid, "metadata")
    reason = group(about, "annotations").get(REASON_ANNOTATION)
    reason = None if reason is None else shown(str(reason), _TEXT_MAX)
    managed: Any = about.get("managedFields")
    newest: tuple[datetime, str] | None = None
    for entry in cast("list[Any]", managed) if isinstance(managed, list) else ():
        change: Mapping[str, Any] = cast("Mapping[str, Any]", entry) if isinstance(entry, Mapping) else {}
        written = instant(change.get("time"))
        if change.get("subresource") or written is None or "f:spec" not in group(change, "fieldsV1"):
            continue
        if newest is None or written >= newest[0]:
            newest = written, shown(str(change.get("manager", "")), _WORD_MAX)
    if newest is None:
        return Author(reason=reason)
    return Author(manager=newest[1], time=newest[0], reason=reason)


def instant(text: object) -> datetime | None:
    """A time of the API (RFC 3339), None where absent or not a time."""
    if not isinstance(text, str):
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)
