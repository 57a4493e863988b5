"""Lanes, the cache, what is put back, and the settings."""

import asyncio
import json
import logging
from typing import Any

import pytest

from hedgegrid_operator.cache import Cache, Change
from hedgegrid_operator.contention import Contention, taken_field
from hedgegrid_operator.logs import JsonFormatter
from hedgegrid_operator.objects import HEDGE_GRID, POD, SERVICE, STATEFUL_SET
from hedgegrid_operator.queue import Lane
from hedgegrid_operator.settings import parse
from tests.unit.operator_parts import UID, grid


class Recorder:
    """Work that says when it runs and ends when it is told to."""

    def __init__(self, pause: float | None = None) -> None:
        self.started: list[str] = []
        self.gate = asyncio.Event()
        self.news = asyncio.Condition()
        self.pause = pause
        self.at_once = 0

    async def __call__(self, key: str) -> float | None:
        self.started.append(key)
        async with self.news:
            self.news.notify_all()
        self.at_once += 1
        await self.gate.wait()
        self.at_once -= 1
        return self.pause

    async def until(self, count: int) -> list[str]:
        async with self.news:
            await asyncio.wait_for(self.news.wait_for(lambda: len(self.started) >= count), 5)
        return self.started


async def test_a_wake_up_starts_at_once_and_one_during_the_work_runs_it_once_more() -> None:
    work = Recorder()
    lane = Lane("test", work)
    lane.wake("a")
    assert work.started == ["a"]
    lane.wake("a")
    lane.wake("a")
    assert work.started == ["a"]
    work.gate.set()
    assert await work.until(2) == ["a", "a"]
    await lane.close(1)
    assert work.started == ["a", "a"]


async def test_a_lane_knows_how_long_the_oldest_has_waited() -> None:
    work, loop = Recorder(), asyncio.get_running_loop()
    lane = Lane("test", work, limit=1)
    lane.wake("a")
    assert lane.oldest == 0, "who works doesn't wait"
    began = loop.time()
    lane.wake("b")
    await asyncio.sleep(0.02)
    since = loop.time()
    lane.wake("c")
    assert since - began <= lane.oldest <= loop.time() - began
    # Who is urgent goes on at once, though its place in the queue is still there.
    lane.wake("b", urgent=True)
    assert lane.oldest <= loop.time() - since
    work.gate.set()
    await work.until(3)
    assert lane.oldest == 0
    await lane.close(1)


async def test_a_bound_lane_keeps_order_and_lets_what_is_urgent_pass() -> None:
    work = Recorder()
    lane = Lane("test", work, limit=2)
    for key in "abcd":
        lane.wake(key)
    assert (work.started, lane.depth) == (["a", "b"], 2)
    lane.wake("d", urgent=True)
    assert work.started == ["a", "b", "d"]
    work.gate.set()
    assert await work.until(4) == ["a", "b", "d", "c"]
    await lane.close(1)


async def test_a_wake_up_ends_a_pause() -> None:
    work = Recorder(pause=3600)
    work.gate.set()
    lane = Lane("test", work)
    lane.wake("a")
    await work.until(1)
    await asyncio.sleep(0)
    lane.wake("a")
    assert await work.until(2) == ["a", "a"]
    await lane.close(1)


async def test_work_that_fails_is_tried_again_and_the_others_go_on(caplog: pytest.LogCaptureFixture) -> None:
    seen: list[str] = []

    async def work(key: str) -> float | None:
        seen.append(key)
        if key == "bad":
            raise RuntimeError("defect")
        return None

    lane = Lane("test", work, limit=1)
    lane.wake("bad")
    lane.wake("good")
    assert seen == ["bad", "good"]
    assert "defect" in caplog.text
    await lane.close(1)


async def test_a_settling_lane_makes_one_piece_of_work_of_a_burst() -> None:
    work = Recorder()
    work.gate.set()
    lane = Lane("test", work, settle=0.001)
    for _ in range(5):
        lane.wake("a")
    assert work.started == []
    await work.until(1)
    lane.wake("b")
    assert await work.until(2) == ["a", "b"]
    await lane.close(1)


