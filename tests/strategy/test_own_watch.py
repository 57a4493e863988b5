"""The pod's own watch against an API server that misbehaves (F48): it engages what is stronger there, and goes on."""

import logging
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from hedgegrid_api.control import ControlDocument, ControlReport
from hedgegrid_api.types import LegLevel, Source
from naut_hedgegrid.ops import apiserver, own_watch
from naut_hedgegrid.ops.apiserver import ApiServer
from naut_hedgegrid.ops.own_watch import OwnWatch, pause_after, place_of
from naut_hedgegrid.strategies.hedge_grid_v1.control import StaleDocumentError
from naut_hedgegrid.strategies.hedge_grid_v1.strategy import HedgeGridV1
from tests.strategy.fake_apiserver import OBJECT, UID, FakeApiServer, Handler, an_object
from tests.strategy.ops_support import alone, until


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apiserver, "REQUEST_SECONDS", 1.0)
    monkeypatch.setattr(own_watch, "SHORTEST_SECONDS", 0.01)
    monkeypatch.setattr(own_watch, "LONGEST_PAUSE", 0.05)
    monkeypatch.setattr(own_watch, "_FIRST_PAUSE", 0.01)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[FakeApiServer]:
    found = FakeApiServer(tmp_path)
    yield found
    found.stop()


@pytest.fixture
async def strategy(tmp_path: Path) -> AsyncIterator[HedgeGridV1]:
    """A strategy that holds generation 1 of its object."""
    found = alone(tmp_path, await_control=True)
    found.port.bind()
    await found.apply(document(1))
    yield found
    found.port.release()
    assert found.archive is not None
    found.archive.close()  # pyright: ignore[reportAttributeAccessIssue]  the store's own


@pytest.fixture
def watch(server: FakeApiServer, strategy: HedgeGridV1) -> Iterator[OwnWatch]:
    found = OwnWatch(strategy, ApiServer(server.place), UID, seconds=1.0)
    found.start()
    yield found
    found.stop()


def document(generation: int, **values: object) -> ControlDocument:
    return ControlDocument.model_validate({"uid": UID, "generation": generation, **values})


def levels(report: ControlReport) -> set[LegLevel]:
    return {report.kill_switch.legs.long.level, report.kill_switch.legs.short.level}


async def engaged(strategy: HedgeGridV1, level: LegLevel = LegLevel.FLAT) -> ControlReport:
    """The report once both legs are held at a level."""
    await until(lambda: levels(strategy.report()) == {level}, f"both legs to be {level}")
    await until(lambda: strategy.report().kill_switch.legs.long.delivered, "the store to have it")
    return strategy.report()


async def watching(server: FakeApiServer) -> None:
    await until(lambda: server.state.watches, "a watch")


async def test_a_change_is_engaged_from_the_event_without_a_document(
    server: FakeApiServer, strategy: HedgeGridV1, watch: OwnWatch
) -> None:
    await watching(server)
    reads = server.reads()
    server.show(killSwitch="flattenBoth")
    report = await engaged(strategy)
    assert server.reads() == reads
    assert (report.kill_switch.source, report.kill_switch.state) == (Source.SPEC, "Delivered")
    assert (report.applied_generation, report.due_generation, report.kill_switch.desired) == (1, 2, "none")
    first, second = server.state.requests[:2]
    assert (first.path, first.query, first.token) == (OBJECT, {}, "token-1")
    assert second.path == OBJECT.rpartition("/")[0]
    assert second.query["fieldSelector"] == "metadata.name=btc"
    assert (second.query["resourceVersion"], second.query["allowWatchBookmarks"]) == ("100", "true")


async def test_the_operators_document_afterwards_begins_nothing_new_and_an_older_one_is_refused(
    server: FakeApiServer, strategy: HedgeGridV1, watch: OwnWatch
) -> None:
    await watching(server)
    server.show(throttle=0.5)
    server.show(killSwitch="flattenBoth")
    before = await engaged(strategy)
    with pytest.raises(StaleDocumentError) as refused:
        await strategy.apply(document(2, throttle=0.5))
    assert refused.value.reason == "generation"
    after = await strategy.apply(document(3, killSwitch="flattenBoth", throttle=0.5))
    assert after.kill_switch.operation_id == before.kill_switch.operation_id
    assert (after.applied_generation, after.due_generation) == (3, None)
    released = await strategy.apply(document(4))
    assert levels(released) == {LegLevel.OPEN}


