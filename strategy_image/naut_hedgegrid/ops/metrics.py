"""Prometheus metrics: figures of one snapshot, taken on the strategy's loop. A scrape touches nothing but that.

Written here in Prometheus' text format, version 0.0.4: the client library takes 4 ms for as many series, in which the
loop would neither trade nor take a kill. A name with its labels is put together once, a scrape adds the numbers.
"""

import math
from collections.abc import Iterator, Mapping
from typing import Any

from starlette.types import Receive, Scope, Send

from hedgegrid_api import __version__
from hedgegrid_api.types import Mode
from naut_hedgegrid.ops.catalogue import CATALOGUE, Definition, Kind, Series
from naut_hedgegrid.ops.figures import Snapshot, Values
from naut_hedgegrid.strategies.hedge_grid_v1.distribution import Observed

CONTENT_TYPE = b"text/plain; version=0.0.4; charset=utf-8"


class Exporter:
    """Metrics of one grid, and the ASGI app that serves them at `/metrics`."""

    def __init__(self, instrument_id: str, labels: Mapping[str, str] | None = None) -> None:
        """`labels` stand beside `instrument` on every metric."""
        self._labels = {"instrument": instrument_id, **(labels or {})}
        self._info: Values = {(__version__, Mode.SIM.value): 1.0}
        self._snapshot: Snapshot = {}
        self._heads = {definition.name: _head(definition) for definition in CATALOGUE}
        self._names: dict[tuple[str, Series, str], str] = {}

    def show(self, snapshot: Snapshot | None) -> None:
        """Export this snapshot from now on; None: nothing is known."""
        self._snapshot = snapshot or {}

    def text(self) -> str:
        """The metrics of the snapshot."""
        shown = {**self._snapshot, "info": self._info}
        lines: list[str] = []
        for definition in CATALOGUE:
            lines.append(self._heads[definition.name])
            lines.extend(self._samples(definition, shown.get(definition.name, {})))
        return "".join(lines)

    async def app(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002  a scrape has no body
        """Answer a scrape."""
        if scope["type"] != "http":
            return
        found = scope["path"] == "/metrics"
        allowed = scope["method"] in {"GET", "HEAD"}
        status = 404 if not found else 200 if allowed else 405
        body = self.text() if status == 200 else "metrics are at /metrics, by GET\n"
        content = body.encode()
        headers: list[Any] = [(b"content-type", CONTENT_TYPE), (b"content-length", str(len(content)).encode())]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else content})

    def _samples(self, definition: Definition, values: Values) -> Iterator[str]:
        if definition.kind is Kind.HISTOGRAM:
            for own, seen in values.items():
                if isinstance(seen, Observed):
                    yield from self._histogram(definition, own, seen)
            return
        for own in dict.fromkeys((*definition.series, *values)):
            yield f"{self._name(definition, own)} {_number(values.get(own, math.nan))}\n"

    def _histogram(self, definition: Definition, own: Series, seen: Observed) -> Iterator[str]:
        cumulated = seen.cumulated
        for bound, number in zip((*seen.bounds, math.inf), cumulated, strict=True):
            yield f"{self._name(definition, own, _number(bound))} {number}\n"
        if seen.bounds[0] >= 0:  # a sum that may fall is none that Prometheus can take a rate of
            yield f"{self._name(definition, own, '_sum')} {_number(seen.total)}\n"
            yield f"{self._name(definition, own, '_count')} {cumulated[-1]}\n"

    def _name(self, definition: Definition, own: Series, part: str = "") -> str:
        """Name and labels of a sample; `part` is a histogram's: a bucket's bound, `_sum` or `_count`."""
        key = (definition.name, own, part)
        found = self._names.get(key)
        if found is None:
            labels = {**self._labels, **dict(zip(definition.labels, own, strict=True))}
            suffix = part
            if part and not part.startswith("_"):
                labels["le"] = part
                suffix = "_bucket"
            pairs = ",".join(f'{name}="{_escaped(value)}"' for name, value in sorted(labels.items()))
            found = self._names[key] = f"{definition.exported}{suffix}{{{pairs}}}"
        return found


def _head(definition: Definition) -> str:
    text = definition.text.replace("\\", r"\\").replace("\n", r"\n")
    return f"# HELP {definition.exported} {text}\n# TYPE {definition.exported} {definition.kind}\n"


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")


def _number(value: float | Observed) -> str:
    if not isinstance(value, float) or math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    return repr(value)
