"""The lists of what is in the images: every locked package with its version, nothing else of Python, and Debian's."""

import json
import re
from pathlib import Path

import pytest

from tests.images import ImagesUnavailable, build, sbom
from tests.images.recipes import ROOT
from tests.kube.progress import say_to_stderr

pytestmark = pytest.mark.timeout(1800)

LOCKED = re.compile(r"^([a-z0-9._-]+)==([^ ;\\]+)", re.MULTILINE)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With the lists; skips where there is no syft yet: to build it takes longer than a test may."""
    if sbom.present() is None:
        pytest.skip("there is no syft: `make sbom` builds it")
    try:
        images = build()
    except ImagesUnavailable as reason:
        pytest.skip(f"no images: {reason}")
    made = tmp_path_factory.mktemp("sbom")
    sbom.write(images, made, say_to_stderr)
    return made


@pytest.mark.parametrize("name", ["operator", "strategy"])
def test_every_locked_package_is_listed_with_its_version(folder: Path, name: str) -> None:
    listed = json.loads((folder / f"hedgegrid-{name}.cdx.json").read_text())["components"]
    found = {
        re.sub(r"[-_.]+", "-", item["name"]).lower(): item["version"]
        for item in listed
        if item.get("purl", "").startswith("pkg:pypi/")
    }
    locked = LOCKED.findall((ROOT / "requirements" / f"{name}.txt").read_text())
    assert found == {re.sub(r"[-_.]+", "-", package): version for package, version in locked}
    debian = {item["name"] for item in listed if item.get("purl", "").startswith("pkg:deb/")}
    assert {"libc6", "base-files"} <= debian
    document = json.loads((folder / f"hedgegrid-{name}.spdx.json").read_text())
    assert document["spdxVersion"].startswith("SPDX-2")
    assert {package["name"].lower() for package in document["packages"]} >= {
        item["name"].lower() for item in listed if "purl" in item
    }
