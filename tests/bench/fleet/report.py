"""The figures of a fleet as JSON, a page and a picture."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from tests.bench.fleet.kills import Storm
from tests.bench.fleet.plot import Chart, Line, svg
from tests.bench.fleet.rest import Idle, Restart
from tests.bench.samples import Distribution

PICTURE = "benchmarks-fleet.svg"
PAGE = """# Benchmarks: a fleet

Written by `python -m tests.bench --fleet`; the same figures are in [benchmarks-fleet.json](benchmarks-fleet.json).

| the machine | |
|---|---|
{machine}

API server, etcd, controllers, operator, the process that plays all pods, and all that measures share these cores.
Compare what stands in one table, not two machines.

## A kill, from sending the patch to `PUT /control` at the pod

| | n | p50, ms | p99, ms | largest, ms |
|---|---|---|---|---|
{deliveries}

* **bare**: a process that watches one HedgeGrid and sends one HTTP request for each new generation, nothing else; in
  turns with the kills of the row below it, beside the same fleet and under the same trouble.
* **dead**: one pod of five is dead, and a kill waits for each of them; half refuse connections, half accept them and
  are silent. **storm**: throttles of other grids change all the time meanwhile.
* A kill in the middle of {storm_size} throttle changes that are sent at once, {storm_at_once} at a time, and in
  brackets a bare delivery beside it: {storm}. Where both take long, the API server's watch is that far behind.

## Other figures

| | found | budget |
|---|---|---|
| p50 against bare: {sizes} | {ratios} | 1.5 |
| {made} new grids until all their children exist, against plain apply of the same objects | {made_told} | 1.5 |
| new start with {restart_size} grids: leads, all pods confirmed | {leading:.1f} s, {confirmed:.1f} s | 30 s |
| a kill patched in between | {restart_kill:.0f} ms | not behind it |
{growth}
| requests to the API server, for each grid in 10 minutes, at {idle_size} grids | {requests:.2f} | 1 |

Requests of LISTs, watches and the Lease are not counted; by verb and resource: {by_resource}.

## Growth

![growth]({picture})

Memory is resident memory beyond that of an operator without a grid, divided by the grids; CPU is that of a fleet at
rest whose reports are read every 5 s, or, of more than 400 grids, 80 a second.

## What is behind the figures

* **Budgets of a kill**: p50 1.5 times bare, p99 50 ms, 150 ms in a storm. Where bare alone takes longer, no operator on
  this machine can do it.
* **Storms and largest times.** A bare watch gets the same change at the same time: where both take long, the API server
  is short of CPU, and its watch, one chain of steps for each kind, falls behind the patches that it answers meanwhile.
* **New grids.** A grid takes its own POST, the finalizer, 9 children, 2 writes of its status, an Event and a consistent
  read, and the process that plays the pods writes as well: about twice the requests of a plain apply, on these cores.
* **Idle.** Reading reports, more than half of it HTTP and TLS, and the LISTs that bound how long a silent watch can
  blind the operator.
