"""The table of values in the chart's README: made from the comments of values.yaml, and none is left out."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]


def _module() -> ModuleType:
    spec = importlib.util.spec_from_file_location("chart", ROOT / "crds" / "chart.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


CHART = _module()


def test_each_value_has_its_default_and_what_stands_above_it() -> None:
    found = CHART.documented("# How many.\nreplicas: 2\nimage:\n  # Its tag;\n  # empty: ours.\n  tag: ''\n")
    assert [tuple(value) for value in found] == [
        ("replicas", "2", "How many."),
        ("image.tag", '""', "Its tag; empty: ours."),
    ]


def test_a_comment_above_a_group_stands_for_all_of_it() -> None:
    (found,) = CHART.documented("# Labels, such as a | b.\nlabels:\n  a: b\n")
    assert (found.path, found.default) == ("labels", '{"a": "b"}')
    text = CHART.readme(f"before\n{CHART.BEGIN}\nold\n{CHART.END}\nafter\n", "# a | b.\nx: 1\n")
    assert text.startswith("before\n")
    assert text.endswith("after\n")
    assert "| `x` | `1` | a \\| b. |" in text
    assert "old" not in text


def test_a_value_without_a_comment_is_named() -> None:
    with pytest.raises(CHART.UndocumentedError, match=r"image\.tag in values\.yaml has no comment"):
        CHART.documented("image:\n  tag: ''\n")


def test_a_readme_without_the_marks_is_refused() -> None:
    with pytest.raises(ValueError, match="has no lines"):
        CHART.readme("text", "")
