"""The middle of the story: killed, the operator crashed, released, the strategy crashed."""

from naut_hedgegrid.domain.values import Leg
from tests.demo.chronicle import Json, moment
from tests.demo.scene import Scene
from tests.demo.seeing import require
from tests.demo.telling import after, same
from tests.demo.venue import Book, Since


def kill(scene: Scene) -> None:
    """The main job."""
    stage = scene.stage
    scene.see("positions on both legs, to be closed", lambda: _exposed(scene), within=30)
    stage.remark(f"before: {scene.venue.book().told()}")
    accepted = scene.accepted(scene.patch('{"killSwitch":"flattenBoth"}'))
    switch = scene.see("no order and no position at the venue, and state Flat", lambda: _flat(scene))
    scene.operation, scene.delivered = str(switch["operationID"]), moment(switch, "deliveredTime")
    stage.saw(f"delivered in {after(accepted, scene.delivered)}: the pod has the kill on disk")
    stage.saw(f"flat in {after(accepted, moment(switch, 'flatTime'))}: the venue shows 0 orders, LONG 0, SHORT 0")
    stage.remark("both since a plain watch of the API server showed the patch: what the pod and the venue recorded")
    scene.nothing_opened()
    stage.saw(f"nothing has opened since, by the venue's order log; operation {scene.operation}")
    stage.figures()


def operator_killed(scene: Scene) -> None:
    """SIGKILL and a new process: the kill stands, and stays one operation."""
    stage, operator = scene.stage, scene.operator
    epoch, boot = scene.report()["epoch"], scene.report()["bootID"]
    stage.command(f"kill -9 {operator.process.pid}   # the operator")
    operator.kill()
    stage.saw("the operator is dead")
    stage.command("python -m hedgegrid_operator")
    operator.start()
    stage.remark("the dead one's Lease runs up to 15 s more; pod and kill don't need an operator meanwhile")
    scene.see("the new operator to lead", scene.operator_leads, within=60)
    stage.saw(f"the new operator leads: {operator.holder} holds the Lease")
    scene.see("the new leader's document in the pod", lambda: _heard(scene, epoch))
    switch = scene.see("no order and no position at the venue, and state Flat", lambda: _flat(scene))
    same("the operation", scene.operation, switch["operationID"])
    same("the pod's boot", boot, scene.report()["bootID"])
    scene.nothing_opened()
    stage.saw(f"still flat, nothing opened, the same operation {scene.operation}; the pod never noticed")


def release(scene: Scene) -> None:
    """Trading again; the throttle still stands."""
    stage, mark = scene.stage, scene.venue.mark()
    accepted = scene.accepted(scene.patch('{"killSwitch":"none"}'))
    scene.see("entries on both legs", lambda: _both_legs(scene))
    first = scene.venue.since(mark).opened()[0]
    stage.saw(f"the first entry is back {after(accepted, first.wall_ns / 1e9)} after the patch")
    scene.see("kill switch Released in the status", lambda: _released(scene))
    scene.see("a fill", lambda: require(scene.venue.since(mark).fills, scene.venue.book().told()), within=30)
    stage.saw(f"trading again, with entries of {first.quantity}: the throttle of 0.5 still stands")


def pod_killed(scene: Scene) -> None:
    """SIGKILL to the strategy: position and orders are the venue's, and are adopted."""
    stage, pod = scene.stage, scene.pod
    scene.see("a position and take-profits", lambda: _position(scene), within=30)
    boot, uid = scene.report()["bootID"], pod.uid
    stage.command(f"kill -9 {pod.pid}   # the strategy")
    pod.kill()
    before, mark = scene.venue.book(), scene.venue.mark()
    stage.saw(f"the strategy is dead; at the venue stay {before.told()}")
    scene.see("a new process that is Ready and holds its document", lambda: _restarted(scene, boot), within=30)
    stage.saw("the pod's container runs again, Ready, and holds the operator's document")
    since = scene.see("the same position and orders, none doubled", lambda: _adopted(scene, before, mark))
    same("the pod's uid", uid, pod.uid)
    stage.saw(f"the same position and orders, none doubled: {_fate(before, since)}")
    stage.figures()


def _flat(scene: Scene) -> Json:
    book, switch = scene.venue.book(), scene.chronicle.kill_switch
    require(book.snapshot.flat, book.told())
    require(switch.get("state") == "Flat", f"the venue is flat; {scene.chronicle.told()}")
    return switch


def _heard(scene: Scene, epoch: int) -> None:
    report = scene.report()
    require(report["epoch"] > epoch and report["synced"], f"a document of epoch {report['epoch']}")


def _both_legs(scene: Scene) -> None:
    book = scene.venue.book()
    require(all(book.entries(leg) for leg in Leg), book.told())


def _released(scene: Scene) -> None:
    require(scene.chronicle.kill_switch.get("state") == "Released", scene.chronicle.told())


def _exposed(scene: Scene) -> None:
    book = scene.venue.book()
    require(all(book.quantity(leg) for leg in Leg), book.told())


def _position(scene: Scene) -> None:
    book = scene.venue.book()
    require(book.exits() and book.entries() and not book.flaws(), book.told())


def _restarted(scene: Scene, boot: str) -> None:
    scene.pod_ready()
    report = scene.report()
    require(report["bootID"] != boot, "still the killed process")
    require(report["synced"], "a new process that waits for its document")


def _adopted(scene: Scene, before: Book, mark: tuple[int, int]) -> Since:
    book, since = scene.venue.book(), scene.venue.since(mark)
    for leg in Leg:
        wanted = before.quantity(leg) + since.filled(leg)
        require(book.quantity(leg) == wanted, f"{leg} {book.quantity(leg)}, by its fills it has to be {wanted}")
    require(not book.flaws(), "; ".join(book.flaws()))
    here, filled = {order.client_order_id for order in book.snapshot.open_orders}, _filled(since)
    lost = {order.client_order_id for order in before.snapshot.open_orders} - here - filled - since.cancelled()
    require(not lost, f"lost: {', '.join(sorted(lost))}")
    return since


def _fate(before: Book, since: Since) -> str:
    ids = {order.client_order_id for order in before.snapshot.open_orders}
    filled = ids & _filled(since)
    moved = (ids & since.cancelled()) - filled
    told = f"of {len(ids)} orders {len(ids - filled - moved)} are untouched"
    told += f", {len(filled)} have filled since" if filled else ""
    return told + (f", {len(moved)} have moved with the market" if moved else "")


def _filled(since: Since) -> set[str]:
    return {fill.client_order_id for fill in since.fills}
