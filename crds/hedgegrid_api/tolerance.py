"""Reading what another version, or anybody, wrote: what doesn't fit its model is left out, the rest counts. Pure."""

from typing import Any, cast

from pydantic import BaseModel, ValidationError

_ROUNDS = 16
"""What is left out may be missed further up, so it is tried again."""

type _Place = tuple[int | str, ...]


def readable[Model: BaseModel](model: type[Model], data: Any) -> Model:
    """The model without what doesn't fit: only the fields and list items that are wrong are left out."""
    found = data
    for _ in range(_ROUNDS):
        try:
            return model.model_validate(found)
        except ValidationError as error:
            found = pruned(found, error)
    return model()


def pruned(data: Any, error: ValidationError) -> Any:
    """A copy of JSON data without what an error names; a list or an object that lacks something is left out whole."""
    found = data
    for item in error.errors(include_url=False, include_context=False, include_input=False):
        place = item["loc"][:-1] if item["type"] == "missing" else item["loc"]
        found = _without(found, place)
    return _swept(found)


_GONE = object()
"""Stands where something was left out, so that the places of its neighbours stay true."""


def _without(node: Any, place: _Place) -> Any:
    """A copy without what is at a place; without its nearest holder where the place isn't there."""
    if not place:
        return _GONE
    step, rest = place[0], place[1:]
    if isinstance(node, dict) and step in node:
        held = cast("dict[str, Any]", node)
        return {**held, str(step): _without(held[str(step)], rest)}
    if isinstance(node, list) and isinstance(step, int) and step < len(cast("list[Any]", node)):
        listed = list(cast("list[Any]", node))
        listed[step] = _without(listed[step], rest)
        return listed
    return _GONE


def _swept(node: Any) -> Any:
    if isinstance(node, dict):
        held = cast("dict[str, Any]", node)
        return {name: _swept(value) for name, value in held.items() if value is not _GONE}
    if isinstance(node, list):
        return [_swept(item) for item in cast("list[Any]", node) if item is not _GONE]
    return {} if node is _GONE else node
