"""The beginning of the story: up, trading, throttled."""

import time

from naut_hedgegrid.domain.values import Leg
from tests.demo.scene import MANIFEST, Scene
from tests.demo.seeing import require
from tests.demo.telling import after, same
from tests.demo.venue import Book
from tests.kube.installation import install

RUNGS = 3
"""Entries of each leg that make a ladder: of the manifest's 5 those wait that the price has already passed."""
FILLS = 10
"""So many show how it trades."""


def cluster_up(scene: Scene) -> None:
    """etcd, kube-apiserver, kube-controller-manager and something that runs pods."""
    cluster, stage = scene.cluster, scene.stage
    cluster.start()
    stage.saw(f"kube-apiserver {cluster.version} serves at {cluster.server}")
    stage.remark("etcd, kube-apiserver and kube-controller-manager are the real ones; no Docker, no root")


def operator_up(scene: Scene) -> None:
    """CRD, role and process."""
    stage = scene.stage
    stage.command("kubectl apply -f crds/ -f charts/hedgegrid-operator/files/rbac.yaml")
    install(scene.cluster)
    stage.saw("the API server knows HedgeGrids, and the operator's account has the role that ships with it")
    stage.command("python -m hedgegrid_operator")
    scene.operator.start()
    scene.see("the operator to lead", scene.operator_leads, within=60)
    stage.saw(f"the operator leads: {scene.operator.holder} holds the Lease")


def trading(scene: Scene) -> None:
    """From a manifest to fills on both legs."""
    stage = scene.stage
    began = time.monotonic()
    scene.kubectl("apply", "-f", MANIFEST)
    scene.chronicle.start()
    scene.see("the strategy pod to be Ready", scene.pod_ready, within=30)
    stage.saw(f"the pod, a NautilusTrader node, is Ready {time.monotonic() - began:.1f} s after the apply")
    buys, sells = scene.see("BUY entries below the price and SELL entries above it", lambda: _ladder(scene))
    stage.saw(f"ladder placed: {buys} BUY entries below the price, {sells} SELL entries above it, by the venue's book")
    scene.see("fills on both legs and a take-profit", lambda: _traded(scene), within=30)
    book = scene.venue.book()
    stage.saw(f"first fills: {book.fills}, on both legs, a take-profit among them; PnL {book.pnl:+.2f} USDT")
    moved = scene.see(f"{FILLS} fills, and PnL to move", lambda: _moved(scene, book), within=30)
    stage.saw(f"PnL moves with the market: {moved.pnl:+.2f} USDT after {moved.fills} fills")
    stage.figures()


def throttle(scene: Scene) -> None:
    """Half of each entry, in the same pod."""
    stage, uid, mark = scene.stage, scene.pod.uid, scene.venue.mark()
    full = max(order.quantity for order in scene.venue.book().entries())
    generation = scene.patch('{"throttle":0.5}')
    accepted = scene.accepted(generation)
    book = scene.see("each entry's quantity to be halved at the venue", lambda: _halved(scene, full))
    first = min(order.wall_ns for order in scene.venue.since(mark).opened() if order.quantity == full / 2)
    stage.saw(f"each of {len(book.entries())} entries is halved at the venue: {full} → {full / 2}")
    stage.saw(f"the first of them got there {after(accepted, first / 1e9)} after the API server had accepted the patch")
    same("the pod's uid", uid, scene.pod.uid)
    stage.saw(f"no restart: the pod still has uid {uid}")
    stage.figures()


def _ladder(scene: Scene) -> list[int]:
    book = scene.venue.book()
    count = [len(book.entries(leg)) for leg in (Leg.LONG, Leg.SHORT)]
    require(min(count) >= RUNGS, book.told())
    return count


def _traded(scene: Scene) -> None:
    fills = scene.venue.since().fills
    opened = {fill.leg for fill in fills if fill.side is fill.leg.opening}
    closed = [fill for fill in fills if fill.side is fill.leg.closing]
    require(opened == set(Leg), f"{len(fills)} fills, entries of {', '.join(sorted(opened)) or 'no leg'}")
    require(closed, f"{len(fills)} fills, none of a take-profit")


def _moved(scene: Scene, before: Book) -> Book:
    book = scene.venue.book()
    require(book.fills >= FILLS and book.pnl != before.pnl, f"{book.fills} fills, PnL {book.pnl:+.2f} USDT")
    return book


def _halved(scene: Scene, full: object) -> Book:
    book = scene.venue.book()
    sizes = {order.quantity for order in book.entries()}
    require(all(2 * size == full for size in sizes), f"entries of {', '.join(map(str, sorted(sizes)))}")
    require(all(book.entries(leg) for leg in Leg), book.told())
    return book