def child(kind: str, own: str, version: int, *, of: str = UID, name: str = "", **status: Any) -> dict[str, Any]:
    name = name or {"Pod": "hedgegrid-btc-0", "StatefulSet": "hedgegrid-btc"}[kind]
    about = {"name": name, "namespace": "default", "uid": own, "resourceVersion": str(version)}
    return {"kind": kind, "metadata": {**about, "labels": {"hedgegrid.io/uid": of}}, "status": status}


def cache_with(*children: dict[str, Any]) -> Cache:
    cache = Cache()
    cache.observe(HEDGE_GRID, grid())
    for found in children:
        cache.observe(POD if found["kind"] == "Pod" else STATEFUL_SET, found)
    return cache


def test_an_older_state_never_replaces_a_newer_one() -> None:
    cache = Cache()
    assert cache.observe(HEDGE_GRID, grid(generation=5)) == (UID, Change.GRID)
    assert cache.observe(HEDGE_GRID, grid(generation=4)) == (UID, Change.NOTHING)
    found = cache.grid(UID)
    assert found is not None
    assert found.controls.generation == 5


def test_an_object_that_is_gone_does_not_come_back_with_an_old_list() -> None:
    cache = cache_with()
    assert cache.observe(HEDGE_GRID, grid(), deleted=True) == (UID, Change.GRID_GONE)
    assert cache.observe(HEDGE_GRID, grid()) == (UID, Change.NOTHING)
    assert cache.grid(UID) is None


def test_the_end_of_an_older_pod_does_not_hide_the_new_one() -> None:
    cache = cache_with(child("Pod", "old", 10, podIP="127.0.0.1"))
    assert cache.observe(POD, child("Pod", "new", 12, podIP="127.0.0.2")) == (UID, Change.POD)
    assert cache.observe(POD, child("Pod", "old", 13), deleted=True) == (UID, Change.NOTHING)
    assert cache.observe(POD, child("Pod", "old", 11, podIP="127.0.0.1")) == (UID, Change.NOTHING)
    pod = cache.pod(UID)
    assert pod is not None
    assert pod.ip == "127.0.0.2"


@pytest.mark.parametrize("stranger", [{"of": "another"}, {"name": "stranger"}])
def test_a_pod_of_another_name_or_label_never_gets_our_documents(stranger: dict[str, str]) -> None:
    assert cache_with(child("Pod", "one", 10, podIP="127.0.0.1", **stranger)).pod(UID) is None


def test_a_list_takes_away_what_it_does_not_hold_unless_that_is_newer() -> None:
    cache = cache_with(child("StatefulSet", "sts", 200))
    assert cache.missing(STATEFUL_SET, [], 150, None) == []
    assert cache.missing(STATEFUL_SET, [], 250, "elsewhere") == []
    assert cache.missing(STATEFUL_SET, ["sts"], 250, None) == []
    assert cache.missing(STATEFUL_SET, [], 250, None) == [(UID, Change.STATEFUL_SET)]
    assert cache.missing(HEDGE_GRID, [], 250, None) == [(UID, Change.GRID_GONE)]


def test_what_is_left_of_an_object_that_is_gone_is_found() -> None:
    cache = cache_with(child("StatefulSet", "sts", 200), child("Pod", "pod", 201))
    assert cache.orphans() == ([], [])
    cache.observe(HEDGE_GRID, grid(), deleted=True)
    sets, pods = cache.orphans()
    assert ([found.uid for found in sets], [found.uid for found in pods]) == (["sts"], ["pod"])


def test_grids_of_one_target_know_each_other() -> None:
    cache = Cache()
    cache.observe(HEDGE_GRID, grid())
    cache.observe(HEDGE_GRID, grid(uid="two", name="two"))
    cache.observe(HEDGE_GRID, grid(uid="three", name="three", account={"name": "another"}))
    assert cache.rivals(UID) == ("two",)
    cache.observe(HEDGE_GRID, grid(uid="two", name="two"), deleted=True)
    assert cache.rivals(UID) == ()


def test_what_is_taken_back_again_and_again_is_put_back_more_slowly() -> None:
    contention = Contention()
    allowed = [at for at in range(0, 1500, 10) if contention.put_back(UID, SERVICE, "btc", at)]
    assert allowed == [0, 10, 20, 320, 620, 920, 1220]
    assert contention.put_back("another", SERVICE, "btc", 40)