async def test_a_document_older_than_what_was_seen_is_taken_with_what_was_seen(
    server: FakeApiServer, strategy: HedgeGridV1, watch: OwnWatch
) -> None:
    await strategy.apply(document(2, killSwitch="flattenBoth"))
    await watching(server)
    server.show(silently=True, killSwitch="flattenBoth")
    server.show(silently=True, killSwitch="none")
    server.show(killSwitch="haltEntries")
    await until(lambda: (strategy.own_object.age or 9) < 1, "the event")
    await until(lambda: server.reads() > 1, "another read")
    assert strategy.report().due_generation is None
    report = await strategy.apply(document(3))
    assert levels(report) == {LegLevel.HALTED}
    assert (report.applied_generation, report.due_generation) == (3, 4)


async def test_a_lower_throttle_acts_and_a_higher_one_waits_for_a_document(
    server: FakeApiServer, strategy: HedgeGridV1, watch: OwnWatch
) -> None:
    await watching(server)
    server.show(throttle=0.25)
    await until(lambda: strategy.report().throttle.effective == 0.25, "the throttle")
    server.show(throttle=0.75)
    server.show(killSwitch="haltEntries")
    report = await engaged(strategy, LegLevel.HALTED)
    assert (report.throttle.effective, report.throttle.desired) == (0.25, 1.0)


async def test_a_version_that_is_too_old_is_answered_by_another_read(
    server: FakeApiServer, strategy: HedgeGridV1, watch: OwnWatch, caplog: pytest.LogCaptureFixture
) -> None:
    expired = {"kind": "Status", "code": 410, "reason": "Expired", "message": "too old resource version"}

    def in_the_stream(handler: Handler) -> None:
        server.show(silently=True, killSwitch="flattenBoth")
        handler.begin()
        handler.event("ERROR", expired)
        handler.send(b"")

    server.state.streams += [lambda handler: handler.answer(410, expired), in_the_stream]
    await watching(server)
    server.cut()
    await engaged(strategy)
    assert "doesn't work" not in "".join(m for m in caplog.messages if "too old" in m)


async def test_bookmarks_and_a_watch_that_ends_are_no_trouble(
    server: FakeApiServer, strategy: HedgeGridV1, watch: OwnWatch, caplog: pytest.LogCaptureFixture
) -> None:
    await watching(server)
    server.tell("BOOKMARK", {"metadata": {"resourceVersion": "150"}})
    await until(lambda: server.reads() > 2, "reads again and again")
    assert [m for m in caplog.messages if "watch" in m] == []
    assert levels(strategy.report()) == {LegLevel.OPEN}


def silent(handler: Handler) -> None:
    handler.begin()
    handler.event("BOOKMARK", {"metadata": {"resourceVersion": "101"}})
    threading.Event().wait(20)


def dripping(handler: Handler) -> None:
    handler.begin()
    while True:
        handler.send(b" ")
        threading.Event().wait(0.05)


