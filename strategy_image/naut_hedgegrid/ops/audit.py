"""The audit log: for each emergency operation who did what, why and with what result; in the log and in the store."""

import logging
from concurrent.futures import Future
from datetime import UTC, datetime

from hedgegrid_api.control import Author
from naut_hedgegrid.ops.auth import Caller
from naut_hedgegrid.store.protocol import Archive, AuditEntry

log = logging.getLogger("naut_hedgegrid.audit")


class AuditLog:
    """Writes entries. An operation never waits for that."""

    def __init__(self, archive: Archive | None) -> None:
        """Without an archive there are only the log lines."""
        self._archive = archive

    def record(self, operation: str, caller: Caller, *, what: str, result: str, author: Author | None = None) -> None:
        """Write the entry of one operation.

        `caller` is whose key was used, `author` on whose behalf and for what reason; `what` and `result` are a few
        words.
        """
        author = author or Author()
        entry = AuditEntry(
            time=datetime.now(UTC),
            operation=operation,
            who=author.manager or caller.name,
            key=caller.name,
            role=caller.role.name.lower(),
            what=what,
            result=result,
            why=author.reason,
            asked=author.time,
        )
        log.info("%s %s by %s: %s", operation, what, entry.who, result, extra=_fields(entry))
        if self._archive is not None:
            self._archive.record_audit(entry).add_done_callback(_told)


def _fields(entry: AuditEntry) -> dict[str, str | None]:
    return {
        "operation": entry.operation,
        "who": entry.who,
        "key": entry.key,
        "role": entry.role,
        "when": entry.asked.isoformat() if entry.asked is not None else None,
        "what": entry.what,
        "why": entry.why,
        "result": entry.result,
    }


def _told(stored: Future[None]) -> None:
    if not stored.cancelled() and (error := stored.exception()) is not None:
        log.error("the audit log is in this log only: %s", error)
