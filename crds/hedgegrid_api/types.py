"""Value types that several models share: enumerations, decimal strings, the base model."""

from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any, ClassVar, Self, cast

from pydantic import (
    AfterValidator,
    AllowInfNan,
    BaseModel,
    ConfigDict,
    GetJsonSchemaHandler,
    PlainSerializer,
    Strict,
    ValidationError,
    WithJsonSchema,
    model_validator,
)
from pydantic.alias_generators import to_camel
from pydantic_core import CoreSchema

from hedgegrid_api.rules import Rule, Written, plain

GROUP = "hedgegrid.io"
VERSION = "v1alpha1"
KIND = "HedgeGrid"
PLURAL = "hedgegrids"
API_VERSION = f"{GROUP}/{VERSION}"


class Model(BaseModel):
    """Base of every model of the object: camelCase on the wire, immutable, unknown fields refused."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        populate_by_name=True,
        frozen=True,
        extra="forbid",
        use_attribute_docstrings=True,
    )
    RULES: ClassVar[tuple[Rule, ...]] = ()
    """Relations between the fields of this group, for the API server and for the model."""

    @model_validator(mode="after")
    def _keeps_its_rules(self) -> Self:
        broken = [rule for rule in self.RULES if rule.holds is not None and not rule.holds(self)]
        if broken:
            data = self.model_dump(by_alias=True)
            raise ValidationError.from_exception_data(type(self).__name__, [rule.error(data) for rule in broken])
        return self

    @classmethod
    def __get_pydantic_json_schema__(cls, core: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        reference = handler(core)
        rules = [rule.schema() for rule in cls.RULES if rule.cel is not None]
        if rules:
            handler.resolve_ref_schema(reference)["x-kubernetes-validations"] = rules
        return reference


def complaints(error: ValidationError, root: str = "") -> list[str]:
    """What is wrong, one sentence for each mistake: the field, dotted below `root`, and what it should be."""
    found: list[str] = []
    try:
        items = error.errors(include_url=False, include_context=False, include_input=False)
    except UnicodeEncodeError:
        # Half a surrogate pair in a message that quotes the value.
        return [f"{root or 'it'}: a text isn't Unicode"]
    for item in items:
        path = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in item["loc"])
        found.append(f"{f'{root}{path}'.removeprefix('.')}: {item['msg']}")
    return found


class Message(BaseModel):
    """Base of every message between operator and pod: unknown fields are ignored, so that either side may be newer."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        populate_by_name=True,
        frozen=True,
        extra="ignore",
        use_attribute_docstrings=True,
    )


class Mode(StrEnum):
    """Where market data and orders come from."""

    SIM = "sim"


class KillSwitch(StrEnum):
    """What the switch asks for, as a level: it stands until it is changed."""

    NONE = "none"
    HALT_ENTRIES = "haltEntries"
    FLATTEN_LONG = "flattenLong"
    FLATTEN_SHORT = "flattenShort"
    FLATTEN_BOTH = "flattenBoth"


class LegLevel(StrEnum):
    """How far one leg is held back: open < halted < flat."""

    OPEN = "open"
    HALTED = "halted"
    FLAT = "flat"

    @property
    def rank(self) -> int:
        """0 for open, 1 for halted, 2 for flat: the higher one is the more restrictive."""
        return _RANKS[self]


_RANKS = {LegLevel.OPEN: 0, LegLevel.HALTED: 1, LegLevel.FLAT: 2}


class LegState(StrEnum):
    """How far the engagement of one leg has got; the order is that of progress."""

    RELEASED = "Released"
    REQUESTED = "Requested"
    DELIVERED = "Delivered"
    FLATTENING = "Flattening"
    FAILED = "Failed"
    HALTED = "Halted"
    DUST = "Dust"
    FLAT = "Flat"


class Source(StrEnum):
    """Who asks for a level."""

    SPEC = "spec"
    RISK = "risk"
    API = "api"
    DELETION = "deletion"


def levels_of(switch: KillSwitch) -> tuple[LegLevel, LegLevel]:
    """Levels of the LONG and the SHORT leg that a value of the kill switch asks for."""
    match switch:
        case KillSwitch.NONE:
            return LegLevel.OPEN, LegLevel.OPEN
        case KillSwitch.HALT_ENTRIES:
            return LegLevel.HALTED, LegLevel.HALTED
        case KillSwitch.FLATTEN_LONG:
            return LegLevel.FLAT, LegLevel.OPEN
        case KillSwitch.FLATTEN_SHORT:
            return LegLevel.OPEN, LegLevel.FLAT
        case KillSwitch.FLATTEN_BOTH:
            return LegLevel.FLAT, LegLevel.FLAT


def switch_of(long: LegLevel, short: LegLevel) -> str:
    """Name of a pair of levels: the value of the kill switch that asks for it, else `long=…,short=…`."""
    for switch in KillSwitch:
        if levels_of(switch) == (long, short):
            return switch.value
    return f"long={long.value},short={short.value}"


Integer = Annotated[int, Strict()]
"""A whole number; neither text nor true and false pass for one, as at the API server."""

Number = Annotated[float, Strict(), AllowInfNan(False)]
"""A finite number; neither text nor true and false pass for one, as at the API server."""

Flag = Annotated[bool, Strict()]
"""true or false."""

_SERIAL = PlainSerializer(plain, return_type=str)

PositiveDecimal = Annotated[
    Decimal,
    Written(
        r"^([0-9]*[1-9][0-9]*([.][0-9]+)?|[0-9]+[.][0-9]*[1-9][0-9]*)$",
        'a decimal number greater than 0, written as a string, like "0.002"',
    ),
    _SERIAL,
]
"""A decimal > 0 that people write: a string without sign and exponent, at most 32 characters."""

UnsignedDecimal = Annotated[
    Decimal,
    Written(r"^[0-9]+([.][0-9]+)?$", 'a decimal number of at least 0, written as a string, like "0.0002"'),
    _SERIAL,
]
"""A decimal ≥ 0 that people write: a string without sign and exponent, at most 32 characters."""

SignedDecimal = Annotated[
    Decimal,
    Written(r"^-?[0-9]+([.][0-9]+)?$", 'a decimal number, written as a string, like "-0.0001"'),
    _SERIAL,
]
"""A decimal that people write: a string without exponent, at most 32 characters."""


_LARGEST_EXPONENT = 64
_SMALLEST_EXPONENT = -128


def _finite(value: Decimal) -> Decimal:
    if not value.is_finite():
        raise ValueError(f"{value} is not a finite decimal number")
    # `1e999999999` is ten characters here and a gigabyte when it is written out.
    if value.adjusted() > _LARGEST_EXPONENT or cast("int", value.as_tuple().exponent) < _SMALLEST_EXPONENT:
        raise ValueError(f"not between 1e{_SMALLEST_EXPONENT} and 1e{_LARGEST_EXPONENT}")
    return value


def _not_negative(value: Decimal) -> Decimal:
    if value < 0:
        raise ValueError(f"{value} is less than 0")
    return value


_TEXT = WithJsonSchema({"type": "string"})

UnsignedFigure = Annotated[Decimal, AfterValidator(_finite), AfterValidator(_not_negative), _SERIAL, _TEXT]
"""A decimal ≥ 0 that a program computed, up to 1e64; a string on the wire."""

SignedFigure = Annotated[Decimal, AfterValidator(_finite), _SERIAL, _TEXT]
"""A decimal that a program computed, up to 1e64; a string on the wire."""
