"""What mounts and a network namespace do for a container, done to text. Pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

# Not within a longer address, and not a network such as 0.0.0.0/0.
WILDCARD = r"(?<![\d.])0\.0\.0\.0(?!\.?\d|/\d)"


@dataclass(frozen=True)
class Substitution:
    """The pod's address for the wildcard address, a folder for each mount path."""

    address: str
    folders: Mapping[str, str]

    def __call__(self, text: str) -> str:
        """`text` with every wildcard address and mount path replaced; what is put in is never replaced again."""
        return self._pattern.sub(self._replacement, text)

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        # The longest mount path first, since one may lie within another; whole path components only.
        paths = sorted((path for path in self.folders if path != "/"), key=len, reverse=True)
        mounts = "|".join(re.escape(path) for path in paths)
        alternatives = [WILDCARD] + ([rf"(?<![\w.\-])(?:{mounts})(?![\w\-]|\.\w)"] if mounts else [])
        return re.compile("|".join(alternatives))

    def _replacement(self, match: re.Match[str]) -> str:
        return self.folders.get(match[0], self.address)


_REFERENCE = re.compile(r"\$(\$|\([^)]*\))")


def expand(text: str, environment: Mapping[str, str]) -> str:
    """`$(NAME)` becomes the variable's value, `$$` becomes `$`, an unknown name stays as it is (Kubernetes' rule)."""

    def replacement(match: re.Match[str]) -> str:
        if match[1] == "$":
            return "$"
        return environment.get(match[1][1:-1], match[0])

    return _REFERENCE.sub(replacement, text)
