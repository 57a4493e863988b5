"""The audit log: one line for each emergency operation, with who, what, why and what came of it."""

import logging

from hedgegrid_api.control import Author
from naut_hedgegrid.ops.auth import Caller

log = logging.getLogger("naut_hedgegrid.audit")


def record(operation: str, caller: Caller, *, what: str, result: str, author: Author | None = None) -> None:
    """Write the line of one operation.

    `caller` is whose key was used, `author` on whose behalf and for what reason; `what` and `result` are a few words.
    """
    author = author or Author()
    log.info(
        "%s %s by %s: %s",
        operation,
        what,
        author.manager or caller.name,
        result,
        extra={
            "operation": operation,
            "who": author.manager or caller.name,
            "key": caller.name,
            "role": caller.role.name.lower(),
            "when": author.time.isoformat() if author.time is not None else None,
            "what": what,
            "why": author.reason,
            "result": result,
        },
    )
