"""The operations that change something: carried out on the strategy's loop, each with its line in the audit log."""

from http import HTTPStatus
from typing import Any

from fastapi import HTTPException, Response

from hedgegrid_api.control import (
    Author,
    ControlDocument,
    FlattenRequest,
    Refusal,
    ResumeRequest,
    ThrottleRequest,
)
from hedgegrid_api.types import Source
from naut_hedgegrid.ops.answers import Flattened, Throttled
from naut_hedgegrid.ops.audit import AuditLog
from naut_hedgegrid.ops.auth import Caller
from naut_hedgegrid.ops.bodies import as_json
from naut_hedgegrid.ops.failures import unprocessable
from naut_hedgegrid.strategies.hedge_grid_v1.control import StaleDocumentError, UnknownLatchError
from naut_hedgegrid.strategies.hedge_grid_v1.strategy import HedgeGridV1

LONGEST_REASON = 1_000
"""Characters of a reason that the audit log keeps; a longer one keeps no command from being carried out."""


class Operations:
    """Called on the strategy's loop."""

    def __init__(self, strategy: HedgeGridV1, uid: str | None) -> None:
        """Documents of another object than `uid` are refused, if it is known."""
        self._strategy = strategy
        self._audit = AuditLog(strategy.archive)
        self._uid = uid
        self._asked: dict[str, Any] | None = None
        """What the newest document asks for, to tell a change from a repetition."""

    async def put(self, document: ControlDocument, caller: Caller) -> Response:
        """Take a control document."""
        if self._uid is not None and document.uid != self._uid:
            return self._refusal("uid", f"this pod belongs to the HedgeGrid with uid {self._uid}, not {document.uid}")
        try:
            report = await self._strategy.apply(document)
        except StaleDocumentError as error:
            return self._refusal(error.reason, str(error))
        asked = document.model_dump(mode="json", by_alias=True, exclude={"uid", "generation", "epoch", "by"})
        if asked != self._asked:
            self._asked = asked
            what = f"killSwitch={document.kill_switch} throttle={document.throttle:g} rearm={document.rearm}"
            deletion = f" deletion={document.deletion}" if document.deletion != "none" else ""
            self._audit.record(
                "control",
                caller,
                what=what + deletion,
                result=f"generation {document.generation} holds, kill switch {report.kill_switch.state}",
                author=document.by,
            )
        return as_json(report)

    async def flatten(self, wanted: FlattenRequest, caller: Caller) -> Flattened:
        """Flatten legs and hold them flat."""
        try:
            answer = Flattened.model_validate(await self._strategy.flatten(wanted.side))
        except ValueError as error:
            raise unprocessable(f"{error}; nothing was changed") from error
        closing = ", ".join(f"{position.leg} {position.quantity}" for position in answer.closing_positions)
        ids = ", ".join(sorted(set(answer.operation_id.values())))
        self._audit.record(
            "flatten",
            caller,
            what=wanted.side,
            result=f"{answer.cancelled_orders} orders being cancelled, closing {closing or 'nothing'}, operation {ids}",
            author=Author(reason=wanted.reason and wanted.reason[:LONGEST_REASON]),
        )
        return answer

    async def throttle(self, wanted: ThrottleRequest, caller: Caller) -> Throttled:
        """Scale entries."""
        effective = (await self._strategy.scale(wanted.throttle)).throttle
        acts = f"{effective.effective:g} acts, from {effective.source}"
        self._audit.record("throttle", caller, what=f"{wanted.throttle:g}", result=acts)
        # A report of our own always names one; only another version's may be one that isn't known here.
        source = effective.source or Source.SPEC
        return Throttled(throttle=wanted.throttle, effective=effective.effective, source=source)

    async def resume(self, wanted: ResumeRequest, caller: Caller) -> Response:
        """Release a latch."""
        try:
            report = await self._strategy.resume(wanted.id, wanted.side)
        except UnknownLatchError as error:
            raise HTTPException(HTTPStatus.NOT_FOUND, str(error)) from error
        except ValueError as error:
            raise unprocessable(f"{error}; nothing was changed") from error
        self._audit.record(
            "resume", caller, what=f"{wanted.id} {wanted.side}", result=f"{report.kill_switch.effective} acts"
        )
        return as_json(report)

    def _refusal(self, reason: str, message: str) -> Response:
        return as_json(Refusal(reason=reason, message=message, held=self._strategy.report()), HTTPStatus.CONFLICT)
