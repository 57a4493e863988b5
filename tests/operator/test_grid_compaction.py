"""F30: a real 410. etcd has compacted the version from which the operator's watch wants to go on.

The pods are played by the farm, which takes documents and watches nothing: what gets there came by the operator.
"""

import json
import signal
import urllib.request
from pathlib import Path

import pytest

from tests.kube import ApiError, Cluster, wait_until
from tests.kube.api_proxy import ApiProxy, Call
from tests.operator.fleet_parts import Fleet
from tests.operator.grid_parts import API, Json

pytestmark = pytest.mark.timeout(600)


def grid_watches(call: Call) -> bool:
    """Streams of events of grids."""
    return call.watch and call.path.endswith("/hedgegrids")


def test_a_version_that_is_compacted_starts_the_watch_anew(fleet: Fleet, proxy: ApiProxy) -> None:
    # A LIST that finds what the watch doesn't tell would have it begin anew before it hears of the compaction.
    operator = fleet.lead(fleet.operator("compacted", proxy, HEDGEGRID_OPERATOR_RESYNC_INTERVAL="600"))
    wait_until(lambda: any(call.status == 200 for call in proxy.calls if grid_watches(call)), 60, "the watch")
    begun = len(proxy.calls)
    proxy.freeze(grid_watches)
    proxy.cut()
    wait_until(lambda: any(map(grid_watches, proxy.calls[begun:])), 60, "the watch to ask from where it was")
    grids = fleet.cluster.api.path(API, "HedgeGrid", "", fleet.namespace).rstrip("/")
    left_at = fleet.cluster.api.request("GET", grids)["metadata"]["resourceVersion"]
    missed, told = fleet.take(2)
    fleet.patch([missed], throttle=0.4)
    compact(fleet.cluster, int(fleet.cluster.api.request("GET", grids)["metadata"]["resourceVersion"]))
    # Its cache of recent events outlives a compaction; a new one doesn't have them.
    fleet.cluster.stop_apiserver(signal.SIGKILL)
    fleet.cluster.start_apiserver()
    answer = wait_until(lambda: first_of_watch(fleet.cluster, grids, left_at), 60, "the API server to serve watches")
    assert (answer["code"], answer["reason"]) == (410, "Expired")
    proxy.heal()
    wait_until(lambda: any(map(expired, proxy.calls[begun:])), 60, "the operator to be told so too")
    wait_until(lambda: operator.leading, 60, "the operator to lead")
    fleet.wait_held([missed], "throttle", 0.4)
    # No LIST can be read any more: what arrives came by the watch.
    proxy.freeze(lambda call: not call.watch and call.method == "GET" and call.path.endswith("/hedgegrids"))
    fleet.grids[told].patch(killSwitch="flattenBoth")
    fleet.wait_held([told])


def expired(call: Call) -> bool:
    """A watch that ended since its version is gone."""
    return grid_watches(call) and b'"code":410' in call.last


def first_of_watch(cluster: Cluster, path: str, version: str) -> Json | None:
    """What the API server says first to a watch from a version, as a Status; None while its storage isn't ready."""
    try:
        found = cluster.api.request("GET", path, watch="1", resourceVersion=version, timeoutSeconds="5")
    except ApiError as error:
        if error.status == 429:
            return None
        raise
    return dict(found["object"])


def compact(cluster: Cluster, revision: int) -> None:
    """Let etcd forget what was before a revision."""
    arguments = Path(f"/proc/{cluster.etcd.pid}/cmdline").read_text().split("\0")
    (url,) = (it.partition("=")[2] for it in arguments if it.startswith("--listen-client-urls="))
    body = json.dumps({"revision": revision, "physical": True}).encode()
    with urllib.request.urlopen(f"{url}/v3/kv/compaction", data=body, timeout=30) as answer:
        assert answer.status == 200
