"""Import packages whole, then write the byte code of all that this loaded.

The base image has no compiled standard library, and a container with a read-only root can't keep what it compiles: each
start would compile everything again. The files go where PYTHONPYCACHEPREFIX says. They are taken without a look at the
source's time, which a builder may change afterwards, and are the same from build to build.
"""

import argparse
import importlib
import importlib.util
import pkgutil
import py_compile
import sys
from collections.abc import Collection
from pathlib import Path


def import_whole(name: str) -> None:
    """Import a module and all below it."""
    module = importlib.import_module(name)
    for found in pkgutil.walk_packages(getattr(module, "__path__", ()), f"{name}."):
        importlib.import_module(found.name)


def compiled() -> dict[str, Path]:
    """Byte code that the interpreter has written, by source; of imports that fail, too, which each start tries."""
    prefix = Path(sys.pycache_prefix or "")
    return {importlib.util.source_from_cache(str(path)): path for path in sorted(prefix.rglob("*.pyc"))}


def drop_unused(package: str, loaded: Collection[str]) -> int:
    """Delete the sources of a generated package that nothing has loaded; how many they were."""
    folders = importlib.import_module(package).__path__
    unused = [path for folder in folders for path in Path(folder).rglob("*.py") if str(path) not in loaded]
    for path in unused:
        path.unlink()
    return len(unused)


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("packages", nargs="+", metavar="PACKAGE", help="to import, with all below it")
    parser.add_argument("--also", action="append", default=[], metavar="MODULE", help="to import, alone")
    parser.add_argument("--lean", action="append", default=[], metavar="PACKAGE", help="keep of it only what is loaded")
    chosen = parser.parse_args()
    for name in chosen.packages:
        import_whole(name)
    for name in chosen.also:
        importlib.import_module(name)
    loaded = compiled()
    for source, target in loaded.items():
        py_compile.compile(
            source, str(target), doraise=True, invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH
        )
    dropped = sum(drop_unused(package, loaded) for package in chosen.lean)
    sys.stdout.write(f"{len(loaded)} modules compiled into {sys.pycache_prefix}, {dropped} dropped\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
