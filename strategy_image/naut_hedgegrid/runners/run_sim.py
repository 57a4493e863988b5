"""`python -m naut_hedgegrid.runners.run_sim`: a grid against the simulated market and venue."""

import asyncio
import logging
import os
import sys
from collections.abc import Callable

from naut_hedgegrid.runners import logs, options
from naut_hedgegrid.runners.identity import Identity, IdentityError

log = logging.getLogger(__name__)

SWITCH_SECONDS = 0.001
"""The loop waits so long at most for a thread that computes: the store's, or one that writes a page of history."""
PROGRAM = "python -m naut_hedgegrid.runners.run_sim"
ABOUT = (
    "Runs a grid against the simulated market and venue, with or without a cluster. Ends with status 0 after SIGTERM "
    "or SIGINT: entries cancelled, exits kept; 1 when it failed; 2 when it was asked for something that can't be."
)


def main() -> int:
    """Run until a signal comes; the exit status."""
    chosen = options.parse(PROGRAM, ABOUT, sys.argv[1:])
    try:
        identity = Identity.of(os.environ)
    except IdentityError as error:
        logs.configure(chosen.log_level, {})
        log.critical("%s", error)
        return 2
    logs.configure(chosen.log_level, identity.log_fields)
    # Not before: a question for --help shall not wait for engine and web server.
    from naut_hedgegrid.runners.process import run_process  # noqa: PLC0415

    sys.setswitchinterval(SWITCH_SECONDS)
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        return runner.run(run_process(chosen, identity))


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """uvloop's where it exists."""
    try:
        import uvloop  # noqa: PLC0415
    except ImportError:
        return None
    return uvloop.new_event_loop


if __name__ == "__main__":
    sys.exit(main())
