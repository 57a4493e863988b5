"""An image of a few files, as an OCI archive that `ctr images import` takes."""

import hashlib
import io
import json
import platform
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path

ARCHITECTURE = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())

_OCI = "application/vnd.oci.image"


def write(
    archive: Path,
    name: str,
    files: Mapping[str, Path],
    entrypoint: Sequence[str],
    links: Mapping[str, str] | None = None,
) -> None:
    """Write the image `name` (repository:tag), with executable `files` and symbolic `links` by their path in it."""
    layer = _layer(files, links or {})
    config = _json(
        {
            "architecture": ARCHITECTURE,
            "os": "linux",
            "config": {"Entrypoint": list(entrypoint), "Env": ["PATH=/bin"]},
            "rootfs": {"type": "layers", "diff_ids": [_digest(layer)]},
        }
    )
    manifest = _json(
        {
            "schemaVersion": 2,
            "mediaType": f"{_OCI}.manifest.v1+json",
            "config": _reference(f"{_OCI}.config.v1+json", config),
            "layers": [_reference(f"{_OCI}.layer.v1.tar", layer)],
        }
    )
    named = _reference(f"{_OCI}.manifest.v1+json", manifest) | {"annotations": {"io.containerd.image.name": name}}
    with tarfile.open(archive, "w") as tar:
        _add(tar, "oci-layout", _json({"imageLayoutVersion": "1.0.0"}))
        _add(tar, "index.json", _json({"schemaVersion": 2, "manifests": [named]}))
        for blob in (manifest, config, layer):
            _add(tar, f"blobs/sha256/{_digest(blob).removeprefix('sha256:')}", blob)


def _layer(files: Mapping[str, Path], links: Mapping[str, str]) -> bytes:
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w") as tar:
        for path, source in files.items():
            _add(tar, path.lstrip("/"), source.read_bytes())
        for path, target in links.items():
            link = tarfile.TarInfo(path.lstrip("/"))
            link.type, link.linkname = tarfile.SYMTYPE, target
            tar.addfile(link)
    return written.getvalue()


def _add(tar: tarfile.TarFile, path: str, content: bytes) -> None:
    member = tarfile.TarInfo(path)
    member.size, member.mode = len(content), 0o755
    tar.addfile(member, io.BytesIO(content))


def _json(value: object) -> bytes:
    return json.dumps(value).encode()


def _digest(blob: bytes) -> str:
    return f"sha256:{hashlib.sha256(blob).hexdigest()}"


def _reference(kind: str, blob: bytes) -> dict[str, object]:
    return {"mediaType": kind, "digest": _digest(blob), "size": len(blob)}
