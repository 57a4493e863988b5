"""How values are written and related: one statement and one message for the API server (CEL) and for the models.

`Written` constrains one text, `Rule` relates the fields of a group. Each carries its CEL form and the same in Python,
so that the API server, the operator and people who write files by hand are told the same thing.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, InitErrorDetails, PydanticCustomError, core_schema

type Schema = dict[str, Any]
"""A JSON schema: data of any shape."""


def plain(value: Decimal) -> str:
    """A decimal without exponent, as it stands in objects and messages (`0.00000001`, never `1E-8`)."""
    return format(value, "f")


def formatted(text: str, *values: str) -> str:
    """CEL expression: `text`, whose `%s` are replaced by CEL values. (`+` on strings exceeds the cost limit.)"""
    return f"{json.dumps(text, ensure_ascii=False)}.format([{', '.join(values)}])"


@dataclass(frozen=True, slots=True)
class Written:
    """How a text or a decimal number is written; an annotation for fields of type str and Decimal.

    `meaning` completes the sentence "must be …". `refused` is a second pattern, for what the first would let pass
    (CEL's RE2 has no look-ahead). Numbers without quotes are refused, as the API server refuses them: a double would
    round them.
    """

    pattern: str
    meaning: str
    max_length: int = 32
    refused: str | None = None

    def cel(self, variable: str = "self") -> str:
        """CEL expression that is true when `variable` is written so."""
        rule = f"{variable}.matches({_literal(self.pattern)})"
        return rule if self.refused is None else f"{rule} && !{variable}.matches({_literal(self.refused)})"

    def fits(self, text: str) -> bool:
        """Whether a text is written so."""
        return (
            len(text) <= self.max_length
            and re.fullmatch(self.pattern.removeprefix("^").removesuffix("$"), text) is not None
            and (self.refused is None or re.search(self.refused, text) is None)
        )

    def schema(self) -> Schema:
        """Schema of a field written so."""
        return {
            "type": "string",
            "maxLength": self.max_length,
            "x-kubernetes-validations": [
                {
                    "rule": self.cel(),
                    "message": f"must be {self.meaning}",
                    "messageExpression": formatted(f'must be {_escaped(self.meaning)}; not "%s"', "self"),
                }
            ],
        }

    def check(self, value: object) -> object:
        """The value itself.

        Raises:
            PydanticCustomError: It is written otherwise.
        """
        text = plain(value) if isinstance(value, Decimal) else value
        if isinstance(text, str) and self.fits(text):
            return value
        raise PydanticCustomError(
            "written", "must be {meaning}; not {found}", {"meaning": self.meaning, "found": shown(value)}
        )

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_before_validator_function(self.check, handler(source))

    def __get_pydantic_json_schema__(self, core: CoreSchema, handler: GetJsonSchemaHandler) -> Schema:
        return self.schema()


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A relation between the fields of a group.

    `at` is the field that an error is reported at, dotted from the group. `shows` are CEL paths, `self.…` or
    `oldSelf.…`, whose values the message ends with; they have to be present always. `holds` is the same relation in
    Python; it is None for a rule that compares with the old object, which only the API server knows. `cel` is None for
    a rule of a file, which the API server never sees.
    """

    at: str
    cel: str | None
    holds: Callable[[Any], bool] | None
    message: str
    shows: tuple[str, ...] = ()

    def schema(self) -> Schema:
        """Entry of `x-kubernetes-validations`."""
        entry: Schema = {"rule": self.cel, "message": self.message, "fieldPath": f".{self.at}"}
        if self.shows:
            labels = ", ".join(f"{_label(path)} %s" for path in self.shows)
            values = [f"string({path})" for path in self.shows]
            entry["messageExpression"] = formatted(f"{_escaped(self.message)} ({labels})", *values)
        return entry

    def error(self, group: Mapping[str, Any]) -> InitErrorDetails:
        """What a model that breaks the rule raises; `group` is its data under the names of the object."""
        values = [f"{_label(path)} {_value(group, path)}" for path in self.shows]
        message = f"{self.message} ({', '.join(values)})" if values else self.message
        return InitErrorDetails(
            type=PydanticCustomError("rule", "{message}", {"message": message}),
            loc=tuple(self.at.split(".")),
            input=None,
        )


def shown(value: object) -> str:
    """A value in a message: as it stands in JSON, shortened."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 80 else f"{text[:77]}…"


def _literal(pattern: str) -> str:
    """A regular expression as CEL string."""
    return "'" + pattern.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _escaped(text: str) -> str:
    """Text for the left side of CEL's format."""
    return text.replace("%", "%%")


def _label(path: str) -> str:
    """`self.grid.stepBps` → `grid.stepBps is`, `oldSelf.mode` → `mode was`."""
    root, _, name = path.partition(".")
    return f"{name} {'was' if root == 'oldSelf' else 'is'}"


def _value(group: Mapping[str, Any], path: str) -> str:
    value: Any = group
    for name in path.split(".")[1:]:
        value = value[name]
    return f"{value:g}" if isinstance(value, float) else str(value)
