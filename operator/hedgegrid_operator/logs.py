"""Logs: JSON, one event a line. What a line is about (grid, namespace, uid, generation) stands in fields of its own."""

import json
import logging
import re
import sys
from datetime import UTC, datetime
from typing import override

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_TEXT_MAX = 8192
"""Characters of one field: a traceback has its end, which says what happened, at its end."""
_UNSEEN = re.compile(
    "[\x7f-\x9f\xad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff]"
)
"""What JSON lets stand as it is, and a terminal may act on or hide (JSON escapes what lies below a space by itself)."""


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
            "message": _bounded(record.getMessage()),
        }
        own = {name: value for name, value in vars(record).items() if name not in _STANDARD}
        line |= {name: _bounded(value) if isinstance(value, str) else value for name, value in own.items()}
        if record.exc_info:
            line["exception"] = _bounded(self.formatException(record.exc_info))
        text = json.dumps(line, default=str, ensure_ascii=False)
        return text if text.isascii() else _UNSEEN.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def _bounded(text: str) -> str:
    half = _TEXT_MAX // 2
    return text if len(text) <= _TEXT_MAX else f"{text[:half]} … {text[-half:]}"


def configure(level: str) -> None:
    """Send all logs to stderr as JSON."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter())
    logging.basicConfig(level=level, handlers=[handler], force=True)
    # What the framework tells of its own business is no event of a grid, and costs time on the kill path.
    logging.getLogger("kopf").setLevel(logging.WARNING)
    # It warns at each start that it leaves the signals alone, as it was told to.
    logging.getLogger("kopf._core.reactor.running").setLevel(logging.ERROR)
    logging.getLogger("aiohttp.access").setLevel(logging.WARNING)
    logging.getLogger("asyncio").setLevel(logging.WARNING)
