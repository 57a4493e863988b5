"""Logs: JSON, one event a line. What a line is about (grid, namespace, uid, generation) stands in fields of its own."""

import asyncio
import logging
import sys
from datetime import UTC, datetime
from typing import Any, override

from hedgegrid_api.text import json_line

log = logging.getLogger(__name__)

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class JsonFormatter(logging.Formatter):
    """A record as one line of JSON: time, level, logger, message, the fields given as `extra`, an exception's text.

    Whatever others wrote into names, messages and annotations, it stays one line, and shows as what it is.
    """

    @override
    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        line |= {name: value for name, value in vars(record).items() if name not in _STANDARD}
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json_line(line)


def quiet_connections(loop: asyncio.AbstractEventLoop) -> None:
    """Tell of a TLS connection that breaks in a line: whoever uses it is told anyhow, a traceback adds nothing."""

    def handle(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        if isinstance(error, OSError) and "SSL protocol" in str(context.get("message")):
            log.info("a connection broke: %s", error)
        else:
            loop.default_exception_handler(context)

    loop.set_exception_handler(handle)


def configure(level: str) -> None:
    """Send all logs to stderr as JSON."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter())
    logging.basicConfig(level=level, handlers=[handler], force=True)
    # What the framework tells of its own business is no event of a grid, and costs time on the kill path.
    logging.getLogger("kopf").setLevel(logging.WARNING)
    # Where it gives up it ends, and `watch.py` says why in a line; a traceback adds nothing.
    for part in ("running", "orchestration"):
        logging.getLogger(f"kopf._core.reactor.{part}").setLevel(logging.CRITICAL)
    logging.getLogger("aiohttp.access").setLevel(logging.WARNING)
    logging.getLogger("asyncio").setLevel(logging.WARNING)
