"""Pieces of core Kubernetes objects in `spec.pod`: passed on as they are, but for what belongs to the operator.

Only keys and names are checked here; the API server validates the rest when the operator applies the StatefulSet.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from hedgegrid_api.rules import Schema, Written, formatted, shown

_QUANTITY = "type(self) == int ? self >= 0 : isQuantity(self) && self > '.'"
"""What the pattern says: a sign comes before the point in ASCII. In its estimate of what a rule costs, Kubernetes 1.33
takes what may be a number or a text for megabytes long, whatever its maxLength: patterns would be over the budget.
"""


@dataclass(frozen=True, slots=True)
class KeyedMap:
    """A map whose keys and values are written in a certain way; an annotation for fields of type dict.

    `quantities` tells that the values are written as Kubernetes' quantities, and lets them be integers too, as in
    `cpu: 1`.
    """

    keys: Written
    values: Written
    max_items: int
    quantities: bool = False

    def check(self, value: object) -> object:
        """The value itself.

        Raises:
            PydanticCustomError: A key or a value is written otherwise.
        """
        if not isinstance(value, Mapping):
            return value
        for key, item in cast("Mapping[object, object]", value).items():
            self.keys.check(key)
            whole = self.quantities and isinstance(item, int) and not isinstance(item, bool)
            self.values.check(str(item) if whole else item)
        return cast("object", value)

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_before_validator_function(self.check, handler(source))

    def __get_pydantic_json_schema__(self, core: CoreSchema, handler: GetJsonSchemaHandler) -> Schema:
        return {
            "type": "object",
            "maxProperties": self.max_items,
            "additionalProperties": self._quantity() if self.quantities else self.values.schema(),
            "x-kubernetes-validations": [
                {
                    "rule": f"self.all(key, {self.keys.cel('key')})",
                    "message": f"each key must be {self.keys.meaning}",
                    "messageExpression": formatted(
                        f"each key must be {self.keys.meaning}; not %s",
                        f"self.filter(key, !({self.keys.cel('key')}))",
                    ),
                }
            ],
        }

    def _quantity(self) -> Schema:
        schema = self.values.schema()
        del schema["type"]
        schema["anyOf"] = [{"type": "integer"}, {"type": "string"}]
        schema["x-kubernetes-int-or-string"] = True
        schema["x-kubernetes-validations"] = [
            {
                "rule": _QUANTITY,
                "message": f"must be {self.values.meaning}",
                "messageExpression": formatted(f"must be {self.values.meaning}; not %s", "string(self)"),
            }
        ]
        return schema


@dataclass(frozen=True, slots=True)
class KeyedList:
    """A list of objects of which only some texts are checked; an annotation for fields of type list.

    The first of `required` is the key that no two items may share; `optional` texts may be absent.
    """

    required: Mapping[str, Written]
    optional: Mapping[str, Written]
    max_items: int

    @property
    def key(self) -> str:
        """The field that no two items may share."""
        return next(iter(self.required))

    def check(self, value: object) -> object:
        """The value itself.

        Raises:
            PydanticCustomError: An item lacks a required text, has one that is written otherwise, or repeats a key.
        """
        if not isinstance(value, list | tuple):
            return value
        seen: set[object] = set()
        items = cast("list[object] | tuple[object, ...]", value)
        for item in items:
            if not isinstance(item, Mapping):
                raise PydanticCustomError("piece", "each item must be an object, not {item}", {"item": shown(item)})
            self._check_item(cast("Mapping[str, object]", item), seen)
        return items

    def _check_item(self, item: Mapping[str, object], seen: set[object]) -> None:
        for name, form in (*self.required.items(), *self.optional.items()):
            if name in item:
                form.check(item[name])
            elif name in self.required:
                raise PydanticCustomError(
                    "piece", "{name} is missing in {item}", {"name": name, "item": shown(dict(item))}
                )
        if item[self.key] in seen:
            raise PydanticCustomError(
                "piece", "{name} {value} is there twice", {"name": self.key, "value": shown(item[self.key])}
            )
        seen.add(item[self.key])

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_before_validator_function(self.check, handler(source))

    def __get_pydantic_json_schema__(self, core: CoreSchema, handler: GetJsonSchemaHandler) -> Schema:
        return {
            "type": "array",
            "maxItems": self.max_items,
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": [self.key],
            "items": {
                "type": "object",
                "required": list(self.required),
                "properties": {name: form.schema() for name, form in {**self.required, **self.optional}.items()},
                "x-kubernetes-preserve-unknown-fields": True,
            },
        }


@dataclass(frozen=True, slots=True)
class Piece:
    """An object of which nothing is checked here; an annotation for fields of type dict."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return handler(source)

    def __get_pydantic_json_schema__(self, core: CoreSchema, handler: GetJsonSchemaHandler) -> Schema:
        return {"type": "object", "x-kubernetes-preserve-unknown-fields": True}


