"""Parts of the real node that need no node: cgroup folders, images of a few files, configuration, packages."""

import fcntl
import hashlib
import json
import os
import tarfile
from pathlib import Path

import pytest

from tests.kube.node import cgroups, daemons, image, keeper, manifests, packages
from tests.kube.node.addresses import NODE_NAME, VOLUMES


@pytest.fixture
def hierarchies(tmp_path: Path) -> Path:
    """Three hierarchies of version 1, one of them of cpuset, and a link as distributions have them."""
    for name in ("memory", "cpuset", "unified"):
        (tmp_path / name).mkdir()
    (tmp_path / "cpuset" / "cpuset.cpus").write_text("0-1\n")
    (tmp_path / "cpuset" / "cpuset.mems").write_text("0\n")
    (tmp_path / "memory-link").symlink_to("memory")
    return tmp_path


def test_a_cgroup_is_made_in_every_hierarchy_with_its_parents_processors(hierarchies: Path) -> None:
    cgroups.make("hedgegrid-node-a", hierarchies)
    assert (hierarchies / "memory" / "hedgegrid-node-a").is_dir()
    assert (hierarchies / "unified" / "hedgegrid-node-a").is_dir()
    assert (hierarchies / "cpuset" / "hedgegrid-node-a" / "cpuset.cpus").read_text() == "0-1\n"
    assert (hierarchies / "cpuset" / "hedgegrid-node-a" / "cpuset.mems").read_text() == "0\n"
    assert not (hierarchies / "memory" / "hedgegrid-node-a" / "cpuset.cpus").exists()


def test_a_cgroup_is_removed_with_all_below_it_and_nothing_else(hierarchies: Path) -> None:
    for name in ("memory", "unified"):
        (hierarchies / name / "hedgegrid-node-a" / "kubepods" / "pod1" / "container").mkdir(parents=True)
        (hierarchies / name / "other").mkdir()
    (hierarchies / "memory" / "hedgegrid-node-b").mkdir()
    assert cgroups.found("hedgegrid-node-", hierarchies) == ["hedgegrid-node-a", "hedgegrid-node-b"]
    cgroups.remove("hedgegrid-node-a", hierarchies)
    assert cgroups.found("hedgegrid-node-", hierarchies) == ["hedgegrid-node-b"]
    assert (hierarchies / "memory" / "other").is_dir()
    cgroups.remove("hedgegrid-node-a", hierarchies)


def test_a_machine_with_cgroups_of_version_2_gets_one_folder_with_all_controllers(tmp_path: Path) -> None:
    (tmp_path / "cgroup.controllers").write_text("cpu memory pids\n")
    (tmp_path / "system.slice").mkdir()
    cgroups.make("hedgegrid-node-a", tmp_path)
    assert (tmp_path / "hedgegrid-node-a").is_dir()
    assert not (tmp_path / "system.slice" / "hedgegrid-node-a").exists()
    assert (tmp_path / "cgroup.subtree_control").read_text() == "+pids"  # a file keeps the last one, the kernel each
    cgroups.remove("hedgegrid-node-a", tmp_path)
    assert cgroups.found("hedgegrid-node-", tmp_path) == []


def test_what_a_killed_keeper_left_is_swept_and_what_somebody_holds_is_not(hierarchies: Path) -> None:
    held, left, lost = (f"{keeper.PREFIX}{name}" for name in ("held", "left", "lost"))
    for name in (held, left):
        (hierarchies / name).mkdir()
    for name in (held, left, lost):
        (hierarchies / "memory" / name / "kubepods").mkdir(parents=True)
    lock = os.open(hierarchies / held, os.O_RDONLY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        keeper.sweep(hierarchies, hierarchies)
    finally:
        os.close(lock)
    assert cgroups.found(keeper.PREFIX, hierarchies / "memory") == [held]
    assert (hierarchies / held).exists()
    assert not (hierarchies / left).exists()


def test_an_image_of_a_few_files_names_every_blob_by_its_digest(tmp_path: Path) -> None:
    program = tmp_path / "program"
    program.write_bytes(b"#!/bin/sh\n")
    archive = tmp_path / "image.tar"
    image.write(archive, "node.local/a:1", {"/bin/a": program}, ["/bin/a"], {"/bin/b": "a"})
    with tarfile.open(archive) as tar:
        blobs = {member.name: _content(tar, member) for member in tar.getmembers()}
        index = json.loads(blobs["index.json"])
        named = index["manifests"][0]
        assert named["annotations"]["io.containerd.image.name"] == "node.local/a:1"
        manifest = json.loads(blobs[_path(named["digest"])])
        for reference in (named, manifest["config"], *manifest["layers"]):
            content = blobs[_path(reference["digest"])]
            assert len(content) == reference["size"]
            assert reference["digest"] == f"sha256:{hashlib.sha256(content).hexdigest()}"
        (tmp_path / "layer.tar").write_bytes(blobs[_path(manifest["layers"][0]["digest"])])
    with tarfile.open(tmp_path / "layer.tar") as layer:
        found = {member.name: member for member in layer.getmembers()}
    assert set(found) == {"bin/a", "bin/b"}
    assert found["bin/a"].mode == 0o755
    assert found["bin/b"].linkname == "a"


def _content(tar: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    file = tar.extractfile(member)
    assert file is not None
    return file.read()


def _path(digest: str) -> str:
    return f"blobs/{digest.replace(':', '/')}"


def test_the_same_files_make_the_same_image(tmp_path: Path) -> None:
    program = tmp_path / "program"
    program.write_bytes(b"1")
    for name in ("first.tar", "second.tar"):
        image.write(tmp_path / name, "node.local/a:1", {"/a": program}, ["/a"])
    assert (tmp_path / "first.tar").read_bytes() == (tmp_path / "second.tar").read_bytes()


def test_a_claim_gets_a_folder_of_the_node_which_outlives_it() -> None:
    spec = manifests.volume("volume-1")["spec"]
    assert spec["local"] == {"path": f"{VOLUMES}/volume-1"}
    assert spec["persistentVolumeReclaimPolicy"] == "Retain"
    terms = spec["nodeAffinity"]["required"]["nodeSelectorTerms"]
    assert [expression["values"] for term in terms for expression in term["matchExpressions"]] == [[NODE_NAME]]
    assert manifests.storage_class()["provisioner"] == "kubernetes.io/no-provisioner"


def test_containerd_starts_sandboxes_without_more_rights_than_it_has() -> None:
    written = daemons.containerd_configuration(Path("/usr/lib/cni"), Path("/tmp/cni"), "/usr/sbin/runc")
    assert "restrict_oom_score_adj = true" in written
    assert 'sandbox_image = "node.local/pause:1"' in written
    assert 'bin_dir = "/usr/lib/cni"' in written


def test_a_package_is_missing_where_its_program_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for program in [*packages.PROGRAMS, *packages.CNI_PLUGINS]:
        (tmp_path / program).write_text("#!/bin/sh\n")
        (tmp_path / program).chmod(0o755)
    monkeypatch.setattr(packages, "PATH", str(tmp_path))
    monkeypatch.setattr(packages, "CNI_FOLDERS", (tmp_path,))
    assert packages.missing() == []
    packages.install_missing(lambda line: pytest.fail(f"nothing is missing, but: {line}"))
    assert packages.missing({"busybox": "busybox-static"}) == ["busybox-static"]
    (tmp_path / "ctr").unlink()
    (tmp_path / "containerd").unlink()
    (tmp_path / "ptp").unlink()
    assert packages.missing() == ["containerd", "containernetworking-plugins"]