def huge(handler: Handler) -> None:
    handler.begin()
    for _ in range(apiserver.LARGEST // 2**20 + 1):
        handler.send(b"x" * 2**20)
    threading.Event().wait(20)


def garbage(handler: Handler) -> None:
    handler.begin()
    handler.send(b"\xff\x00 no JSON\n")


def deep(handler: Handler) -> None:
    handler.begin()
    handler.send(b'{"type": "MODIFIED", "object": ' + b'{"a":' * 100_000 + b"1" + b"}" * 100_000 + b"}\n")


def cut_off(handler: Handler) -> None:
    handler.begin()
    handler.wfile.write(b"ffff\r\n{")
    handler.close_connection = True


def no_http(handler: Handler) -> None:
    handler.wfile.write(b"SSH-2.0\r\n\r\n")
    handler.close_connection = True


def forbidden(handler: Handler) -> None:
    handler.answer(403, {"kind": "Status", "code": 403, "message": "may not watch"})


@pytest.mark.parametrize("trick", [silent, dripping, huge, garbage, deep, cut_off, no_http, forbidden])
async def test_whatever_a_watch_does_the_object_is_read_again(
    server: FakeApiServer, strategy: HedgeGridV1, trick: object
) -> None:
    server.state.streams.append(trick)  # pyright: ignore[reportArgumentType]
    found = OwnWatch(strategy, ApiServer(server.place), UID, seconds=1.0)
    found.start()
    try:
        await until(lambda: len(server.state.requests) >= 2, "the watch")
        server.show(silently=True, killSwitch="flattenBoth")
        await engaged(strategy)
    finally:
        found.stop()


async def test_errors_are_waited_out_and_told_once(
    server: FakeApiServer, strategy: HedgeGridV1, watch: OwnWatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    await watching(server)
    server.state.always = lambda handler: handler.answer(500, {"message": "etcd is \x1b[31mill\x1b[0m"})
    server.cut()
    seen = len(server.state.requests)
    await until(lambda: len(server.state.requests) > seen + 5, "more tries")
    server.show(silently=True, killSwitch="flattenBoth")
    server.state.always = None
    await engaged(strategy)
    told = [
        record.getMessage()
        for record in caplog.records
        if "the API server answers 500: etcd is ill" in record.getMessage()
    ]
    assert len(told) == 1
    assert "the pod's own watch works again" in caplog.messages


async def test_a_server_that_is_gone_for_a_while(server: FakeApiServer, strategy: HedgeGridV1, watch: OwnWatch) -> None:
    await watching(server)
    server.stop()
    server.show(killSwitch="flattenBoth")
    assert levels(strategy.report()) == {LegLevel.OPEN}
    server.start("one")
    await engaged(strategy)


async def test_token_and_authority_are_read_again_when_they_are_rotated(
    server: FakeApiServer, strategy: HedgeGridV1, watch: OwnWatch
) -> None:
    await watching(server)
    server.give_token("token-2")
    await until(lambda: server.state.requests[-1].token == "token-2", "the new token")
    server.stop()
    server.start("two")
    await watching(server)
    server.show(killSwitch="flattenBoth")
    await engaged(strategy)


async def test_no_token_goes_to_a_server_of_another_authority(
    server: FakeApiServer, strategy: HedgeGridV1, watch: OwnWatch, caplog: pytest.LogCaptureFixture
) -> None:
    await watching(server)
    server.stop()
    seen = len(server.state.requests)
    server.start("a stranger", trusted=False)
    await until(lambda: any("certificate verify failed" in m for m in caplog.messages), "the refusal")
    assert len(server.state.requests) == seen


@pytest.mark.parametrize("token", ["", "to\x00ken", "tökén"])
async def test_a_token_that_is_none_is_not_shown(
    server: FakeApiServer, strategy: HedgeGridV1, token: str, caplog: pytest.LogCaptureFixture
) -> None:
    server.give_token(token)
    found = OwnWatch(strategy, ApiServer(server.place), UID, seconds=1.0)
    found.start()
    try:
        if token:
            await until(lambda: any("holds no token" in m for m in caplog.messages), "the trouble")
            assert token not in caplog.text
        else:
            await until(lambda: server.state.requests or caplog.messages, "something")
    finally:
        found.stop()


async def test_without_its_files_it_waits_for_them(
    server: FakeApiServer, strategy: HedgeGridV1, caplog: pytest.LogCaptureFixture
) -> None:
    content = (server.folder / "ca.crt").read_bytes()
    (server.folder / "ca.crt").unlink()
    found = OwnWatch(strategy, ApiServer(server.place), UID, seconds=1.0)
    found.start()
    try:
        await until(lambda: any("ca.crt" in m for m in caplog.messages), "the trouble")
        (server.folder / "ca.crt").write_bytes(content)
        server.show(killSwitch="flattenBoth")
        await engaged(strategy)
    finally:
        found.stop()


# The object goes.


async def test_an_object_that_is_deleted_halts_entries(
    server: FakeApiServer, strategy: HedgeGridV1, watch: OwnWatch
) -> None:
    await watching(server)
    server.remove()
    report = await engaged(strategy, LegLevel.HALTED)
    assert report.kill_switch.source is Source.DELETION
    # What was written before it went can't undo it.
    with pytest.raises(StaleDocumentError):
        await strategy.apply(document(1, epoch=7))


async def test_an_object_that_is_missing_at_the_first_read_halts_entries(
    server: FakeApiServer, strategy: HedgeGridV1
) -> None:
    server.state.found = None
    found = OwnWatch(strategy, ApiServer(server.place), UID, seconds=1.0)
    found.start()
    try:
        await engaged(strategy, LegLevel.HALTED)
    finally:
        found.stop()


async def test_another_object_under_the_name_halts_entries_and_is_not_obeyed(
    server: FakeApiServer, strategy: HedgeGridV1, watch: OwnWatch
) -> None:
    await watching(server)
    server.state.found = an_object(5, 300, "uid-2", killSwitch="flattenBoth")
    server.tell("ADDED", server.state.found)
    await engaged(strategy, LegLevel.HALTED)


@pytest.mark.parametrize(
    "body",
    [
        b"404 page not found\n",
        {"kind": "Status", "code": 404, "reason": "NotFound", "details": {}},
        {"kind": "Status", "code": 404, "reason": "NotFound", "details": {"name": "hedgegrids.hedgegrid.io"}},
    ],
)
async def test_a_kind_that_is_not_served_says_nothing_of_the_object(
    server: FakeApiServer, strategy: HedgeGridV1, watch: OwnWatch, body: object
) -> None:
    await watching(server)
    server.state.always = lambda handler: handler.answer(404, body)
    server.cut()
    seen = len(server.state.requests)
    await until(lambda: len(server.state.requests) > seen + 3, "more tries")
    assert levels(strategy.report()) == {LegLevel.OPEN}


async def test_a_deletion_under_way_is_engaged_by_its_policy(
    server: FakeApiServer, strategy: HedgeGridV1, watch: OwnWatch
) -> None:
    await watching(server)
    found = an_object(2, 101, deletion={"policy": "Flatten"})
    found["metadata"]["deletionTimestamp"] = "2026-03-02T09:30:00Z"
    server.state.found = found
    server.tell("MODIFIED", found)
    assert (await engaged(strategy)).kill_switch.source is Source.DELETION


async def test_what_is_older_than_what_was_seen_changes_nothing(
    server: FakeApiServer, strategy: HedgeGridV1, watch: OwnWatch, caplog: pytest.LogCaptureFixture
) -> None:
    await watching(server)
    server.show()
    server.show()
    await until(lambda: server.reads() > 1, "generation 3 to be read")
    server.state.found = an_object(2, 101, killSwitch="flattenBoth")
    await until(lambda: any("older than generation 3" in m for m in caplog.messages), "the old state to be told")
    assert levels(strategy.report()) == {LegLevel.OPEN}


# Beside the strategy.


async def test_what_it_engages_is_in_the_audit_log_and_its_age_is_known(
    server: FakeApiServer, strategy: HedgeGridV1, watch: OwnWatch
) -> None:
    await watching(server)
    by_hand = {"manager": "kubectl-patch", "time": "2026-03-02T09:30:00Z", "fieldsV1": {"f:spec": {}}}
    found = an_object(2, 101, killSwitch="flattenBoth")
    found["metadata"] |= {"managedFields": [by_hand], "annotations": {"hedgegrid.io/reason": "a drill"}}
    server.tell("MODIFIED", found)
    server.state.found = found
    await engaged(strategy)
    archive = strategy.archive
    assert archive is not None
    entry = await until(lambda: next(iter(archive.audit(None, 10).result(10).items), None), "the entry")
    entry = entry.entry
    assert (entry.operation, entry.who, entry.key, entry.why) == ("control", "kubectl-patch", "own-watch", "a drill")
    assert entry.what == "killSwitch=flattenBoth throttle=1 deletion=none of generation 2"
    assert strategy.own_object.age is not None
    assert strategy.own_object.age < 20


async def test_it_ends_at_once_in_the_middle_of_a_watch(server: FakeApiServer, strategy: HedgeGridV1) -> None:
    found = OwnWatch(strategy, ApiServer(server.place), UID, seconds=3600)
    found.start()
    await watching(server)
    found.stop()
    assert "own-watch" not in {thread.name for thread in threading.enumerate()}


def test_pauses_grow_to_a_bound() -> None:
    pauses = [pause_after(failures) for failures in range(1, 40)]
    assert pauses == sorted(pauses)
    assert pauses[-1] == own_watch.LONGEST_PAUSE


@pytest.mark.parametrize("missing", ["KUBERNETES_SERVICE_HOST", "HEDGEGRID_CLUSTER_DIR", "namespace", "name"])
def test_outside_a_cluster_there_is_none(missing: str) -> None:
    environ = {"KUBERNETES_SERVICE_HOST": "10.96.0.1", "HEDGEGRID_CLUSTER_DIR": "/etc/hedgegrid/cluster"}
    names = {"namespace": "trading", "name": "btc"}
    place = place_of(environ, **names)
    assert place is not None
    assert (place.host, place.port, place.objects) == (
        "10.96.0.1",
        443,
        "/apis/hedgegrid.io/v1alpha1/namespaces/trading/hedgegrids",
    )
    environ.pop(missing, None)
    names = {name: None if name == missing else value for name, value in names.items()}
    assert place_of(environ, names["namespace"], names["name"]) is None
