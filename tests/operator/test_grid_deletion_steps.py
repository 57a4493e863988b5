"""The operator is killed at each request by which it changes something in a deletion; the next one goes on. (F3, F16)

The request is carried out and its answer never arrives. By default a few of the steps are taken, chosen by a seed that
is printed; HEDGEGRID_DELETION_STEPS=all takes all of them, HEDGEGRID_DELETION_SEED repeats a choice.
"""

import os
import random
from collections.abc import Iterator

import pytest

from tests.kube import Cluster, wait_until
from tests.kube.api_proxy import ApiProxy, Call, writes
from tests.kube.installation import NAMESPACE, SERVICE_ACCOUNT
from tests.operator.deletion_parts import closed_once, last_words, only_entries_went, operations, trading
from tests.operator.grid_parts import Field, Grid, kill_of

ALL = os.environ.get("HEDGEGRID_DELETION_STEPS") == "all"
SEED = int(os.environ.get("HEDGEGRID_DELETION_SEED") or random.randrange(10**6))
SAMPLES = {"Flatten": 1, "CancelOrders": 1}


@pytest.fixture(scope="module")
def proxy(own_cluster: Cluster) -> Iterator[ApiProxy]:
    """What the operators of this file ask the API server through."""
    with ApiProxy(own_cluster) as found:
        yield found


@pytest.fixture(scope="module")
def field(own_cluster: Cluster, proxy: ApiProxy) -> Iterator[Field]:
    """An operator behind the proxy."""
    found = Field(own_cluster)
    direct = own_cluster.kubeconfig_for(NAMESPACE, SERVICE_ACCOUNT)
    found.operator = found.new_operator("proxied", KUBECONFIG=str(proxy.kubeconfig(direct)))
    try:
        found.start()
        yield found
    finally:
        proxy.forget_stop()
        found.close()


def deleted(field: Field, proxy: ApiProxy, grid: Grid, step: int) -> None:
    """Delete a grid, kill the operator at its `step`-th change, if there are so many, and start another one."""
    proxy.stop_at(step, field.operator.kill, writes)
    grid.delete()
    wait_until(lambda: not proxy.stopping or grid.get() is None, 60, f"change {step}, or the end")
    reached = not proxy.stopping
    proxy.forget_stop()
    if reached:
        wait_until(lambda: not field.operator.process.running, 10, "the operator to be dead")
        field.start()


def steps(total: int, policy: str) -> list[int]:
    """Which steps to take."""
    chosen = list(range(1, total + 1))
    if ALL:
        return chosen
    print(f"HEDGEGRID_DELETION_SEED={SEED}")
    return sorted(random.Random(SEED).sample(chosen, min(SAMPLES[policy], total)))


def shown(call: Call) -> str:
    return f"{call.method} {call.path}"


@pytest.mark.timeout(3600 if ALL else 600)
@pytest.mark.parametrize("policy", list(SAMPLES))
def test_killed_at_any_step_of_a_deletion_the_operator_goes_on(field: Field, proxy: ApiProxy, policy: str) -> None:
    first = trading(field, deletion={"policy": policy})
    seen = len(proxy.calls)
    first.delete()
    last_words(first)
    done = [shown(call) for call in proxy.calls[seen:] if writes(call)]
    assert done[-1].startswith("PATCH /apis/hedgegrid.io/")
    for step in steps(len(done), policy):
        grid = trading(field, deletion={"policy": policy})
        print(f"step {step} of {len(done)}, as in {done[step - 1]}")
        deleted(field, proxy, grid, step)
        told = last_words(grid)
        assert len(operations(grid)) <= 1
        if policy == "Flatten":
            assert "both legs were verified flat" in told
            closed_once(grid)
        else:
            assert "entries were verified gone" in told
            only_entries_went(grid)


def test_the_same_kill_again_and_again_is_one_engagement(field: Field) -> None:
    grid = trading(field)
    ids: set[str] = set()
    orders: set[int] = set()
    for throttle in (1, 0.9, 0.8):
        grid.patch(killSwitch="flattenBoth", throttle=throttle)
        kill = kill_of(grid.wait_phase("Flat"))
        closed_once(grid)
        ids |= {kill["operationID"], *(leg["operationID"] for leg in kill["legs"].values())}
        orders.add(len(grid.commands()))
        field.operator.kill()
        field.start()
    assert len(ids) == 1
    assert len(orders) == 1
    # Flat already: the deletion succeeds without an order.
    grid.delete()
    last_words(grid)
    assert {len(grid.commands())} == orders
