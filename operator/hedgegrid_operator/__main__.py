"""`python -m hedgegrid_operator`."""

import asyncio
import gc
import logging
import os
import sys
from asyncio.sslproto import SSLProtocol

from kubernetes.aio.config import ConfigException

from hedgegrid_operator.logs import configure
from hedgegrid_operator.operator import Operator
from hedgegrid_operator.settings import Settings, own_name, parse


async def _run(settings: Settings) -> int:
    return await Operator(settings, own_name(os.environ)).run()


def main() -> int:
    """Run the operator; the exit code."""
    settings = parse(sys.argv[1:])
    configure(settings.log_level)
    # Kills leave from one thread while the watch parses in another: neither may hold the interpreter for long.
    sys.setswitchinterval(0.0005)
    # What each connection to a pod reads into and keeps: the default of 256 KiB would be most of a grid's memory.
    SSLProtocol.max_size = 16 * 1024
    # A collection of everything takes tenths of a second at a thousand grids, and a kill would wait: seldom, then.
    gc.set_threshold(10_000, 20, 200)
    try:
        return asyncio.run(_run(settings))
    except (ConfigException, OSError, ValueError) as error:
        logging.getLogger("hedgegrid_operator").error("can't start: %s", error)  # noqa: TRY400 — one clear sentence
        return 2


if __name__ == "__main__":
    sys.exit(main())
