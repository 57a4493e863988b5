"""The only door from other threads into the strategy.

Engine, strategy and ledger live on one event loop; touching the engine from another thread aborts the process. A call
through the port runs on the loop: in place when the caller is there already, else handed over and waited for.
"""

import asyncio
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from typing import Any

CALL_SECONDS = 10.0
"""A call from another thread gives up after this long: the loop is stuck or gone."""


class LoopPort:
    """Runs functions on the loop that it is bound to; before it is bound, and after it is released, in place."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: int | None = None
        self._left: int | None = None
        """Whose loop it was bound to last."""
        self._unbound = threading.RLock()

    def bind(self) -> None:
        """Bind to the running loop of the calling thread."""
        self._loop = asyncio.get_running_loop()
        self._thread = threading.get_ident()

    @property
    def bound(self) -> bool:
        """There is a loop to run on."""
        return self._loop is not None and not self._loop.is_closed()

    @property
    def here(self) -> bool:
        """The loop is the calling thread's."""
        return self.bound and threading.get_ident() == self._thread

    def release(self) -> None:
        """The loop is about to end."""
        self._left = self._thread
        self._loop = None
        self._thread = None

    def call[T](self, function: Callable[[], T]) -> T:
        """The result of a function that runs on the loop.

        Raises:
            TimeoutError: the loop did not run it in time.
        """
        loop = self._loop
        if loop is None or loop.is_closed():
            with self._unbound:
                return function()
        if threading.get_ident() == self._thread:
            return function()
        future: Future[T] = Future()
        loop.call_soon_threadsafe(_run, function, future)
        return future.result(CALL_SECONDS)

    async def run[T](self, function: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """The result of a coroutine that runs on the loop, awaited on this loop or on any other."""
        loop = self._loop
        if loop is None or loop.is_closed() or loop is asyncio.get_running_loop():
            return await function()
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(function(), loop))

    async def fetch[T](self, function: Callable[[], T]) -> T:
        """`call` without blocking the loop of the caller."""

        async def fetched() -> T:
            return function()

        return await self.run(fetched)

    def post(self, function: Callable[[], None]) -> None:
        """Have a function run soon on the loop, from any thread; in place where there is no loop.

        What comes from another thread after a loop has gone is dropped: the engine belongs to that loop's thread.
        """
        loop = self._loop
        if loop is None:
            if self._left in {None, threading.get_ident()}:
                function()
        elif not loop.is_closed():
            loop.call_soon_threadsafe(function)


def _run[T](function: Callable[[], T], future: Future[T]) -> None:
    if not future.set_running_or_notify_cancel():
        return
    try:
        future.set_result(function())
    except BaseException as error:  # noqa: BLE001  handed to the caller's thread
        future.set_exception(error)
