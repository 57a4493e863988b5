"""What a pod answers: read up to a bound, cleaned, and only then believed. What isn't an answer is never shown.

An answer may come from something else than our pod (a proxy, a pod with a taken address) and may echo what was sent to
it, the key included: the key is taken out before anything is read.
"""

import math
from typing import Any, Protocol, cast

from pydantic import ValidationError
from pydantic_core import from_json

from hedgegrid_api.control import LARGEST, ControlReport, Refusal
from hedgegrid_api.text import shown
from hedgegrid_api.types import complaints
from hedgegrid_operator.objects import as_object

LARGEST_ANSWER = 64 * 1024
"""Bytes; a report has about 3,000. What is kept of a report ends up in the object's status."""
_LONGEST_TEXT = 1024
_REDACTED = b"[key]"
_TOLD = 3


class NoAnswerError(Exception):
    """Not an answer of the control API."""


class DocumentRefusedError(Exception):
    """The pod holds something newer, or another object's document (409), or can't accept this one (422)."""

    def __init__(self, reason: str, message: str, held: ControlReport | None) -> None:
        super().__init__(message)
        self.reason = reason
        self.held = held


class Body(Protocol):
    """The body of an answer, as it comes in."""

    async def readany(self) -> bytes:
        """The next bytes; none at its end."""
        ...


async def read_body(body: Body) -> bytes:
    """All of a body. Raises `NoAnswerError` for one that is too large to be a report."""
    found = bytearray()
    while chunk := await body.readany():
        found += chunk
        if len(found) > LARGEST_ANSWER:
            raise NoAnswerError(f"the answer has more than {LARGEST_ANSWER} bytes, no report of a pod is so long")
    return bytes(found)


def report_in(status: int, body: bytes, *, uid: str, key: str) -> ControlReport:
    """The report about one object in an answer. Raises `DocumentRefusedError`, `NoAnswerError`."""
    content = _content(body.replace(key.encode(), _REDACTED))
    try:
        match status:
            case 200:
                report = ControlReport.model_validate(content)
                if report.uid not in {None, uid}:
                    raise NoAnswerError(f"the pod reports about another object (uid {report.uid})")
                return report
            case 409:
                refusal = Refusal.model_validate(content)
                held = refusal.held if refusal.held.uid in {None, uid} else None
                raise DocumentRefusedError(refusal.reason, refusal.message, held)
            case 422:
                raise DocumentRefusedError("invalid", _detail(content) or "it gives no reason", None)
            case _:
                raise NoAnswerError(f"HTTP status {status}" + (f": {told}" if (told := _detail(content)) else ""))
    except ValidationError as error:
        # By field, without the values: whoever answered may have put anything there.
        told = "; ".join(shown(found, 200) for found in complaints(error)[:_TOLD])
        raise NoAnswerError(f"not an answer of the control API: {told}") from None


def _detail(content: Any) -> str:
    """What our pods say about a refused request."""
    found = as_object(content).get("detail", "")
    return found if isinstance(found, str) else str(found)[:_LONGEST_TEXT]


def _content(body: bytes) -> Any:
    """JSON, cleaned; None for what is none."""
    try:
        return _clean(from_json(body))
    except ValueError:
        return None


def _clean(value: Any) -> Any:
    """A JSON value whose texts can be shown and whose numbers fit an object: others are unknown."""
    if isinstance(value, str):
        return shown(value, _LONGEST_TEXT)
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, int):
        return value if -LARGEST <= value <= LARGEST else None
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, list):
        return [_clean(item) for item in cast("list[Any]", value)]
    return {name: _clean(item) for name, item in cast("dict[str, Any]", value).items()}
