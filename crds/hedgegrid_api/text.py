"""Text that others wrote, made fit to be shown: on one line, without what steers a terminal, of a bounded length."""

import json
import re
import unicodedata
from collections.abc import Mapping

_SEQUENCES = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]"  # colours, cursor
    r"|\x1b[\]PX^_][^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)?"  # titles, links
    r"|\x9b[0-?]*[ -/]*[@-~]"
    r"|\x1b[ -/]*[0-~]?"
)
_SPACES = frozenset({"Cc", "Zl", "Zp"})
_DROPPED = frozenset({"Cf", "Cs", "Co", "Cn"})
"""Format characters (bidirectional overrides, zero widths), halves of surrogate pairs, private and unassigned ones."""

_FIELD_MAX = 8192
"""Characters of one field: a traceback has its end, which says what happened, at its end."""
_UNSEEN = re.compile(
    "[\x7f-\x9f\xad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff]"
)
"""What JSON lets stand as it is, and a terminal may act on or hide (JSON escapes what lies below a space by itself)."""


def shown(text: str, limit: int) -> str:
    """`text` on one line, at most `limit` characters; a longer one ends with `…`.

    Line breaks and control characters become spaces; escape sequences and invisible characters go.
    """
    # Everything that follows is only as long as what is looked at: nobody needs the rest.
    found = text if len(text) <= limit else text[: 4 * limit]
    if not found.isprintable():
        found = "".join(filter(None, map(_character, _SEQUENCES.sub("", found))))
    return found if len(found) <= limit and len(text) <= 4 * limit else f"{found[: limit - 1]}…"


def _character(found: str) -> str | None:
    kind = unicodedata.category(found)
    if kind in _SPACES:
        return " "
    return None if kind in _DROPPED else found


def json_line(fields: Mapping[str, object]) -> str:
    """A log line of JSON: one line, printable, each text of a bounded length, and read back as what was told."""
    bounded = {name: _bounded(value) if isinstance(value, str) else value for name, value in fields.items()}
    text = json.dumps(bounded, default=str, ensure_ascii=False)
    return text if text.isascii() else _UNSEEN.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def _bounded(text: str) -> str:
    half = _FIELD_MAX // 2
    return text if len(text) <= _FIELD_MAX else f"{text[:half]} … {text[-half:]}"
