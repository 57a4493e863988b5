"""What can be read of data that doesn't fit its model: a status that somebody wrote into, say. Pure."""

from typing import Any, cast

from pydantic import BaseModel, ValidationError

from hedgegrid_operator.objects import Json

_ROUNDS = 16
"""What is left out may be missed further up, so it is tried again."""

type _Place = tuple[int | str, ...]


def readable[Model: BaseModel](model: type[Model], data: Json) -> Model:
    """The model without what doesn't fit: only the fields and list items that are wrong are left out."""
    found: Any = data
    for _ in range(_ROUNDS):
        try:
            return model.model_validate(found)
        except ValidationError as error:
            for item in error.errors(include_url=False, include_context=False, include_input=False):
                place = item["loc"][:-1] if item["type"] == "missing" else item["loc"]
                found = _without(found, place)
            found = _pruned(found)
    return model()


_GONE = object()
"""Stands where something was left out, so that the places of its neighbours stay true."""


def _without(node: Any, place: _Place) -> Any:
    """A copy without what is at a place; without its nearest holder where the place isn't there."""
    if not place:
        return _GONE
    step, rest = place[0], place[1:]
    if isinstance(node, dict) and step in node:
        held = cast("Json", node)
        return {**held, str(step): _without(held[str(step)], rest)}
    if isinstance(node, list) and isinstance(step, int) and step < len(cast("list[Any]", node)):
        listed = list(cast("list[Any]", node))
        listed[step] = _without(listed[step], rest)
        return listed
    return _GONE


def _pruned(node: Any) -> Any:
    if isinstance(node, dict):
        held = cast("Json", node)
        return {name: _pruned(value) for name, value in held.items() if value is not _GONE}
    if isinstance(node, list):
        return [_pruned(item) for item in cast("list[Any]", node) if item is not _GONE]
    return {} if node is _GONE else node
