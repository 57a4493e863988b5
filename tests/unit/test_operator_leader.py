"""The Lease and its epoch, and when an operator has to be restarted."""

from typing import cast

import pytest

from hedgegrid_operator.kube import ApiError, ApiUnreachableError, Kube
from hedgegrid_operator.leader import Leader, LeadershipLostError, LeaseTimes
from hedgegrid_operator.liveness import Attempts
from hedgegrid_operator.metrics import Metrics
from hedgegrid_operator.objects import EPOCH_ANNOTATION, Json, Kind

TIMES = LeaseTimes(duration=15, renew_deadline=10, retry=0.001)


class EnoughError(Exception):
    """The test has seen enough."""


class OneLease:
    """As much of an API server as a Leader needs."""

    def __init__(self) -> None:
        self.lease: Json | None = None
        self.writes_left = -1
        self.requests: list[str] = []
        self._version = 0

    def write(self, holder: str, epoch: str | None = None) -> None:
        """Somebody else writes it."""
        self._version += 1
        annotations = {} if epoch is None else {EPOCH_ANNOTATION: epoch}
        spec = {"holderIdentity": holder, "leaseDurationSeconds": 15, "renewTime": f"at {self._version}"}
        self.lease = {"metadata": {"resourceVersion": str(self._version), "annotations": annotations}, "spec": spec}

    @property
    def epoch(self) -> str:
        assert self.lease is not None
        return self.lease["metadata"]["annotations"][EPOCH_ANNOTATION]

    async def get(self, kind: Kind, namespace: str, name: str) -> Json | None:
        self._ask("get")
        return self.lease

    async def create(self, kind: Kind, namespace: str, manifest: Json) -> Json:
        self._ask("create")
        self._version += 1
        self.lease = manifest | {"metadata": manifest["metadata"] | {"resourceVersion": str(self._version)}}
        return self.lease

    async def merge(self, kind: Kind, namespace: str, name: str, patch: Json) -> Json:
        self._ask("merge")
        if self.lease is None:
            raise ApiError(404, "NotFound", "no such Lease")
        if patch["metadata"]["resourceVersion"] != self.lease["metadata"]["resourceVersion"]:
            raise ApiError(409, "Conflict", "it was changed")
        self._version += 1
        spec = self.lease["spec"] | patch.get("spec", {})
        self.lease = {"metadata": patch["metadata"] | {"resourceVersion": str(self._version)}, "spec": spec}
        return self.lease

    def _ask(self, verb: str) -> None:
        if self.writes_left == 0:
            raise EnoughError
        self.requests.append(verb)
        self.writes_left -= verb != "get"


def leader_of(server: OneLease) -> Leader:
    return Leader(cast("Kube", server), Metrics(), namespace="system", name="operator", own_name="a", times=TIMES)


async def renewed(leader: Leader, server: OneLease, times: int) -> None:
    """Let the leader write the Lease so often."""
    server.writes_left = times
    with pytest.raises(EnoughError):
        await leader.hold(lambda: None)
    server.writes_left = -1


async def test_a_renewal_is_one_request_and_leaves_the_epoch() -> None:
    server = OneLease()
    leader = leader_of(server)
    await leader.acquire()
    assert leader.may_write
    server.requests.clear()
    await renewed(leader, server, 3)
    assert server.requests == ["merge", "merge", "merge"]
    assert (leader.epoch, server.epoch) == (1, "1")


async def test_an_acquisition_raises_the_epoch_that_it_finds() -> None:
    server = OneLease()
    server.write("", "41")
    leader = leader_of(server)
    await leader.acquire()
    assert (leader.epoch, server.epoch) == (42, "42")


async def test_a_lease_deleted_under_its_leader_is_made_again_with_a_higher_epoch() -> None:
    """F45."""
    server = OneLease()
    leader = leader_of(server)
    await leader.acquire()
    server.lease = None
    await renewed(leader, server, 2)
    assert (leader.epoch, server.epoch) == (2, "2")
    assert leader.may_write


async def test_a_lease_restored_with_a_lower_epoch_gets_ours_back() -> None:
    """F45."""
    server = OneLease()
    server.write("", "7")
    leader = leader_of(server)
    await leader.acquire()
    server.write(leader.identity, "3")
    await renewed(leader, server, 2)
    assert (leader.epoch, server.epoch) == (8, "8")


async def test_a_pods_epoch_is_outrun_by_the_holder_only() -> None:
    """F45, F31."""
    server = OneLease()
    leader = leader_of(server)
    await leader.acquire()
    assert await leader.outrun(50)
    assert (leader.epoch, server.epoch) == (51, "51")
    server.write("another", "52")
    assert not await leader.outrun(60)
    assert server.epoch == "52"


async def test_who_finds_another_holder_has_lost_and_writes_nothing() -> None:
    """F31."""
    server = OneLease()
    leader = leader_of(server)
    await leader.acquire()
    server.write("another", "2")
    with pytest.raises(LeadershipLostError, match="another holds the Lease system/operator"):
        await leader.hold(lambda: None)
    assert not leader.may_write
    assert server.epoch == "2"


async def test_an_answer_that_was_lost_costs_one_more_look() -> None:
    server = OneLease()
    leader = leader_of(server)
    await leader.acquire()
    server.write(leader.identity, "1")  # our own write, whose answer never came
    server.requests.clear()
    await renewed(leader, server, 2)
    assert server.requests[:3] == ["merge", "get", "merge"]
    assert leader.may_write


@pytest.mark.parametrize(
    ("error", "wrong"),
    [
        pytest.param(ApiError(403, "Forbidden", "no right to list"), "no right to list", id="refused"),
        pytest.param(ApiError(401, "Unauthorized", "who is it"), "who is it", id="not known"),
        pytest.param(ApiError(429, "TooManyRequests", "busy"), None, id="busy"),
        pytest.param(ApiError(500, "InternalError", "trouble"), None, id="in trouble"),
        pytest.param(ApiUnreachableError("no answer"), None, id="not there"),
    ],
)
def test_only_an_api_server_that_answers_and_refuses_is_a_reason_to_restart(
    error: ApiError | ApiUnreachableError, wrong: str | None
) -> None:
    now = 1000.0
    attempts = Attempts(lambda: now)
    for _ in range(7):
        now += 10
        attempts.failed(error)
    found = attempts.wrong("a LIST", 55)
    assert found is None if wrong is None else wrong in (found or "")
    assert attempts.wrong("a LIST", 65) is None
    attempts.succeeded()
    assert attempts.wrong("a LIST", 55) is None
    now += 56
    assert attempts.wrong("a LIST", 55) == "a LIST wasn't tried for 56 s"
