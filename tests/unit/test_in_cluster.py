"""Credentials in a pod: token, authority and namespace from the folder that the settings name."""

from pathlib import Path

import pytest

from hedgegrid_operator.credentials import CredentialSource
from hedgegrid_operator.settings import parse


@pytest.fixture
def mounted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder as the kubelet fills it."""
    for name, text in {"token": "first", "ca.crt": "authority", "namespace": "trading"}.items():
        (tmp_path / name).write_text(text)
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.96.0.1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "443")
    return tmp_path


async def test_the_token_is_read_again_when_it_has_been_rotated(mounted: Path) -> None:
    source = CredentialSource("", "", str(mounted))
    found = await source.load()
    assert (found.server, found.authorities, found.rotates) == ("https://10.96.0.1:443", "authority", True)
    assert (found.authorization or "").endswith(" first")
    (mounted / "token").write_text("second")
    assert ((await source.load()).authorization or "").endswith(" second")


def test_the_namespace_of_the_pod_is_the_operators(mounted: Path) -> None:
    variables = {"HEDGEGRID_OPERATOR_SERVICE_ACCOUNT_DIR": str(mounted)}
    assert parse([], variables).own_namespace == "trading"
    assert parse([], variables | {"HEDGEGRID_OPERATOR_NAMESPACE": "other"}).own_namespace == "other"


@pytest.mark.parametrize("text", ["0", "root", "-1"])
def test_a_user_that_isnt_a_number_above_0_is_refused_by_name(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse([], {"HEDGEGRID_OPERATOR_STRATEGY_USER": text})
    assert f"--strategy-user is {text!r}" in capsys.readouterr().err
