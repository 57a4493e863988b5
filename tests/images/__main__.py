"""`python -m tests.images`: build both images; `python -m tests.images sbom DIR`: list what is in them."""

import argparse
import sys
from pathlib import Path

from tests.images import BuildFailed, ImagesUnavailable, build, sbom
from tests.kube.progress import say_to_stderr


def main() -> int:
    """The command line: paths of the archives, or of the lists, on stdout."""
    parser = argparse.ArgumentParser(prog="python -m tests.images", description=__doc__)
    commands = parser.add_subparsers(dest="command")
    listing = commands.add_parser("sbom", help="SPDX and CycloneDX files, made by syft, of both images")
    listing.add_argument("folder", type=Path, metavar="DIR", help="where to")
    chosen = parser.parse_args()
    try:
        images = build()
        made = [images.operator, images.strategy]
        if chosen.command == "sbom":
            made = sbom.write(images, chosen.folder, say_to_stderr)
    except (ImagesUnavailable, BuildFailed) as reason:
        print(f"error: {reason}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("error: interrupted; the next run begins this step anew", file=sys.stderr)
        return 130
    for path in made:
        print(path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