* **Memory.** Beside a few grids most of it is what any operator needs once it has worked.
"""
_FREE = ("list", "watch")


@dataclass(frozen=True)
class Delivery:
    """Kills and bare deliveries in turns; ns."""

    name: str
    grids: int
    kills: list[int]
    bares: list[int]

    @property
    def ratio(self) -> float:
        """p50 against bare."""
        return Distribution.of(self.kills).p50 / Distribution.of(self.bares).p50


@dataclass(frozen=True)
class Fleet:
    """Everything that one run has measured."""

    machine: dict[str, str]
    empty_rss: int
    """Bytes, of an operator without a grid."""
    deliveries: list[Delivery]
    growth: list[tuple[Idle, Delivery]]
    made: tuple[int, int, int]
    """Grids, ns until all children existed, ns of plain apply."""
    restart: Restart
    restart_size: int
    storms: list[Storm]
    storm_size: int
    storm_at_once: int
    idle: Idle

    def memory(self, idle: Idle) -> float:
        """KiB a grid."""
        return (idle.rss - self.empty_rss) / idle.grids / 1024

    def json(self) -> str:
        """All figures; times in ms where they are distributions, else in s."""
        found = {
            "machine": self.machine,
            "deliveries": [
                {"name": it.name, "grids": it.grids, "kill": _plain(it.kills), "bare": _plain(it.bares)}
                for it in [*self.deliveries, *(delivery for _, delivery in self.growth)]
            ],
            "growth": [asdict(idle) | {"kib_a_grid": round(self.memory(idle), 1)} for idle, _ in self.growth],
            "children": dict(
                zip(("grids", "operator_s", "plain_s"), (self.made[0], *_seconds(self.made[1:])), strict=True)
            ),
            "restart": asdict(self.restart) | {"grids": self.restart_size},
            "storms_ms": [{"kill": round(it.killed / 1e6, 1), "bare": round(it.bare / 1e6, 1)} for it in self.storms],
            "idle": asdict(self.idle),
        }
        return json.dumps(found, indent=2, ensure_ascii=False) + "\n"

    def page(self) -> str:
        """In Markdown."""
        counted = {name: rate for name, rate in self.idle.requests.items() if _counts(name)}
        return PAGE.format(
            machine="\n".join(f"| {name} | {value} |" for name, value in self.machine.items()),
            deliveries="\n".join(
                f"{_row(f'bare, {it.name}', it.bares)}\n{_row(it.name, it.kills)}" for it in self.deliveries
            ),
            storm=", ".join(f"{it.killed / 1e6:,.0f} ms ({it.bare / 1e6:,.0f})" for it in self.storms),
            storm_size=self.storm_size,
            storm_at_once=self.storm_at_once,
            sizes="; ".join(it.name for it in self.deliveries),
            ratios=", ".join(f"{it.ratio:.2f}" for it in self.deliveries),
            made=self.made[0],
            made_told="{:.2f} ({:.1f} s, plain {:.1f} s)".format(self.made[1] / self.made[2], *_seconds(self.made[1:])),
            restart_size=self.restart_size,
            leading=self.restart.leading,
            confirmed=self.restart.confirmed,
            restart_kill=self.restart.kill * 1e3,
            growth="\n".join(self._grown(idle) for idle, _ in self.growth),
            idle_size=self.idle.grids,
            requests=sum(counted.values()),
            by_resource=", ".join(f"{name} {rate:g}" for name, rate in counted.items()) or "none",
            picture=PICTURE,
        )

    def _grown(self, idle: Idle) -> str:
        budget = f"120 KiB, {max(0.02 * idle.grids, 1):.0f} %"
        found = f"{self.memory(idle):.0f} KiB, {idle.cpu:.1%}"
        return f"| memory a grid, idle CPU at {idle.grids:,} grids | {found} | {budget} |"

    def picture(self) -> str:
        """Growth, as SVG."""
        grids = [idle.grids for idle, _ in self.growth]
        kills = [Distribution.of(delivery.kills) for _, delivery in self.growth]
        bares = [Distribution.of(delivery.bares) for _, delivery in self.growth]
        return svg(
            grids,
            [
                Chart(
                    "kill, patch → PUT, ms",
                    [
                        Line("p50", [it.p50 for it in kills]),
                        Line("p99", [it.p99 for it in kills]),
                        Line("bare p50", [it.p50 for it in bares]),
                    ],
                ),
                Chart("memory a grid, KiB", [Line("RSS", [self.memory(idle) for idle, _ in self.growth])]),
                Chart("idle CPU, % of a core", [Line("operator", [100 * idle.cpu for idle, _ in self.growth])]),
            ],
        )


def _counts(name: str) -> bool:
    verb, resource = name.split(" ")
    return verb not in _FREE and resource != "leases"


def _plain(values: Sequence[int]) -> dict[str, float]:
    return asdict(Distribution.of(values))


def _seconds(values: Sequence[int]) -> list[float]:
    return [round(value / 1e9, 2) for value in values]


def _row(name: str, values: Sequence[int]) -> str:
    found = Distribution.of(values)
    return f"| {name} | {found.n} | {found.p50:.1f} | {found.p99:.1f} | {found.max:.1f} |"
