"""`python -m tests.demo`: exit code 0 if every step was seen, 1 at the first one that was not, 130 after Ctrl-C."""

import argparse
import os
import signal
import sys
import time
from types import FrameType

from tests.demo.live import LiveStage
from tests.demo.plain import PlainStage
from tests.demo.scene import Scene
from tests.demo.seeing import NotSeen, NotYet
from tests.demo.stage import Stage
from tests.demo.story import STEPS, Step
from tests.kube import ApiError, Cluster, ClusterUnavailable, HostError, KubectlFailed

INTRODUCTION = """HedgeGrid Operator: from kubectl patch to a flat account.
A real kube-apiserver, the operator, a real NautilusTrader node on a simulated market. No network, no money.
Orders and positions are read from the venue's own book, everything else from the API server."""

NEXT = """Next
  make playground     the same parts left running, for your own kubectl
  README.md           "Five minutes with the playground": what to try there"""

INTERRUPTED = 130


def main() -> int:
    """The command line."""
    argparse.ArgumentParser(prog="python -m tests.demo", description=__doc__).parse_args()
    signal.signal(signal.SIGTERM, _terminate)
    shown = _stage()
    cluster = Cluster(say=shown.text)
    scene = Scene(shown, cluster)
    shown.text(INTRODUCTION)
    try:
        return _tell(scene)
    except KeyboardInterrupt:
        shown.text("\nInterrupted: everything is taken down.")
        return INTERRUPTED
    finally:
        # What is begun here is finished: a second Ctrl-C would leave it to the keeper.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        shown.close()
        scene.end()


def _stage() -> Stage:
    """Live where a person watches."""
    variables = os.environ
    plain = not sys.stdout.isatty() or variables.get("TERM") == "dumb" or "NO_COLOR" in variables or "CI" in variables
    return PlainStage() if plain else LiveStage()


def _tell(scene: Scene) -> int:
    began = time.monotonic()
    for number, step in enumerate(STEPS, 1):
        scene.stage.begin(number, len(STEPS), step.title, scene.figures)
        try:
            step.play(scene)
        except ClusterUnavailable as reason:
            scene.stage.text(f"error: {reason}")
            return 1
        except (NotSeen, NotYet, KubectlFailed, ApiError, HostError, TimeoutError) as error:
            _failed(scene, step, error)
            return 1
    scene.stage.text(f"\nEvery step was seen. The story took {time.monotonic() - began:.0f} s.\n\n{NEXT}")
    return 0


def _failed(scene: Scene, step: Step, error: Exception) -> None:
    expected, seen = "no error", str(error)
    if isinstance(error, NotSeen):
        expected, seen = error.expected, error.seen + (f" (for {error.seconds:.1f} s)" if error.seconds else "")
    scene.stage.failed(step.title, expected, seen)
    for name, lines in scene.last_words().items():
        scene.stage.text("\n".join([f"\nThe last words of the {name}:", *lines]))


def _terminate(number: int, frame: FrameType | None) -> None:
    raise SystemExit(128 + number)


if __name__ == "__main__":
    sys.exit(main())
