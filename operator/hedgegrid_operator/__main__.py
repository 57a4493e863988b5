"""`python -m hedgegrid_operator`."""

import asyncio
import logging
import os
import sys

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
    try:
        return asyncio.run(_run(settings))
    except (ConfigException, OSError, ValueError) as error:
        logging.getLogger("hedgegrid_operator").error("can't start: %s", error)  # noqa: TRY400 — one clear sentence
        return 2


if __name__ == "__main__":
    sys.exit(main())
