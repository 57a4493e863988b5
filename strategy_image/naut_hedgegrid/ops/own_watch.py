"""The pod's own watch of its HedgeGrid, so that a kill works with the operator dead or cut off (F48).

A thread with the standard library, not the strategy's loop: TLS, parsing and whatever the API server does cost trading
nothing but a few microseconds of a loop's turn for each change, and no dependency is needed for two requests. It reads
the object, watches it from there for some time, and reads it again: a watch that is silent, frozen or behind is found
out by the next read. Errors are waited out with a growing pause, told once, and never end it.
"""

import logging
import random
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from hedgegrid_api.asked import Asked, asked_of, group
from hedgegrid_api.author import author_of
from hedgegrid_api.control import Author
from naut_hedgegrid.ops.apiserver import ApiServer, ApiServerError, ExpiredError, Json, Place
from naut_hedgegrid.ops.audit import AuditLog
from naut_hedgegrid.ops.auth import Caller, Role
from naut_hedgegrid.strategies.hedge_grid_v1.strategy import HedgeGridV1

log = logging.getLogger(__name__)

WATCH_SECONDS = 40.0
"""How long one watch lasts; then the object is read again. Times 0.8 to 1.2, so that pods don't ask all at once."""
SHORTEST_SECONDS = 1.0
"""From one read to the next at least. Pauses are times 0.8 to 1.2."""
LONGEST_PAUSE = 15.0
"""After many failures, and between looks for an object that is gone."""
_FIRST_PAUSE = 0.5
_STOP_SECONDS = 2.0
_CALLER = Caller("own-watch", Role.ADMIN)


def place_of(environ: Mapping[str, str], namespace: str | None, name: str | None) -> Place | None:
    """Where the API server and the object are, by the environment of a pod; None outside a cluster."""
    host, port = environ.get("KUBERNETES_SERVICE_HOST"), environ.get("KUBERNETES_SERVICE_PORT", "443")
    folder = environ.get("HEDGEGRID_CLUSTER_DIR")
    if not (host and port.isdecimal() and folder and namespace and name):
        return None
    return Place(host, int(port), Path(folder), namespace, name)


class OwnWatch:
    """Watches the object of one uid, and hands what it sees to the strategy's loop."""

    def __init__(self, strategy: HedgeGridV1, server: ApiServer, uid: str, *, seconds: float = WATCH_SECONDS) -> None:
        self._strategy = strategy
        self._server = server
        self._uid = uid
        self._seconds = seconds
        self._audit = AuditLog(strategy.archive)
        self._newest: Asked | None = None
        self._trouble: str | None = None
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="own-watch", daemon=True)

    def start(self) -> None:
        """Watch from now on."""
        self._strategy.own_object.heard()
        self._thread.start()

    def stop(self) -> None:
        """Watch no longer; nothing is handed over after this."""
        self._stopped.set()
        self._server.close()
        self._thread.join(_STOP_SECONDS)

    def _run(self) -> None:
        failures = 0
        while not self._stopped.is_set():
            began = time.monotonic()
            try:
                shortest = LONGEST_PAUSE if self._look() else SHORTEST_SECONDS
            except Exception as error:  # noqa: BLE001  whatever comes from outside: it goes on
                self._server.hang_up()
                failures += 1
                self._tell(error)
                pause = pause_after(failures)
            else:
                failures = 0
                pause = max(0.0, shortest - (time.monotonic() - began))
            self._stopped.wait(pause * random.uniform(0.8, 1.2))

    def _look(self) -> bool:
        """Read the object, and follow it until the watch ends; True when it is gone."""
        found = self._server.read()
        if found is None or not self._saw(found, read=True):
            return self._gone()
        version = str(group(found, "metadata").get("resourceVersion", ""))
        try:
            for kind, item in self._server.watch(version, self._seconds * random.uniform(0.8, 1.2)):
                if kind == "BOOKMARK":
                    self._well()
                elif kind == "DELETED" or not self._saw(item, read=False):
                    return self._gone()
        except ExpiredError:
            return False
        self._well()
        return False

    def _saw(self, item: Json, *, read: bool) -> bool:
        """Take a state of the object; False when it is another object under its name."""
        asked = asked_of(item)
        if asked.uid != self._uid:
            return False
        before = self._newest
        if before is not None and _order(asked) < _order(before):
            raise ApiServerError(
                f"the API server shows generation {asked.generation} at version {asked.resource_version}, older than "
                f"generation {before.generation} at {before.resource_version}, which this pod has seen; it is ignored"
            )
        self._newest = asked
        self._well()
        if read or before is None or _controls(asked) != _controls(before):
            author = author_of(item)
            self._hand_over(lambda: self._strategy.own_object.saw(asked), author)
        return True

    def _gone(self) -> bool:
        self._well()
        self._hand_over(self._strategy.own_object.gone)
        return True

    def _hand_over(self, take: Callable[[], str | None], author: Author | None = None) -> None:
        def taken() -> None:
            if not self._stopped.is_set() and (told := take()) is not None:
                state = self._strategy.report().kill_switch.state
                self._audit.record("control", _CALLER, what=told, result=f"engaged, kill switch {state}", author=author)

        if self._strategy.port.bound:
            self._strategy.port.post(taken)

    def _well(self) -> None:
        self._strategy.own_object.heard()
        if self._trouble is not None:
            self._trouble = None
            log.info("the pod's own watch works again")

    def _tell(self, error: Exception) -> None:
        trouble = str(error) if isinstance(error, ApiServerError) else repr(error)[:200]
        if trouble != self._trouble and not self._stopped.is_set():
            log.warning("the pod's own watch of its HedgeGrid doesn't work, documents still do: %s", trouble)
        self._trouble = trouble


def pause_after(failures: int) -> float:
    """Seconds until the next try after so many failures in a row (at least 1)."""
    return min(LONGEST_PAUSE, _FIRST_PAUSE * 2.0 ** min(failures - 1, 9))


def _order(asked: Asked) -> tuple[int, int]:
    return asked.generation, asked.resource_version


def _controls(asked: Asked) -> tuple[object, ...]:
    return asked.generation, asked.kill_switch, asked.throttle, asked.deletion
