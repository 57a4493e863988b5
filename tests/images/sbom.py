"""Lists of what is in the images (SBOM), by syft: from PATH, else built once from its Go module."""

import shutil
from pathlib import Path

from tests.images import steps
from tests.images.archives import Images
from tests.images.errors import ImagesUnavailable
from tests.kube.binaries import cache_folder
from tests.kube.gobuild import GO_PLACES
from tests.kube.progress import Say

SYFT = "1.57.0"
FORMATS = {"spdx-json": "spdx.json", "cyclonedx-json": "cdx.json"}


def write(images: Images, folder: Path, say: Say) -> list[Path]:
    """One file for each image and format. Raises ImagesUnavailable where there is no syft, and BuildFailed."""
    program = _syft(say)
    folder.mkdir(parents=True, exist_ok=True)
    made: list[Path] = []
    for name, archive in (("operator", images.operator), ("strategy", images.strategy)):
        outputs = {kind: folder / f"hedgegrid-{name}.{ending}" for kind, ending in FORMATS.items()}
        command = [str(program), "scan", f"oci-archive:{archive}", f"--source-name=hedgegrid-{name}"]
        command += [f"--output={kind}={path}" for kind, path in outputs.items()]
        steps.run(f"syft {name}", command, say, env={"SYFT_CHECK_FOR_APP_UPDATE": "false"})
        made += outputs.values()
    return made


def present() -> Path | None:
    """syft where it is there already, in PATH or in the cache."""
    places = (shutil.which("syft"), str(_folder() / "syft"))
    return next((Path(place) for place in places if place and Path(place).is_file()), None)


def _folder() -> Path:
    return cache_folder() / f"syft-{SYFT}"


def _syft(say: Say) -> Path:
    if there := present():
        return there
    go = next(filter(None, map(shutil.which, GO_PLACES)), None)
    if go is None:
        raise ImagesUnavailable(f"there is no syft, and no Go to build it with: install syft {SYFT} or Go")
    environment = {"CGO_ENABLED": "0", "GOFLAGS": "-trimpath", "GOWORK": "off", "GOBIN": str(_folder())}
    say(f"building syft {SYFT} from its Go module, once: some 15 minutes on 2 cores, then it is in the cache")
    module = f"github.com/anchore/syft/cmd/syft@v{SYFT}"
    steps.run("go install syft", [go, "install", "-v", "-ldflags=-s -w", module], say, env=environment)
    return _folder() / "syft"
