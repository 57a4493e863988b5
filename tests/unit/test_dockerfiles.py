"""What the Dockerfiles promise, read from their text: both builders understand them, and both images are alike."""

import fnmatch
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from hedgegrid_operator.desired import stateful_set
from tests.images.recipes import RECIPES, ROOT, Recipe

FILES = {recipe.name: (ROOT / recipe.dockerfile).read_text() for recipe in RECIPES}
each = pytest.mark.parametrize("name", list(FILES))


def instructions(name: str) -> list[tuple[str, str]]:
    """Instruction and arguments, with continued lines joined and comments gone."""
    lines = [line for line in FILES[name].splitlines() if not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n\s*", "", "\n".join(lines))
    return [(line.split(maxsplit=1)[0], line.split(maxsplit=1)[1]) for line in joined.splitlines() if line]


def last_stage(name: str) -> list[tuple[str, str]]:
    found = instructions(name)
    begins = max(index for index, (word, _) in enumerate(found) if word == "FROM")
    return found[begins:]


@each
def test_the_base_image_is_an_argument_without_a_digest(name: str) -> None:
    assert instructions(name)[0] == ("ARG", "PYTHON_IMAGE=docker.io/library/python:3.13-slim-trixie")
    bases = [rest for word, rest in instructions(name) if word == "FROM"]
    assert bases == ["${PYTHON_IMAGE} AS build", "${PYTHON_IMAGE}"]


@each
def test_dependencies_are_locked_with_hashes_and_never_built(name: str) -> None:
    runs = " ".join(rest for word, rest in instructions(name) if word == "RUN")
    assert f"uv pip sync --quiet --python /app/venv/bin/python --require-hashes --no-build {name}.txt" in runs
    assert "python3 -m pip install --quiet --require-hashes --requirement uv.txt" in runs
    assert len(re.findall(r"\bpip (install|sync)\b", runs)) == 2


def test_the_installer_is_that_of_the_lock_file_with_its_hashes() -> None:
    pinned = re.compile(r"^uv==.*(?:\n {4}--hash=.*)+", re.MULTILINE)
    found, locked = (pinned.search((ROOT / "requirements" / file).read_text()) for file in ("uv.txt", "dev.txt"))
    assert found is not None
    assert locked is not None
    assert found.group() == locked.group()


@each
def test_the_last_stage_takes_all_from_the_first_and_installs_nothing(name: str) -> None:
    copies = [rest for word, rest in last_stage(name) if word in ("COPY", "ADD")]
    assert copies
    assert all(rest.startswith("--from=build /app/") for rest in copies)
    runs = [rest for word, rest in last_stage(name) if word == "RUN"]
    assert ["uninstall" in rest for rest in runs] == [True]


@each
def test_the_user_is_that_of_the_pods(name: str) -> None:
    user = stateful_set.ImageDefaults.__dataclass_fields__["user"].default
    assert ("USER", f"{user}:{user}") in last_stage(name)


@each
def test_process_1_is_the_program_and_no_shell(name: str) -> None:
    commands = [rest for word, rest in last_stage(name) if word in ("ENTRYPOINT", "CMD")]
    assert all(rest.startswith('["') for rest in commands)
    assert commands[0].startswith('["python", "-m"')


@each
def test_nothing_in_it_is_beyond_buildah_1_28(name: str) -> None:
    assert "<<" not in FILES[name]
    assert not re.search(r"COPY .*--(link|exclude|parents)", FILES[name])
    assert not re.search(r"RUN .*--(network|security)", FILES[name])
    assert not FILES[name].startswith("# syntax")


@each
def test_byte_code_is_found_where_it_was_written(name: str) -> None:
    """Else a read-only root compiles the standard library and the program again at each start."""
    settings = next(rest for word, rest in last_stage(name) if word == "ENV")
    compiling = next(rest for word, rest in instructions(name) if word == "RUN" and "precompile.py" in rest)
    for variable in ("PYTHONPATH=/app/lib", "PYTHONPYCACHEPREFIX=/app/pyc"):
        assert variable in settings
        assert variable in compiling
    assert "PYTHONDONTWRITEBYTECODE=1" in settings


def test_both_images_are_made_the_same_way() -> None:
    """What differs is the package, its requirements, the ports and the words."""

    def common(name: str) -> list[tuple[str, str]]:
        left_out = ("EXPOSE", "ENTRYPOINT", "CMD", "LABEL")
        own = {"operator": "hedgegrid_operator", "strategy": "naut_hedgegrid"}[name]
        kept = [(word, rest) for word, rest in instructions(name) if word not in left_out]
        text = [
            (word, re.sub(rf"\w+/{own}|{own}", "PACKAGE", rest).replace(f"{name}.txt", "REQUIREMENTS"))
            for word, rest in kept
        ]
        return [(word, re.sub(r"(hedgegrid_api PACKAGE)[\w. -]*", r"\1 ", rest)) for word, rest in text]

    assert common("operator") == common("strategy")


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.name)
def test_the_context_holds_what_is_copied_and_the_key_covers_it(recipe: Recipe) -> None:
    """A source outside the context fails the build; one outside the key would leave an old image in the cache."""
    copies = [rest.split() for word, rest in instructions(recipe.name) if word == "COPY" and "--from" not in rest]
    admitted = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    for *sources, _ in copies:
        for source in sources:
            assert (ROOT / source).exists(), source
            assert any(fnmatch.fnmatch(source, entry) or Path(source).is_relative_to(entry) for entry in admitted), (
                source
            )
            assert any(Path(source).is_relative_to(entry) for entry in recipe.inputs), source


def test_the_context_is_a_list_of_what_may_enter() -> None:
    lines = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if not line.startswith("#")]
    assert lines[0] == "*"
    assert {"**/__pycache__", "**/*.pyc"} <= set(lines)


@each
def test_hadolint_finds_nothing(name: str) -> None:
    program = shutil.which("hadolint", path=str(Path(sys.executable).parent)) or shutil.which("hadolint")
    if program is None:
        pytest.skip("hadolint is not installed")
    file = next(recipe.dockerfile for recipe in RECIPES if recipe.name == name)
    done = subprocess.run([program, file], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
