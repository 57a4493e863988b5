"""The CustomResourceDefinition, made from the models. Pure: data in, data out.

The schema of the spec carries everything: types, bounds, defaults, rules, and descriptions that read like a manual in
`kubectl explain`. That of the status carries types only, so that a newer operator can write to an older definition and
nothing that was observed is ever refused.
"""

import inspect
from collections.abc import Iterator
from typing import Any, NamedTuple, cast

from pydantic import BaseModel

from hedgegrid_api.rules import Schema, formatted
from hedgegrid_api.status import HedgeGridStatus
from hedgegrid_api.types import GROUP, KIND, PLURAL, VERSION
from hedgegrid_api.v1alpha1 import NAME_RULE, PRINTER_COLUMNS, SCOPE, HedgeGridSpec

SHORT_NAME = "hg"
"""`kubectl get hg`."""
CATEGORY = "hedgegrid"
"""`kubectl get hedgegrid`: everything of ours."""

_RULES = "x-kubernetes-validations"
_BOUNDS = ("enum", "minimum", "maximum", "maxLength", "minItems", "maxItems", "maxProperties")
_KEPT = ("description", "type", "format", "anyOf", *_BOUNDS, "default", "required")


def crd() -> Schema:
    """The CustomResourceDefinition as `kubectl apply` takes it."""
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{PLURAL}.{GROUP}"},
        "spec": {
            "group": GROUP,
            "scope": SCOPE,
            "names": {
                "kind": KIND,
                "listKind": f"{KIND}List",
                "plural": PLURAL,
                "singular": KIND.lower(),
                "shortNames": [SHORT_NAME],
                "categories": [CATEGORY],
            },
            "versions": [
                {
                    "name": VERSION,
                    "served": True,
                    "storage": True,
                    "schema": {"openAPIV3Schema": _object()},
                    "subresources": {"status": {}},
                    "additionalPrinterColumns": list(PRINTER_COLUMNS),
                }
            ],
        },
    }


def spec_schema() -> Schema:
    """Structural schema of the spec; its descriptions say what a field means, not what the schema says anyway."""
    return structural(HedgeGridSpec)


def status_schema() -> Schema:
    """Structural schema of the status: types only."""
    return _types_only(structural(HedgeGridStatus))


def structural(model: type[BaseModel]) -> Schema:
    """Schema of a model as Kubernetes wants it: no references, null or titles, and defaults of groups written out."""
    whole = model.model_json_schema()
    return _resolved(whole, whole.get("$defs", {}))


class FieldSchema(NamedTuple):
    """One field of a model."""

    path: str
    """Dotted, in camelCase, with [] for the items of a list."""
    schema: Schema
    """Its structural schema."""
    required: bool
    """Whether the group that holds it needs it."""


def fields(schema: Schema, prefix: str = "") -> Iterator[FieldSchema]:
    """Every field below a structural schema, groups before what they hold."""
    for name, field in schema.get("properties", {}).items():
        yield FieldSchema(f"{prefix}{name}", field, name in schema.get("required", ()))
        yield from fields(field, f"{prefix}{name}.")
        yield from fields(field.get("items", {}), f"{prefix}{name}[].")


def allowed(field: Schema) -> str | None:
    """What a value may be, in words that complete "must be …"; None where the type says it all."""
    if "enum" in field:
        values = [str(value) for value in field["enum"]]
        return values[0] if len(values) == 1 else f"one of {', '.join(values)}"
    if "minimum" in field and "maximum" in field:
        return f"{field['minimum']} to {field['maximum']}"
    if field.get("type") == "string" and _RULES in field:
        # A text has one rule, that of `Written`, and its message says how it is written.
        return field[_RULES][0]["message"].removeprefix("must be ")
    return None


def _object() -> Schema:
    return {
        "type": "object",
        "description": "A hedge-mode grid strategy on one instrument of one account: one strategy pod, kept in step.",
        "required": ["spec"],
        "properties": {
            "apiVersion": {"type": "string", "description": f"{GROUP}/{VERSION}."},
            "kind": {"type": "string", "description": f"{KIND}."},
            # The name stands here only because a rule's fieldPath must lead to a declared field.
            "metadata": {"type": "object", "properties": {"name": {"type": "string"}}},
            "spec": _described(spec_schema()),
            "status": status_schema(),
        },
        _RULES: [NAME_RULE],
    }


