"""Sends the status of one pod to the API server."""

import asyncio
from collections.abc import Callable

from tests.kube.apiclient import STRATEGIC_PATCH, ApiClient, Json
from tests.kube.runner.background import persistently, unless_gone


class Reporter:
    """Sends what `build` says whenever something has changed: the newest only, once the API server can be reached."""

    def __init__(
        self, client: ApiClient, path: str, uid: str, build: Callable[[], Json], silent: Callable[[], bool]
    ) -> None:
        self._client = client
        self._path = path
        self._uid = uid
        self._build = build
        self._silent = silent
        self._stale = False
        self._changed = asyncio.Event()
        self.reported: Json = {}

    def changed(self) -> None:
        """The status may differ from what was sent."""
        self._changed.set()

    def again(self) -> None:
        """Send the whole status once more, whatever was sent: others have written it meanwhile."""
        self._stale = True
        self._changed.set()

    async def run(self) -> None:
        """Report until cancelled."""
        while True:
            self._changed.clear()
            await self.report()
            await self._changed.wait()

    async def report(self) -> None:
        """Send the status, if it isn't what was sent last; nothing while silent."""
        if self._silent():
            return
        status = self._build()
        if status != self.reported or self._stale:
            self._stale = False
            body = {"metadata": {"uid": self._uid}, "status": status}
            patch = f"{self._path}/status"
            await unless_gone(persistently(lambda: self._client.patch(patch, body, STRATEGIC_PATCH)))
            self.reported = status
