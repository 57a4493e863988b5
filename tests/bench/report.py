"""From measured moments to figures, and from figures to JSON and a page."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from tests.bench.backtest import Backtests
from tests.bench.delivery import Bare, Kill
from tests.bench.pod import Pod
from tests.bench.samples import Distribution
from tests.bench.startup import Start

PAGE = """# Benchmarks

Written by `make bench`; the same figures are in [benchmarks.json](benchmarks.json). Milliseconds, if nothing else is
said.

| the machine | |
|---|---|
{machine}

API server, etcd, controllers, operator, pod and all that measures share these cores. Compare what stands in one table,
not two machines.

## A kill, from patch to flat

| | n | p50 | p99 | largest |
|---|---|---|---|---|
{delivery}

* **From sending** counts from the moment at which the `PATCH` is sent, **from the answer** from its answer: the API
  server has stored it by then. Both patches change the same field of the same kind of object, by the same client, in
  turns.
* **bare**: a process that watches one HedgeGrid and sends one request over TLS for each new generation; nothing else.
* **received**: a recorder in front of the pod's API, and of the bare endpoint, reads the clock when a request's head
  has been parsed. It writes after the answer, and the shipped program runs behind it.
* **stored**: the pod has the kill on disk, by its own report. **flat**: the venue's last cancel or fill, by its book;
  a kill took {commands} commands to the venue (median), which answers at once (`latencyMs: 0`).
* PUT received, p50, from sending: **{ratio:.2f} times bare**; the operator adds {added:.1f} ms to a watch and a call.
  The answer and the watch's event leave the API server together, so from the answer bare is about 0, or below it.

## A grid, from apply to ready

| | n | p50 | p99 | largest |
|---|---|---|---|---|
{startup}

Seen by a plain watch. Memory: {pod_rss:.0f} MiB the strategy's process at its first order, {operator_rss:.0f} MiB the
operator's after the run.

## A strategy's process alone

{pod}

`python -m tests.bench --pod` measures this alone, without a cluster.

## A month of backtest

{backtest}

`python -m tests.bench --backtest` measures this alone, without a cluster.
"""


@dataclass(frozen=True)
class Results:
    """Everything that one run has measured."""

    machine: dict[str, str]
    bare: list[Bare]
    kills: list[Kill]
    starts: list[Start]
    operator_rss: int
    """Bytes."""
    pod: Pod
    backtest: Backtests

    def delivery(self) -> dict[str, Distribution]:
        """Rows of the first table."""
        bare, kills = self.bare, self.kills
        return {
            "bare, from sending: received": Distribution.of([found.received - found.sent for found in bare]),
            "kill, from sending: PUT /control received": Distribution.of([it.received - it.sent for it in kills]),
            "kill, from sending: stored in the pod": Distribution.of([it.stored - it.sent for it in kills]),
            "kill, from sending: flat at the venue": Distribution.of([it.flat - it.sent for it in kills]),
            "bare, from the answer: received": Distribution.of([found.received - found.answered for found in bare]),
            "kill, from the answer: PUT /control received": Distribution.of(
                [it.received - it.answered for it in kills]
            ),
            "kill, from the answer: flat at the venue": Distribution.of([it.flat - it.answered for it in kills]),
        }

    def startup(self) -> dict[str, Distribution]:
        """Rows of the second table."""
        return {
            "grid accepted → process started": Distribution.of([it.started - it.accepted for it in self.starts]),
            "process started → pod Ready": Distribution.of([it.ready - it.started for it in self.starts]),
            "grid accepted → first order at the venue": Distribution.of(
                [it.first_order - it.accepted for it in self.starts]
            ),
        }

    def comparison(self) -> tuple[float, float]:
        """PUT received, p50 from sending, against bare: how many times, and how many milliseconds more."""
        rows = self.delivery()
        kill, bare = rows["kill, from sending: PUT /control received"], rows["bare, from sending: received"]
        return kill.p50 / bare.p50, kill.p50 - bare.p50

    def json(self) -> str:
        """All figures."""
        ratio, added = self.comparison()
        found: dict[str, Any] = {
            "machine": self.machine,
            "milliseconds": {name: asdict(row) for name, row in (self.delivery() | self.startup()).items()},
            "received_p50_against_bare": {"times": round(ratio, 3), "more_milliseconds": round(added, 3)},
            "commands_median": _median([it.commands for it in self.kills]),
            "pod": self.pod.plain(),
            "backtest": self.backtest.plain(),
            "rss_bytes": {"operator": self.operator_rss, "pod": _median([it.rss for it in self.starts])},
        }
        return json.dumps(found, indent=2, ensure_ascii=False) + "\n"

    def page(self) -> str:
        """In Markdown."""
        ratio, added = self.comparison()
        return PAGE.format(
            machine="\n".join(f"| {name} | {value} |" for name, value in self.machine.items()),
            delivery=_rows(self.delivery()),
            startup=_rows(self.startup()),
            commands=_median([it.commands for it in self.kills]),
            ratio=ratio,
            added=added,
            pod_rss=_median([it.rss for it in self.starts]) / 2**20,
            operator_rss=self.operator_rss / 2**20,
            pod=self.pod.page(),
            backtest=self.backtest.page(),
        )


def _rows(rows: dict[str, Distribution]) -> str:
    return "\n".join(
        f"| {name} | {row.n} | {_shown(row.p50)} | {_shown(row.p99)} | {_shown(row.max)} |"
        for name, row in rows.items()
    )


def _shown(milliseconds: float) -> str:
    return f"{milliseconds:.1f}" if milliseconds < 100 else f"{milliseconds:.0f}"


def _median(values: Sequence[int]) -> int:
    return sorted(values)[len(values) // 2]
