"""A pod in the test's own thread whose every refusal is watched: nothing may have changed, here nor at the venue."""

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hedgegrid_api.control import ControlReport
from naut_hedgegrid.ops.api import control_api
from naut_hedgegrid.venues.sim.audit import Audit
from tests.strategy.asgi import JSON, Client, Reply
from tests.strategy.direct import Rig


class WatchedPod:
    """Strategy, store and venue without an engine between them, behind the real API."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="hedgegrid-watched-")
        self.rig = Rig(Path(self._folder.name), stored=True)
        self.rig.quote(42000)
        self.rig.quote(41790)
        self.rig.strategy.archive = self.rig.store.store
        self.client = Client(control_api(self.rig.strategy))
        self._venue = Audit(self.rig.folder / "venue.sqlite")
        self._state = self._seen()

    def close(self) -> None:
        self.client.close()
        self._venue.close()
        self.rig.close()
        self._folder.cleanup()

    def ask(
        self,
        verb: str,
        path: str,
        body: bytes | Sequence[bytes] = b"",
        headers: Mapping[str, str | bytes] | None = None,
        query: str | bytes = b"",
    ) -> Reply:
        """One request. A refusal is a sentence, never a failure of the pod, and changes nothing."""
        before = self._state
        reply = self.client.ask(verb, path, body, JSON if headers is None else headers, query)
        self.rig.pump()
        self._state = after = self._seen()
        about = (verb, path, body[:300], headers, query[:300], reply)
        assert reply.status < 500, about
        if reply.status >= 400:
            assert after == before, about
            refusal = reply.json
            assert "detail" in refusal or "held" in refusal, about
            assert len(reply.body) < 5_000, about
        assert self.rig.strategy.errors == 0, about
        return reply

    @property
    def report(self) -> dict[str, Any]:
        """GET /control."""
        reply = self.client.ask("GET", "/control")
        assert reply.status == 200
        return ControlReport.model_validate(reply.json).model_dump(mode="json", by_alias=True)

    def _seen(self) -> tuple[ControlReport, int]:
        """What GET /control would answer, and the length of the venue's order log."""
        log = self._venue._db.execute("select count(*) from order_log").fetchone()[0]
        return self.rig.strategy.report(), log
