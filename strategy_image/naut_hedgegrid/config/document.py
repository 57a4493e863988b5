"""A YAML file as plain data, with the line of every field."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

from naut_hedgegrid.config.errors import ConfigError, Problem

type Location = tuple[str | int, ...]
"""Names and list positions that lead from the root to a value."""


@dataclass(frozen=True, slots=True)
class Document:
    """The content of a YAML file."""

    data: dict[str, object]
    """Its fields."""
    lines: Mapping[Location, int]
    """Line of every value, from 1; that of the name where the value has one."""
    problems: tuple[Problem, ...]
    """Mistakes that the data doesn't show any more, like a field that is there twice."""

    def line(self, location: Location) -> int:
        """Line of a value, or of the nearest group that would hold it."""
        while location not in self.lines:
            location = location[:-1]
        return self.lines[location]


def dotted(location: Location) -> str:
    """A location as people write it: `tiers[0].mmr`."""
    path = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location)
    return path.removeprefix(".")


def read(path: Path) -> Document:
    """Read a YAML file whose top level is a group of fields.

    Raises:
        ConfigError: There is no such file, it can't be read, or it isn't YAML of that shape.
    """
    text = _text(path)
    try:
        loader = yaml.SafeLoader(text)
        root = loader.get_single_node()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = None if mark is None else mark.line + 1
        raise ConfigError(path, Problem(f"is not valid YAML: {error.problem}", line=line)) from error
    except yaml.YAMLError as error:
        raise ConfigError(path, Problem(f"is not valid YAML: {str(error).splitlines()[0]}")) from error
    if root is None:
        raise ConfigError(path, Problem("is empty"))
    if not isinstance(root, yaml.MappingNode):
        raise ConfigError(path, Problem("must hold fields, like `grid:`, at its top level", line=_line(root)))
    builder = _Builder(loader)
    data = builder.mapping(root, ())
    return Document(data, {(): _line(root), **builder.lines}, tuple(builder.problems))


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except FileNotFoundError as error:
        raise ConfigError(path, Problem("there is no such file; check the path")) from error
    except OSError as error:
        raise ConfigError(path, Problem(f"can't be read: {error.strerror or error}")) from error
    except UnicodeDecodeError as error:
        raise ConfigError(path, Problem("is not text in UTF-8; is it the right file?")) from error


class _Builder:
    """Plain data from YAML nodes, with lines; mistakes that the data doesn't show are collected."""

    def __init__(self, loader: yaml.SafeLoader) -> None:
        self.lines: dict[Location, int] = {}
        self.problems: list[Problem] = []
        self._loader = loader
        self._open: list[yaml.Node] = []

    def mapping(self, node: yaml.MappingNode, location: Location) -> dict[str, object]:
        data: dict[str, object] = {}
        for name, key, value in self._fields(node):
            here = (*location, name)
            if name in data:
                first = self.lines[here]
                message = f"{dotted(here)} is already written in line {first}; remove one of the two"
                self.problems.append(Problem(message, dotted(here), _line(key)))
                continue
            self.lines[here] = _line(key)
            data[name] = self._value(value, here)
        return data

    def _fields(self, node: yaml.MappingNode) -> Iterator[tuple[str, yaml.Node, yaml.Node]]:
        for key, value in node.value:
            if isinstance(key, yaml.ScalarNode):
                yield key.value, key, value
            else:
                self.problems.append(Problem("the name of a field must be text", line=_line(key)))

    def _value(self, node: yaml.Node, location: Location) -> object:
        if node in self._open:
            self.problems.append(Problem(f"{dotted(location)} refers to itself", dotted(location), _line(node)))
            return None
        self._open.append(node)
        try:
            if isinstance(node, yaml.MappingNode):
                return self.mapping(node, location)
            if isinstance(node, yaml.SequenceNode):
                return [self._item(item, (*location, index)) for index, item in enumerate(node.value)]
            return self._scalar(node)
        finally:
            self._open.pop()

    def _item(self, node: yaml.Node, location: Location) -> object:
        self.lines[location] = _line(node)
        return self._value(node, location)

    def _scalar(self, node: yaml.Node) -> object:
        try:
            return self._loader.construct_object(node)  # pyright: ignore[reportUnknownMemberType] # the stubs lack it
        except yaml.YAMLError:
            return {node.tag: node.value}  # a tag like !secret: no field takes it, and the message shows it
        except ValueError:
            return node.value  # looks like a date or number but is none: text


def _line(node: yaml.Node) -> int:
    return node.start_mark.line + 1