def test_a_conflict_is_told_until_the_child_has_been_left_alone_for_a_pause() -> None:
    contention = Contention(window=600, pause=60)
    for at in (0, 1, 2):
        assert contention.put_back(UID, SERVICE, "btc", at)
        assert contention.told(UID, SERVICE, "btc", at) is None
    assert not contention.put_back(UID, SERVICE, "btc", 3)
    contention.tell(UID, SERVICE, "btc", "somebody takes it")
    assert contention.put_back(UID, SERVICE, "btc", 62)
    # It stands as it should, for the moment.
    assert [contention.told(UID, SERVICE, "btc", at) for at in (62, 121, 122)] == ["somebody takes it"] * 2 + [None]


def test_who_takes_a_field_is_named() -> None:
    mine = {"manager": "hedgegrid-operator", "time": "2026-03-01T12:00:00Z", "fieldsV1": {"f:spec": {"f:replicas": {}}}}
    theirs = {"manager": "autoscaler", "time": "2026-03-01T12:01:00Z", "fieldsV1": {"f:spec": {"f:replicas": {}}}}
    status = {**theirs, "manager": "kcm", "time": "2026-03-01T12:02:00Z", "subresource": "status"}
    found = {"metadata": {"managedFields": [mine, theirs, status]}}
    assert taken_field(found, {"spec": {"replicas": 1}}) == ("spec.replicas", "autoscaler")
    assert taken_field(found, {"spec": {"template": {}}}) == ("?", "?")


def test_a_flag_outranks_its_variable_and_a_variable_the_default() -> None:
    environ = {"HEDGEGRID_OPERATOR_POLL_INTERVAL": "7", "HEDGEGRID_OPERATOR_WORKERS": "3"}
    found = parse(["--workers", "5", "--watch-namespaces", "a, b"], environ)
    assert (found.poll_interval, found.workers, found.lease_duration) == (7, 5, 15)
    assert found.namespaces == ("a", "b")
    assert parse([], {}).namespaces == (None,)


@pytest.mark.parametrize(
    ("arguments", "environ", "told"),
    [
        (["--workers", "many"], {}, "--workers"),
        ([], {"HEDGEGRID_OPERATOR_POLL_INTERVAL": "soon"}, "--poll-interval"),
        (["--poll-interval", "0"], {}, "--poll-interval must be greater than 0"),
        (["--renew-deadline", "20"], {}, "--renew-deadline < --lease-duration"),
        (["--log-level", "LOUD"], {}, "--log-level"),
    ],
)
def test_a_wrong_setting_is_named(
    arguments: list[str], environ: dict[str, str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        parse(arguments, environ)
    assert told in capsys.readouterr().err


def test_a_log_line_is_one_line_of_json_with_fields_of_its_own() -> None:
    record = logging.makeLogRecord({"msg": "kill\ndelivered in %s", "args": ("3 ms",), "grid": "btc", "generation": 4})
    line = JsonFormatter().format(record)
    assert "\n" not in line
    found = json.loads(line)
    assert (found["message"], found["grid"], found["generation"]) == ("kill\ndelivered in 3 ms", "btc", 4)


def test_after_a_restore_older_states_count_and_what_was_gone_is_back() -> None:
    """F45: an etcd that was restored counts its resource versions from an earlier one on."""
    cache = Cache()
    newer, older = grid(generation=9), grid(generation=2, killSwitch="flattenBoth")
    cache.observe(HEDGE_GRID, newer)
    other = grid(generation=5, uid="0f0e5b0e-0000-4000-8000-000000000002", name="eth")
    cache.observe(HEDGE_GRID, other)
    cache.observe(HEDGE_GRID, other, deleted=True)
    assert cache.observe(HEDGE_GRID, older) == (UID, Change.NOTHING)
    cache.rewind()
    assert cache.observe(HEDGE_GRID, older) == (UID, Change.GRID)
    entry = cache.grid(UID)
    assert entry is not None
    assert entry.controls.generation == 2
    assert cache.observe(HEDGE_GRID, other)[1] is Change.GRID
