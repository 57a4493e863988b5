"""What is broken: an operator behind a proxy, kept running as its Deployment would, grids, and the API server."""

import threading
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from typing import Self

from urllib3.exceptions import HTTPError

from tests.chaos.diary import Diary
from tests.chaos.subject import Subject
from tests.chaos.witness import Witness
from tests.kube import ApiError, Cluster, HostError
from tests.kube.api_proxy import ApiProxy
from tests.kube.installation import NAMESPACE, SERVICE_ACCOUNT, Operator
from tests.operator.grid_parts import Field

LOOK_SECONDS = 0.1
TIMES = {
    "HEDGEGRID_OPERATOR_LEASE_DURATION": "2",
    "HEDGEGRID_OPERATOR_RENEW_DEADLINE": "1.5",
    "HEDGEGRID_OPERATOR_RETRY_PERIOD": "0.3",
    "HEDGEGRID_OPERATOR_POLL_INTERVAL": "1",
}


class World:
    """`with World(cluster, grids, seed) as world:`; trades when it is entered."""

    def __init__(self, cluster: Cluster, grids: int, seed: int, diary: Diary) -> None:
        self.cluster = cluster
        self.diary = diary
        self.field = Field(cluster)
        self.witness = Witness()
        self.subjects = [Subject(self.field, self.witness, number, seed, diary) for number in range(grids)]
        self._stack = ExitStack()
        self._end = threading.Event()
        self._keeping = threading.Thread(target=self._keep_operator, name="deployment", daemon=True)

    def __enter__(self) -> Self:
        self.proxy = self._stack.enter_context(ApiProxy(self.cluster))
        config = self.proxy.kubeconfig(self.cluster.kubeconfig_for(NAMESPACE, SERVICE_ACCOUNT))
        self.operator: Operator = self.field.new_operator("chaos", KUBECONFIG=str(config), **TIMES)
        self.operator.start()
        self.operator.wait_leading()
        self._keeping.start()
        for subject in self.subjects:
            subject.begin()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._keeping.join()
        self.witness.close()
        self.heal()
        self.field.close()
        self._stack.close()

    def heal(self) -> None:
        """Take every fault away."""
        self.cluster.let_pods_through()
        self.proxy.thaw()
        self.proxy.accept()
        for subject in self.subjects:
            subject.life.heal()

    def _keep_operator(self) -> None:
        """Start one whenever none runs; it takes the API server to give it a token."""
        while not self._end.wait(LOOK_SECONDS):
            with suppress(HTTPError, ApiError, HostError, OSError):
                if not self.operator.process.running:
                    self.operator.start()
                    self.diary.note("another operator starts")


def eventually(work: Callable[[], None], seconds: float) -> None:
    """Do it as soon as the API server answers; raises what it made of the last try."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            work()
        except (HTTPError, ApiError):
            if time.monotonic() > deadline:
                raise
            time.sleep(LOOK_SECONDS)
        else:
            return
