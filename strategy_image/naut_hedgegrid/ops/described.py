"""How the API describes itself: groups, and for each route its answers with examples."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from pydantic import BaseModel

from naut_hedgegrid.ops.answers import Problem
from naut_hedgegrid.ops.examples import ANSWERS, REFUSALS, REQUESTS
from naut_hedgegrid.ops.guard import HEADER


class Tag(StrEnum):
    """Groups of routes, as the page shows them."""

    PROBES = "Probes"
    STATE = "State"
    RECORDS = "Records"
    CONTROL = "Control"


TAGS: list[dict[str, Any]] = [
    {"name": Tag.PROBES, "description": "Is the process alive, and can the grid trade?"},
    {"name": Tag.STATE, "description": "Positions, orders, ladders. Numbers that aren't known are null."},
    {
        "name": Tag.RECORDS,
        "description": "What the store keeps, in pages: `next` of one is the cursor of the following. 10 s samples are "
        "kept for a day, minutes for 14 days, hours for a year, days for ever; fills and audit log for a year.",
    },
    {
        "name": Tag.CONTROL,
        "description": "What the operator uses, and people in a hurry. Of document, API and risk the most restrictive "
        "one counts. A request that is refused changes nothing.",
    },
]
ABOUT = (
    "Reads and controls one grid. With keys configured every route but the probes asks for one, in the header "
    f"`{HEADER}`: `viewer` reads, `trader` also flattens and throttles, `admin` does everything."
)
_MEANINGS = {
    401: "No valid key",
    403: "The key's role doesn't allow it",
    404: "No such latch stands",
    409: "Another object's, or older than what the pod holds",
    413: "The body is too large",
    422: "Not allowed",
    503: "Not now",
}


def answers(
    verb: str, path: str, others: Mapping[int, type[BaseModel]], *, locked: bool
) -> dict[int | str, dict[str, Any]]:
    """What a route may answer besides its 200, for `responses=`: each status that there is an example of.

    `others` are the models of those that are no `Problem`; `locked`: it asks for a key.
    """
    statuses = [*ANSWERS[verb, path], *(REFUSALS if locked else ())]
    return {
        status: {"model": others.get(status, Problem), "description": _MEANINGS[status]}
        for status in statuses
        if status != 200
    }


def exemplify(description: dict[str, Any]) -> None:
    """Put the examples into an OpenAPI description. FastAPI, given them, would leave out what is null."""
    for path, verbs in description["paths"].items():
        for verb, operation in verbs.items():
            name = verb.upper(), path
            for status, answer in operation["responses"].items():
                content = answer["content"]["application/json"]
                content["example"] = (REFUSALS | dict(ANSWERS[name]))[int(status)]
            for title, value in REQUESTS.get(name, {}).items():
                content = operation["requestBody"]["content"]["application/json"]
                content.setdefault("examples", {})[title] = {"value": value}
