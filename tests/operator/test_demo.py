"""What a stranger runs: the demo and the playground, as processes, seen from outside."""

import os
import re
import signal
import subprocess
import sys
from base64 import b64decode
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import pod_api
from tests.demo.story import STEPS
from tests.kube import ClusterUnavailable, wait_until
from tests.kube.binaries import find_binaries

ROOT = Path(__file__).parents[2]
PLAIN = os.environ | {"NO_COLOR": "1"}
KUBECTL = str(Path(sys.prefix) / "bin" / "kubectl")
DEMO = [sys.executable, "-m", "tests.demo"]

DEMO_SECONDS = 240
"""The story takes about a minute; a busy machine may need longer."""


@pytest.fixture(scope="module", autouse=True)
def binaries() -> None:
    """Skip, with the reason, where no Kubernetes can be had."""
    try:
        find_binaries(lambda _: None)
    except ClusterUnavailable as reason:
        pytest.skip(str(reason))


@pytest.mark.timeout(DEMO_SECONDS + 30)
def test_the_demo_is_seen_to_its_end() -> None:
    done = subprocess.run(DEMO, cwd=ROOT, env=PLAIN, capture_output=True, text=True, timeout=DEMO_SECONDS, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    for number, step in enumerate(STEPS, 1):
        assert f"[{number}/{len(STEPS)}] {step.title}\n" in done.stdout
    typed = [line for line in done.stdout.splitlines() if line.startswith("  $ kubectl ")]
    for command in ("apply -f examples/sim-btc.yaml", '{"throttle":0.5}', '{"killSwitch":"flattenBoth"}', "delete hg"):
        assert any(command in line for line in typed), command
    assert re.search(r"ok  delivered in (less than )?\d+ ms", done.stdout)
    assert re.search(r"ok  flat in \d+ ms: the venue shows 0 orders, LONG 0, SHORT 0", done.stdout)
    assert "\x1b" not in done.stdout, "escape codes where there is no terminal"


@pytest.mark.timeout(DEMO_SECONDS + 30)
def test_a_step_that_is_not_seen_is_named() -> None:
    """Here the operator refuses its settings."""
    broken = PLAIN | {"HEDGEGRID_OPERATOR_WORKERS": "0"}
    done = subprocess.run(DEMO, cwd=ROOT, env=broken, capture_output=True, text=True, timeout=DEMO_SECONDS, check=False)
    assert done.returncode == 1
    assert "NOT SEEN: The operator comes up" in done.stdout
    assert "expected  the operator to lead" in done.stdout
    assert "seen      the operator has ended with exit code 2" in done.stdout
    assert "--workers must be greater than 0" in done.stdout
    assert "[3/" not in done.stdout


@pytest.mark.timeout(DEMO_SECONDS + 30)
def test_ctrl_c_takes_the_demo_down(tmp_path: Path) -> None:
    output = tmp_path / "out"
    with output.open("w") as file:
        demo = subprocess.Popen(DEMO, cwd=ROOT, env=PLAIN, stdout=file, stderr=subprocess.STDOUT, text=True)
    try:
        folder = wait_until(lambda: folder_of(demo.pid), 60, "the cluster's folder")
        demo.send_signal(signal.SIGINT)
        assert demo.wait(120) == 130
        assert "Interrupted" in output.read_text()
        assert not folder.exists()
        wait_until(lambda: not mentioning(folder), 10, "no process of the cluster")
    finally:
        demo.kill()


@pytest.fixture
def playground(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], Path, Path]]:
    """The process, its folder, and its output."""
    folder, output = tmp_path / "playground", tmp_path / "out"
    command = [sys.executable, "-m", "tests.kube.playground", "--dir", str(folder)]
    with output.open("w") as file:
        process = subprocess.Popen(command, cwd=ROOT, stdout=file, stderr=subprocess.STDOUT, text=True)
    yield process, folder, output
    process.kill()
    process.wait()


def test_the_playground(playground: tuple[subprocess.Popen[str], Path, Path]) -> None:
    process, folder, output = playground
    config = folder / "kubeconfig"
    wait_until(lambda: config.exists() or process.poll() is not None, 120, "the kubeconfig")
    assert process.poll() is None, output.read_text()
    assert config.stat().st_mode & 0o077 == 0, "others can read the kubeconfig"

    def kubectl(*arguments: str) -> str:
        command = [KUBECTL, "--kubeconfig", str(config), *arguments]
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=True).stdout

    assert kubectl("get", "hg,statefulsets,pods", "-A", "-o", "name") == ""
    lease = kubectl("get", "lease", "-n", "hedgegrid-system", "hedgegrid-operator", "-o", "jsonpath={.spec}")
    assert '"holderIdentity":"operator-' in lease, "the kubeconfig was there before the operator led"

    kubectl("apply", "-f", "examples/sim-btc.yaml")
    kubectl("wait", "--for=condition=Ready", "hg/btc", "--timeout=50s")
    address = kubectl("get", "pod", "hedgegrid-btc-0", "-o", "jsonpath={.status.podIP}")
    authorities = kubectl("get", "secret", "hedgegrid-btc-tls", "-o", "jsonpath={.data['ca\\.crt']}")
    name = "hedgegrid-btc-0.hedgegrid-btc.default.svc"
    connection = pod_api.Connection(address, name, pod_api.trusting(b64decode(authorities)), 5)
    assert pod_api.call(connection, "GET", "/readyz")[0] == 200

    cluster = wait_until(lambda: folder_of(process.pid), 5, "the cluster's folder")
    assert len(mentioning(cluster)) >= 5, "API server, etcd, controllers, host and a strategy"
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 0, output.read_text()
    assert not folder.exists()
    assert not cluster.exists()
    wait_until(lambda: not mentioning(cluster), 10, "no process of the playground")


def folder_of(pid: int) -> Path | None:
    """The folder of the cluster that a process has started: an argument of its keeper's child."""
    for keeper in children(pid):
        for host in children(keeper):
            words = arguments(host)
            if "tests.kube.host" in words:
                return Path(words[words.index("tests.kube.host") + 1])
    return None


def children(pid: int) -> list[int]:
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except FileNotFoundError:
        return []


def arguments(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().decode().split("\0")
    except (FileNotFoundError, ProcessLookupError):
        return []


def mentioning(folder: Path) -> list[int]:
    """Processes with this folder in their command line."""
    pids = [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]
    return [pid for pid in pids if any(str(folder) in word for word in arguments(pid))]