LABEL_VALUE = Written(
    r"^[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$",
    "a label value: at most 63 letters, digits, '-', '_' and '.', beginning and ending with a letter or digit",
    max_length=63,
)

_QUALIFIED_NAME = r"^([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$"

QUALIFIED_NAME = Written(
    _QUALIFIED_NAME, "a key like kubernetes.io/arch: an optional DNS name with '/', and a name", max_length=317
)

_METADATA_KEY = Written(
    _QUALIFIED_NAME,
    "a label key outside hedgegrid.io/ and app.kubernetes.io/, which are the operator's own",
    max_length=317,
    refused=r"^([a-z0-9.-]+[.])?hedgegrid[.]io/|^app[.]kubernetes[.]io/",
)

MAYBE_EMPTY_LABEL_VALUE = Written(r"^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$", LABEL_VALUE.meaning, max_length=63)

LABELS = KeyedMap(_METADATA_KEY, MAYBE_EMPTY_LABEL_VALUE, max_items=64)

NODE_LABELS = KeyedMap(QUALIFIED_NAME, MAYBE_EMPTY_LABEL_VALUE, max_items=64)

ANNOTATIONS = KeyedMap(
    _METADATA_KEY, Written(r"(?s)^.*$", "a text of at most 4096 characters", max_length=4096), max_items=64
)

QUANTITIES = KeyedMap(
    Written(r"^[a-z0-9]([-a-z0-9./]*[a-z0-9])?$", "the name of a resource, like cpu or memory", max_length=253),
    Written(
        r"^([0-9]+([.][0-9]*)?|[.][0-9]+)([KMGTPE]i|[numkMGTPE]|[eE][+-]?[0-9]+)?$",
        "a quantity of at least 0, like 500m or 512Mi; in quotes if it has a decimal point",
    ),
    max_items=12,
    quantities=True,
)

_OBJECT_NAME = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"

_VOLUME_NAME = Written(
    _OBJECT_NAME,
    "a volume name: lower-case letters, digits and '-', not beginning with hedgegrid- (the operator's own)",
    max_length=63,
    refused="^hedgegrid-",
)

ENV = KeyedList(
    required={
        "name": Written(
            r"^[A-Za-z_.-][A-Za-z0-9_.-]*$",
            "a variable name that doesn't begin with HEDGEGRID_ or POD_ (the operator's own)",
            max_length=253,
            refused="^(HEDGEGRID|POD)_",
        )
    },
    optional={
        "value": Written(r"(?s)^.*$", "a text of at most 32768 characters; a number in quotes", max_length=32768)
    },
    max_items=64,
)

VOLUMES = KeyedList(required={"name": _VOLUME_NAME}, optional={}, max_items=32)

VOLUME_MOUNTS = KeyedList(
    required={
        "mountPath": Written(
            r"^/[^:]*$",
            "an absolute path without '..', '//' and ':', outside /etc/hedgegrid and /var/lib/hedgegrid (the "
            "operator's own)",
            max_length=1024,
            refused=r"^/(etc|var/lib)/hedgegrid(/|$)|//|/[.][.]?(/|$)",
        ),
        "name": _VOLUME_NAME,
    },
    optional={},
    max_items=32,
)
