"""Read at the start of every interpreter in the images: what other processes get from the kernel, for number 1.

The kernel drops a signal for which process 1 has no handler. A SIGTERM in the second before the program has set its own
would be lost, and the pod would run on until its grace period ends. Process 1 also inherits the orphans of `kubectl
exec`, and nobody else clears them away.
"""

import os
import signal
from types import FrameType


def _end(number: int, _: FrameType | None) -> None:
    # Nothing is open yet: what is opened later, is opened by a program with a handler of its own.
    os._exit(128 + number)


if os.getpid() == 1:
    signal.signal(signal.SIGTERM, _end)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
