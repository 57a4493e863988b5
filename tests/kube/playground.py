"""`python -m tests.kube.playground --dir DIR`: cluster and operator, left running in the foreground for your kubectl.

DIR/kubeconfig appears when all is ready, and goes first when SIGINT, SIGTERM or SIGHUP ends it. Nothing is applied but
the CRD and what the operator needs.
"""

import argparse
import contextlib
import fcntl
import os
import shlex
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

from tests.kube.cluster import PROGRAMS, Cluster
from tests.kube.errors import ApiError, ClusterUnavailable, HostError, KubectlFailed
from tests.kube.installation import Operator, install

KUBECONFIG = "kubeconfig"
LOOK_SECONDS = 0.5

TRY = """
Ready. In another terminal, in this folder:

  export KUBECONFIG={config} PATH={programs}:$PATH

  kubectl explain hg.spec                                        the manual
  kubectl apply -f examples/sim-btc.yaml                         a grid on a lively simulated market
  kubectl get hg -w                                              watch it trade
  kubectl patch hg btc --type merge -p '{{"spec":{{"throttle":0.5}}}}'
  kubectl patch hg btc --type merge -p '{{"spec":{{"killSwitch":"flattenBoth"}}}}'
  kubectl patch hg btc --type merge -p '{{"spec":{{"killSwitch":"none","throttle":1}}}}'
  kubectl describe hg btc; kubectl logs hedgegrid-btc-0; kubectl events

The pod's own API, with a key from its Secret (viewer, trader or admin) and the authority of its certificate:

  POD=$(kubectl get pod hedgegrid-btc-0 -o jsonpath='{{.status.podIP}}')
  KEY=$(kubectl get secret hedgegrid-btc-api -o jsonpath='{{.data.trader}}' | base64 -d)
  kubectl get secret hedgegrid-btc-tls -o jsonpath='{{.data.ca\\.crt}}' | base64 -d > /tmp/hedgegrid-ca.crt
  api() {{ curl --cacert /tmp/hedgegrid-ca.crt --connect-to ::$POD: -H "X-API-Key: $KEY" \\
    "https://hedgegrid-btc.default.svc:8080$@"; }}
  api /status                                                    also /ladders /orders /control
  api /flatten --json '{{"side":"long"}}'
  curl http://$POD:9090/metrics

Kill what you like, it is started again:

  {kill:<63}the operator; its log: {log}
  kubectl delete pod hedgegrid-btc-0                             the strategy
  kubectl delete hg btc                                          flat first, then gone

Ctrl-C here takes everything down."""


class Ended(Exception):  # noqa: N818 - what has happened
    """A signal asked for the end."""


def main() -> int:
    """The command line; exit code 0 after a signal, 1 when it can't run."""
    parser = argparse.ArgumentParser(prog="python -m tests.kube.playground", description=__doc__)
    parser.add_argument("--dir", type=Path, required=True, help="folder for the kubeconfig; made if need be")
    folder: Path = parser.parse_args().dir.absolute()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _end)
    try:
        with _own(folder):
            _run(folder / KUBECONFIG)
    except Ended:
        return 0
    except (ClusterUnavailable, HostError, ApiError, KubectlFailed, OSError, RuntimeError) as error:
        _say(f"error: {error}")
        return 1
    return 0


def _run(config: Path) -> None:
    cluster = Cluster(say=_say)
    try:
        _say("Starting a cluster: etcd, kube-apiserver, kube-controller-manager.")
        cluster.start()
        _say(f"kube-apiserver {cluster.version} serves at {cluster.server} ({cluster.timings['ready']:.1f} s).")
        install(cluster)
        operator = Operator(cluster)
        operator.start()
        operator.wait_leading()
        _publish(cluster.kubeconfig, config)
        _say(
            TRY.format(
                config=shlex.quote(str(config)),
                programs=shlex.quote(str(PROGRAMS)),
                kill=f"kill -9 {operator.process.pid}",
                log=operator.process.log_path,
            )
        )
        _stand_by(operator)
    finally:
        # What ends here is finished, whoever asks again.
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        config.unlink(missing_ok=True)
        _say("\nTaking everything down.")
        cluster.stop()


def _stand_by(operator: Operator) -> None:
    """Until a signal comes. An operator that has ended is started again, as its Deployment does."""
    while True:
        time.sleep(LOOK_SECONDS)
        code = operator.process.returncode
        if code is not None:
            process = operator.start()
            _say(f"The operator has ended with {code}; it is started again, as its Deployment does: pid {process.pid}.")


def _publish(source: Path, target: Path) -> None:
    """A whole file appears, readable by its owner only."""
    new = target.with_name(f".{target.name}.new")
    new.unlink(missing_ok=True)
    new.touch(mode=0o600)
    new.write_text(source.read_text())
    new.replace(target)


@contextlib.contextmanager
def _own(folder: Path) -> Iterator[None]:
    """Make the folder, keep other playgrounds out of it, and take away what a killed one has left."""
    made = not folder.exists()
    folder.mkdir(parents=True, exist_ok=True)
    lock = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise HostError(f"another playground runs in {folder}: end it, or choose another folder") from None
    try:
        (folder / KUBECONFIG).unlink(missing_ok=True)
        yield
    finally:
        if made:
            with contextlib.suppress(OSError):  # somebody has put something into it
                folder.rmdir()
        os.close(lock)


def _end(number: int, frame: FrameType | None) -> None:
    raise Ended(signal.Signals(number).name)


def _say(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main())
