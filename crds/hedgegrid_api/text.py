"""Text that others wrote, made fit to be shown: on one line, without what steers a terminal, of a bounded length."""

import re
import unicodedata

_SEQUENCES = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]"  # colours, cursor
    r"|\x1b[\]PX^_][^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)?"  # titles, links
    r"|\x9b[0-?]*[ -/]*[@-~]"
    r"|\x1b[ -/]*[0-~]?"
)
_SPACES = frozenset({"Cc", "Zl", "Zp"})
_DROPPED = frozenset({"Cf", "Cs", "Co", "Cn"})
"""Format characters (bidirectional overrides, zero widths), halves of surrogate pairs, private and unassigned ones."""


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
