"""The end of the story: deleted, and everything gone."""

import os
from pathlib import Path

from tests.demo.chronicle import moment
from tests.demo.scene import CLAIM, GRID, NAMESPACE, Scene
from tests.demo.seeing import require
from tests.demo.telling import after, same
from tests.kube.installation import CHILDREN


def deletion(scene: Scene) -> None:
    """Flat first, then gone."""
    stage = scene.stage
    stage.remark(f"before: {scene.venue.book().told()}")
    scene.kubectl("delete", "hg", GRID)
    gone = scene.see("the object to be gone", lambda: scene.chronicle.deleted_at)
    flat = scene.see("both legs Flat before the object was gone", lambda: _flat_before(scene, gone), within=0)
    scene.see("no order and no position at the venue", lambda: _nothing_left(scene), within=0)
    stage.saw(f"flat first: the venue shows 0 orders, LONG 0, SHORT 0; gone {after(flat, gone)} later")
    scene.see("pod and all other children to be gone", lambda: _childless(scene), within=30)
    stage.saw(f"pod, StatefulSet and all other children are gone; the volume claim {CLAIM} is kept")
    stage.figures()


def cluster_down(scene: Scene) -> None:
    """Nothing is left."""
    cluster, stage = scene.cluster, scene.stage
    stage.command(f"kill {scene.operator.process.pid}   # SIGTERM to the operator")
    same("the operator's exit code", 0, scene.operator.stop())
    stage.saw("the operator has ended in order")
    folder, pids = cluster.folder, [process.pid for process in (cluster.etcd, cluster.apiserver, cluster.controllers)]
    scene.end()
    scene.see("no process and no file to be left", lambda: _left(folder, pids))
    stage.saw("etcd, kube-apiserver, kube-controller-manager are gone, and so is every temporary file")


def _flat_before(scene: Scene, gone: float) -> float:
    switch = scene.chronicle.kill_switch
    require(switch.get("state") == "Flat", f"in the object's last status: {scene.chronicle.told()}")
    flat = moment(switch, "flatTime")
    require(flat < gone, f"flat {after(gone, flat)} later")
    return flat


def _nothing_left(scene: Scene) -> None:
    book = scene.venue.book()
    require(book.snapshot.flat, book.told())


def _childless(scene: Scene) -> None:
    labels = {"hedgegrid.io/uid": scene.chronicle.uid}
    left = [kind for version, kind in CHILDREN if scene.cluster.api.list(version, kind, NAMESPACE, labels)]
    require(not left, f"still there: {', '.join(left)}")


def _left(folder: Path, pids: list[int]) -> None:
    alive = [pid for pid in pids if _alive(pid)]
    require(not alive and not folder.exists(), f"processes {alive}, folder there: {folder.exists()}")


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
