"""A model's refusal in the words of the file: where, what is there, what is allowed, what to do."""

from collections.abc import Iterator
from difflib import get_close_matches
from typing import cast

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from hedgegrid_api.rules import Schema, shown
from hedgegrid_api.schema import allowed, fields, structural
from naut_hedgegrid.config.document import Document, Location, dotted
from naut_hedgegrid.config.errors import Problem


def problems(error: ValidationError, document: Document, model: type[BaseModel]) -> list[Problem]:
    """Every mistake that a model found in a document."""
    schema = structural(model)
    details = error.errors(include_url=False)
    meant = {_meant(detail, schema) for detail in details if detail["type"] == "extra_forbidden"}
    found: list[Problem] = []
    for detail in details:
        field = dotted(detail["loc"])
        if detail["type"] == "missing" and field in meant:
            continue  # it is there under a wrong name, which is said already
        if any(_inside(other["loc"], detail["loc"]) for other in details):
            continue  # a list of refused items counts as too short
        found.append(Problem(_message(detail, schema), field, document.line(detail["loc"])))
    return found


def _inside(inner: Location, outer: Location) -> bool:
    return len(inner) > len(outer) and inner[: len(outer)] == outer


def _message(detail: ErrorDetails, schema: Schema) -> str:
    field = dotted(detail["loc"])
    here = _schema_at(schema, detail["loc"])
    match detail["type"]:
        case "extra_forbidden":
            return _unknown(detail, schema)
        case "missing":
            return f"{field} is missing; write {_words(here)}.{_meaning(here)}"
        case "rule":
            return detail["msg"]
        case _:
            value = "empty" if detail["input"] is None else shown(detail["input"])
            remedy = " or remove it" if here.get("type") == "object" else ""
            return f"{field} is {value}; write {_words(here)}{remedy}.{_meaning(here)}"


def _unknown(detail: ErrorDetails, schema: Schema) -> str:
    field, meant = dotted(detail["loc"]), _meant(detail, schema)
    if meant is not None:
        return f"{field} is not a field; did you mean {meant}?"
    names = ", ".join(_schema_at(schema, detail["loc"][:-1])["properties"])
    return f"{field} is not a field; remove it. Fields here: {names}."


def _meant(detail: ErrorDetails, schema: Schema) -> str | None:
    """Path of the field that an unknown name was probably meant for: one of its group, else one of another group."""
    *group, name = detail["loc"]
    neighbours = {_folded(other): other for other in _schema_at(schema, tuple(group))["properties"]}
    close = get_close_matches(_folded(str(name)), neighbours, n=1, cutoff=0.75)
    if close:
        return dotted((*group, neighbours[close[0]]))
    return next((path for path in _paths(schema) if _folded(path.rpartition(".")[2]) == _folded(str(name))), None)


def _paths(schema: Schema) -> Iterator[str]:
    return (field.path for field in fields(schema) if "[]" not in field.path)


def _folded(name: str) -> str:
    return name.replace("_", "").replace("-", "").lower()


def _schema_at(schema: Schema, location: Location) -> Schema:
    """Schema of the value at a location; empty where there is none."""
    for part in location:
        inner = schema.get("items", {}) if isinstance(part, int) else schema.get("properties", {}).get(part, {})
        schema = cast("Schema", inner)
    return schema


def _words(schema: Schema) -> str:
    """What to write, in words."""
    what = allowed(schema)
    match schema.get("type"):
        case "integer":
            return f"a whole number from {what}"
        case "number":
            return f"a number from {what}"
        case "boolean":
            return "true or false"
        case "object":
            return f"a group of fields ({', '.join(schema['properties'])})"
        case "array":
            return f"a list of {schema.get('minItems', 0)} to {schema['maxItems']} items"
        case _:
            return str(what)


def _meaning(schema: Schema) -> str:
    return f" {schema['description']}" if "description" in schema else ""
