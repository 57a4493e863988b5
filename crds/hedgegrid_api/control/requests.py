"""The emergency operations of the pod's API."""

from typing import Annotated

from pydantic import Field

from hedgegrid_api.control.fields import AnySide
from hedgegrid_api.types import Message, Number


class FlattenRequest(Message):
    """`POST /flatten`."""

    side: AnySide
    """long, short or both."""
    reason: str | None = None
    """For the audit log."""


class ThrottleRequest(Message):
    """`POST /throttle`."""

    throttle: Annotated[Number, Field(ge=0, le=1)]
    """0 to 1; 1 ends the API's throttle."""


class ResumeRequest(Message):
    """`POST /resume`."""

    id: Annotated[str, Field(max_length=253)]
    """Id of the latch, from the report's `latches`."""
    side: AnySide = "both"
    """long, short or both: which legs of the latch to release."""
