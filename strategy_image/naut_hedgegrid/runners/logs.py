"""Logs on stderr: JSON, one event a line, or plain lines where a person is watching."""

import logging
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import override

from hedgegrid_api.text import json_line

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName", "color_message"}
_PLAIN = "%(asctime)s %(levelname)-7s %(message)s"


class JsonFormatter(logging.Formatter):
    """time, level, logger, message, the process's own fields, those given as `extra`, an exception's text."""

    def __init__(self, fields: Mapping[str, str]) -> None:
        super().__init__()
        self._fields = dict(fields)

    @override
    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            **self._fields,
        }
        line |= {name: value for name, value in vars(record).items() if name not in _STANDARD}
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json_line(line)


def configure(level: str, fields: Mapping[str, str]) -> None:
    """Send all logs to stderr; `fields` stand on every line of JSON."""
    handler = logging.StreamHandler(sys.stderr)
    plain = sys.stderr.isatty()
    handler.setFormatter(logging.Formatter(_PLAIN, "%H:%M:%S") if plain else JsonFormatter(fields))
    logging.basicConfig(level=level, handlers=[handler], force=True)
    # What the libraries tell of their own business is no event of a grid.
    for name in ("uvicorn", "asyncio"):
        logging.getLogger(name).setLevel(logging.WARNING)
