"""Reads of the archive: history, fills and audit log, page by page.

They hold up neither the loop nor the writer: the archive has a thread of its own for them, and a page is written as
JSON in another one (a thousand periods take 40 ms). Neither touches the engine.
"""

import asyncio
import time
from concurrent.futures import Future
from datetime import datetime, timedelta
from http import HTTPStatus

from fastapi import HTTPException, Response

from naut_hedgegrid.domain.values import OrderFilled
from naut_hedgegrid.ops.bodies import as_json
from naut_hedgegrid.ops.failures import unprocessable
from naut_hedgegrid.ops.pages import EPOCH, Audit, AuditLine, Fill, Fills, History, Period, moment
from naut_hedgegrid.store.errors import StoreError
from naut_hedgegrid.store.protocol import Archive, AuditRecord, Page
from naut_hedgegrid.store.samples import Point, Resolution

PATIENCE_SECONDS = 5.0
"""A read may take this long."""
LARGEST_KEY = 2**63 - 1
"""The store's keys are 64 bits."""


class Records:
    """Answers from an archive."""

    def __init__(self, archive: Archive | None, owner: str) -> None:
        """`owner` is the grid's part of the client order ids."""
        self._archive = archive
        self._owner = owner

    async def history(
        self, resolution: Resolution, start: datetime | None, end: datetime | None, limit: int
    ) -> Response:
        """Periods that begin in [start, end), oldest first; without a start the newest ones before the end."""
        until = _nanoseconds(end) if end is not None else time.time_ns() + resolution.length
        since = _nanoseconds(start) if start is not None else max(0, until - limit * resolution.length)
        if since >= until:
            raise unprocessable(f"start {moment(since).isoformat()} is not before end {moment(until).isoformat()}")
        page = await _read(self._kept().history(resolution, since, until, limit))
        return await asyncio.to_thread(_history, resolution, page)

    async def fills(self, before: int | None, limit: int) -> Response:
        """Fills, newest first."""
        page = await _read(self._kept().fills(before, limit))
        return await asyncio.to_thread(_fills, page, self._owner)

    async def audit(self, before: int | None, limit: int) -> Response:
        """The audit log, newest first."""
        page = await _read(self._kept().audit(before, limit))
        return await asyncio.to_thread(_audit, page)

    def _kept(self) -> Archive:
        if self._archive is None:
            raise HTTPException(HTTPStatus.SERVICE_UNAVAILABLE, "this grid keeps no records: it runs without a store")
        return self._archive


def _history(resolution: Resolution, page: Page[Point]) -> Response:
    points = [Period.of(point) for point in page.items]
    following = None if page.next is None else moment(page.next)
    return as_json(History(resolution=resolution, points=points, next=following))


def _fills(page: Page[OrderFilled], owner: str) -> Response:
    return as_json(Fills(fills=[Fill.of(fill, owner) for fill in page.items], next=page.next))


def _audit(page: Page[AuditRecord]) -> Response:
    return as_json(Audit(entries=[AuditLine.of(record) for record in page.items], next=page.next))


async def _read[T](answer: Future[T]) -> T:
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            return await asyncio.shield(asyncio.wrap_future(answer))
    except StoreError as error:
        raise HTTPException(HTTPStatus.SERVICE_UNAVAILABLE, str(error)) from error
    except TimeoutError as error:
        sentence = f"the store has not answered for {PATIENCE_SECONDS:g} s"
        raise HTTPException(HTTPStatus.SERVICE_UNAVAILABLE, sentence) from error


def _nanoseconds(when: datetime) -> int:
    """Since the epoch, within what the store can compare."""
    return min(max((when - EPOCH) // timedelta(microseconds=1) * 1000, 0), LARGEST_KEY)
