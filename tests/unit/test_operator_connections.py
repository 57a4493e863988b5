"""A connection that breaks is one line of the log; what nobody has thought of keeps its traceback."""

import asyncio
import logging

import pytest

from hedgegrid_operator.logs import quiet_connections


@pytest.mark.parametrize(
    ("message", "error", "quiet"),
    [
        ("Fatal error on SSL protocol", TimeoutError("timed out"), True),
        ("Fatal error on SSL protocol", ConnectionResetError("reset"), True),
        ("Fatal error on SSL protocol", KeyError("a defect"), False),
        ("Task exception was never retrieved", OSError("lost"), False),
    ],
)
async def test_only_what_a_user_of_the_connection_is_told_anyhow_is_quiet(
    message: str, error: Exception, quiet: bool, caplog: pytest.LogCaptureFixture
) -> None:
    loop = asyncio.get_running_loop()
    quiet_connections(loop)
    with caplog.at_level(logging.INFO):
        loop.call_exception_handler({"message": message, "exception": error})
    assert [bool(record.exc_info) for record in caplog.records] == [not quiet]
