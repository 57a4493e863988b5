"""API keys: whose they are, how they are rotated, and what keeps the API from being open to everybody."""

import logging
from pathlib import Path

import pytest

from naut_hedgegrid.ops.auth import ApiKeys, ApiKeysError, Caller, KeyFolder, Role
from naut_hedgegrid.ops.servers import is_loopback


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "viewer").write_text("view-1\nview-2\n")
    (tmp_path / "trader").write_text("  trade-1  \n\n")
    (tmp_path / "admin").write_text("admin-1")
    (tmp_path / "operator").write_text("operator-1\n")
    (tmp_path / "notes").write_text("no-key\n")
    return tmp_path


def test_each_file_gives_its_role_and_every_line_is_a_key(folder: Path) -> None:
    keys = KeyFolder(folder)
    assert keys.caller(b"view-1") == keys.caller(b"view-2") == Caller("viewer", Role.VIEWER)
    assert keys.caller(b"trade-1") == Caller("trader", Role.TRADER)
    assert keys.caller(b"admin-1") == Caller("admin", Role.ADMIN)
    assert keys.caller(b"operator-1") == Caller("operator", Role.ADMIN)


@pytest.mark.parametrize("wrong", [b"", b"view", b"view-11", b"VIEW-1", b"view-1\nview-2", b"no-key", "é".encode()])
def test_anything_else_is_nobody(folder: Path, wrong: bytes) -> None:
    assert KeyFolder(folder).caller(wrong) is None


def test_a_key_of_two_roles_has_the_higher_one(folder: Path) -> None:
    (folder / "trader").write_text("view-1")
    caller = KeyFolder(folder).caller(b"view-1")
    assert caller is not None
    assert caller.role is Role.TRADER


def test_an_edited_file_counts_at_once(folder: Path) -> None:
    keys = KeyFolder(folder)
    (folder / "admin").write_text("admin-1\nadmin-2")
    assert keys.caller(b"admin-1") == keys.caller(b"admin-2") == Caller("admin", Role.ADMIN)
    (folder / "admin").write_text("admin-2")
    assert keys.caller(b"admin-1") is None
    (folder / "viewer").unlink()
    assert keys.caller(b"view-1") is None
    assert keys.caller(b"admin-2") is not None


def test_a_mounted_secret_is_swapped_by_its_symlink(tmp_path: Path) -> None:
    """As the kubelet does it: files are links through `..data`, which is renamed over in one step."""
    for version, key in (("v1", "old-key"), ("v2", "new-key")):
        (tmp_path / version).mkdir()
        (tmp_path / version / "admin").write_text(key)
    mounted = tmp_path / "mounted"
    mounted.mkdir()
    (mounted / "..data").symlink_to(tmp_path / "v1")
    (mounted / "admin").symlink_to(Path("..data") / "admin")
    keys = KeyFolder(mounted)
    assert keys.caller(b"old-key") is not None
    (mounted / "..new").symlink_to(tmp_path / "v2")
    (mounted / "..new").rename(mounted / "..data")
    assert keys.caller(b"old-key") is None
    assert keys.caller(b"new-key") == Caller("admin", Role.ADMIN)


def test_without_any_key_nobody_gets_in(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    keys = KeyFolder(folder)
    for name in ("viewer", "trader", "admin", "operator"):
        (folder / name).write_text("")
    assert keys.caller(b"admin-1") is None
    assert keys.caller(b"") is None
    assert "none is valid now" in caplog.text


def test_a_folder_that_is_gone_leaves_the_former_keys(folder: Path) -> None:
    keys = KeyFolder(folder)
    moved = folder.rename(folder.parent / "moved")
    assert keys.caller(b"operator-1") == Caller("operator", Role.ADMIN)
    assert keys.caller(b"wrong") is None
    folder.mkdir()
    (folder / "operator").write_text("operator-2")
    assert keys.caller(b"operator-1") is None
    assert keys.caller(b"operator-2") == Caller("operator", Role.ADMIN)
    assert moved.is_dir()


def test_files_that_can_not_be_read_leave_the_former_keys(
    folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    keys = KeyFolder(folder)
    (folder / "admin").write_text("admin-2")

    def broken(path: Path) -> bytes:
        raise OSError(5, "Input/output error", str(path))

    with monkeypatch.context() as disk:
        disk.setattr(Path, "read_bytes", broken)
        assert keys.caller(b"admin-1") == Caller("admin", Role.ADMIN)
    assert "Input/output error" in caplog.text
    assert keys.caller(b"admin-1") is None
    assert keys.caller(b"admin-2") is not None


@pytest.mark.parametrize("content", [None, "", "\n  \n"])
def test_a_folder_without_a_key_is_an_error_that_says_what_to_do(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "admin").write_text(content)
    with pytest.raises(ApiKeysError, match=rf"no API key in {tmp_path}.*viewer, trader, admin, operator"):
        KeyFolder(tmp_path)


def test_a_single_key_may_do_everything() -> None:
    keys = ApiKeys.single(" secret \n")
    assert keys.caller(b"secret") == Caller("api-key", Role.ADMIN)
    assert keys.caller(b"secre") is None
    with pytest.raises(ApiKeysError, match="empty"):
        ApiKeys.single("  ")


def test_roles_include_the_lower_ones() -> None:
    assert Role.VIEWER < Role.TRADER < Role.ADMIN


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1", True),
        ("127.3.2.1", True),
        ("localhost", True),
        ("::1", True),
        ("0.0.0.0", False),
        ("::", False),
        ("10.0.0.1", False),
        ("btc.example.com", False),
        ("", False),
    ],
)
def test_loopback_is_what_only_this_machine_reaches(host: str, expected: bool) -> None:
    assert is_loopback(host) is expected
