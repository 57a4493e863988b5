"""Everything that a step of the story can touch or look at."""

import base64
import contextlib
import http.client
import shlex
import ssl
from collections.abc import Callable
from functools import cached_property

from tests import pod_api
from tests.demo.chronicle import Chronicle, Json
from tests.demo.figures import Figures
from tests.demo.seeing import NotSeen, NotYet, require, see
from tests.demo.stage import Stage
from tests.demo.venue import Venue
from tests.kube import Cluster, HostError
from tests.kube.installation import Operator
from tests.kube.pods import Pod

NAMESPACE = "default"
GRID = "btc"
POD = "hedgegrid-btc-0"
CLAIM = "data-hedgegrid-btc-0"
API_SECRET = "hedgegrid-btc-api"
TLS_SECRET = "hedgegrid-btc-tls"
MANIFEST = "examples/sim-btc.yaml"

LINES = 5
LINE = 300


class Scene:
    """A cluster, an operator, one grid, and the stage."""

    def __init__(self, stage: Stage, cluster: Cluster) -> None:
        self.stage = stage
        self.cluster = cluster
        self.operator = Operator(cluster)
        self.chronicle = Chronicle(cluster, GRID, NAMESPACE)
        self.operation = ""
        """Id of the kill."""
        self.delivered = 0.0
        """When the pod had stored it, seconds since the epoch."""

    @cached_property
    def pod(self) -> Pod:
        """The strategy pod."""
        return self.cluster.pod(NAMESPACE, POD)

    @cached_property
    def venue(self) -> Venue:
        """The simulated venue. Raises NotYet before the pod has its volume."""
        uid = self.chronicle.uid
        folder = self.cluster.claim_folder(NAMESPACE, CLAIM)
        require(folder, "the pod has no volume yet")
        return Venue(folder / f"{uid}.venue.sqlite")

    @cached_property
    def _key(self) -> str:
        return self._secret(API_SECRET, "viewer").decode()

    @cached_property
    def _trust(self) -> ssl.SSLContext:
        return pod_api.trusting(self._secret(TLS_SECRET, "ca.crt"))

    def _secret(self, name: str, key: str) -> bytes:
        secret = self.cluster.api.get("v1", "Secret", name, NAMESPACE)
        if secret is None:
            raise NotYet(f"no Secret {name}")
        return base64.b64decode(secret["data"][key])

    def kubectl(self, *arguments: str) -> str:
        """Run kubectl, and show the command as a user types it."""
        self.stage.command(shlex.join(("kubectl", *arguments)))
        return self.cluster.kubectl(*arguments)

    def patch(self, spec: str) -> int:
        """Patch the grid's spec, as a user does; the generation that this makes."""
        generation = self.chronicle.generation + 1
        self.kubectl("patch", "hg", GRID, "--type", "merge", "-p", f'{{"spec":{spec}}}')
        return generation

    def accepted(self, generation: int) -> float:
        """When a plain watch of the API server showed that generation, seconds since the epoch."""
        return self.see(f"generation {generation} in a watch", lambda: self.chronicle.accepted_at(generation))

    def see[T](self, expected: str, look: Callable[[], T], within: float = 10) -> T:
        """What `look` returns once it doesn't raise NotYet; raises NotSeen after `within` seconds."""
        self.stage.waiting(expected)
        return see(expected, look, within)

    def report(self) -> Json:
        """GET /control of the pod, with the viewer's key; raises NotYet while it doesn't answer."""
        address = self.pod.address
        if address is None:
            raise NotYet("the pod has no address")
        connection = pod_api.Connection(address, pod_api.host_name(self.chronicle.uid), self._trust, 2)
        try:
            status, found = pod_api.call(connection, "GET", "/control", key=self._key)
        except (OSError, http.client.HTTPException) as error:
            raise NotYet(f"the pod's control API: {error}") from None
        require(status == 200, f"the pod's control API answers {status}")
        return found

    def operator_leads(self) -> None:
        """Raises NotYet until it does; NotSeen when it has ended, for it won't come back by itself."""
        code = self.operator.process.returncode
        if code is not None:
            raise NotSeen("the operator to lead", f"the operator has ended with exit code {code}", 0)
        require(self.operator.leading, f"the Lease is held by {self.operator.holder or 'nobody'}")

    def pod_ready(self) -> None:
        """Raises NotYet until it is."""
        pod = self.pod.get()
        conditions = pod["status"].get("conditions", []) if pod else []
        ready = any(item["type"] == "Ready" and item["status"] == "True" for item in conditions)
        require(ready, f"pod {pod['status'].get('phase')}, not Ready" if pod else "no pod")

    def nothing_opened(self) -> None:
        """Raises NotSeen if the venue has taken an opening order since the kill was delivered."""
        opened = self.venue.openings(int(self.delivered * 1e9))
        if opened:
            raise NotSeen("nothing to open once the kill is delivered", f"{len(opened)} opening orders", 0)

    def figures(self) -> Figures | None:
        """For the stage: as they are, None while there are none. Called from any thread, at any time."""
        try:
            return Figures.of(self.venue.book(), self.chronicle)
        except (NotYet, HostError):
            return None

    def end(self) -> None:
        """Stop the cluster and everything in it."""
        self.chronicle.stop()
        self.cluster.stop()

    def last_words(self) -> dict[str, list[str]]:
        """How the logs of operator and strategy end, for a step that was not seen."""
        logs = {"operator": self._operator_log, "strategy": self._pod_log}
        found: dict[str, list[str]] = {}
        for name, read in logs.items():
            with contextlib.suppress(HostError, LookupError, OSError):  # there may be none yet, or none any more
                found[name] = [line[:LINE] for line in read().splitlines()[-LINES:]]
        return found

    def _operator_log(self) -> str:
        return self.operator.process.log()

    def _pod_log(self) -> str:
        return self.pod.log()
