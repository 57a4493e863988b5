"""Fixtures of the monitoring tier."""

from pathlib import Path

import pytest

from tests.kube.debian import PackageUnavailable, program


@pytest.fixture(scope="session")
def promtool() -> Path:
    """Prometheus' tool; skips, with the reason, where it can't be had."""
    try:
        return program("promtool", "prometheus", say=lambda _: None)
    except PackageUnavailable as reason:
        pytest.skip(str(reason))