def _resolved(node: Schema, definitions: Schema) -> Schema:
    """A node without $ref, title, null and what else a structural schema doesn't know."""
    node = _merged(node, definitions)
    schema: Schema = {key: node[key] for key in _KEPT if key in node}
    if "const" in node:
        schema["enum"] = [node["const"]]
    if "description" in node:
        schema["description"] = _paragraph(node["description"])
    if "properties" in node:
        schema["properties"] = {name: _resolved(field, definitions) for name, field in node["properties"].items()}
    for inner in ("items", "additionalProperties"):
        if isinstance(node.get(inner), dict):
            schema[inner] = _resolved(node[inner], definitions)
    schema |= {key: value for key, value in node.items() if key.startswith("x-kubernetes-")}
    if any(float(schema[bound]) % 1 for bound in ("minimum", "maximum") if bound in schema):
        schema[_RULES] = [_fractional_bounds(schema)]
    default = _written_out(schema.pop("default", None))
    # Empty is the same as absent for every group and list without defaults.
    return schema if default in (None, {}, []) else schema | {"default": default}


def _fractional_bounds(schema: Schema) -> Schema:
    """The bounds of a number once more, as a rule: the API server cuts a bound to its whole part for a whole number.

    `minimum: 0.1` would let 0 pass.
    """
    words = f"must be {allowed(schema)}"
    return {
        "rule": f"self >= {float(schema['minimum'])} && self <= {float(schema['maximum'])}",
        "message": words,
        "messageExpression": formatted(f"{words}; not %s", "string(self)"),
    }


def _merged(node: Schema, definitions: Schema) -> Schema:
    """A node with its reference, or the one alternative to null, in its place; what stands beside it wins."""
    choices = [choice for choice in node.get("anyOf", []) if choice != {"type": "null"}]
    if len(choices) == 1:
        beside = {key: value for key, value in node.items() if key != "anyOf"}
        return _merged(choices[0] | beside, definitions)
    if "$ref" in node:
        beside = {key: value for key, value in node.items() if key != "$ref"}
        return _merged(definitions[node["$ref"].rpartition("/")[2]] | beside, definitions)
    return node


def _written_out(default: Any) -> Any:
    """A default without what is absent. `{}` would do for a group, but is refused as soon as the group has a rule."""
    if isinstance(default, dict):
        inner = {key: _written_out(value) for key, value in cast("Schema", default).items()}
        return {key: value for key, value in inner.items() if value not in (None, {}, [])}
    return default


def _paragraph(text: str) -> str:
    return " ".join(inspect.cleandoc(text).split())


def _described(schema: Schema) -> Schema:
    """A schema whose descriptions end with what the schema says: range, default, rules."""
    described = dict(schema)
    description = " ".join([schema.get("description", ""), *_facts(schema)]).strip()
    if description:
        described["description"] = description
    if "properties" in schema:
        described["properties"] = {name: _described(field) for name, field in schema["properties"].items()}
    for inner in ("items", "additionalProperties"):
        if inner in schema:
            described[inner] = _described(schema[inner])
    return described


def _facts(schema: Schema) -> Iterator[str]:
    scalar = schema.get("type") not in ("object", "array")
    words = allowed(schema)
    if words is not None and "enum" not in schema:  # kubectl lists an enum by itself
        yield f"Range: {words}." if "minimum" in schema else f"Must be {words}."
    if scalar and "default" in schema:
        yield f"Default: {_literal(schema['default'])}."
    # Of a rule that compares with the old object, the field itself says what matters: immutable, only grows.
    rules = [rule["message"] for rule in schema.get(_RULES, ()) if "oldSelf" not in rule["rule"]]
    if not scalar and rules:
        yield f"{'Rule' if len(rules) == 1 else 'Rules'}: {'; '.join(rules)}."


def _literal(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else f'"{value}"' if isinstance(value, str) else str(value)


def _types_only(schema: Schema) -> Schema:
    """A schema that refuses no value of the right type."""
    kept = {key: value for key, value in schema.items() if key not in (*_BOUNDS, "default", _RULES)}
    if "enum" in schema:
        values = ", ".join(str(value) for value in schema["enum"])
        kept["description"] = f"{schema.get('description', '')} One of {values}.".strip()
    if "properties" in schema:
        kept["properties"] = {name: _types_only(field) for name, field in schema["properties"].items()}
    if "items" in schema:
        kept["items"] = _types_only(schema["items"])
    # The keys of a keyed list have to be required; nothing else is.
    kept.pop("required", None)
    for key in schema.get("x-kubernetes-list-map-keys", ()):
        kept["items"]["required"] = [key]
    return kept
