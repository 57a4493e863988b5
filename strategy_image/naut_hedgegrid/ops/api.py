"""The control API: a FastAPI app over the strategy.

Every route is a coroutine and hops to the strategy's loop for what it reads or changes there; a route that FastAPI put
into a thread would abort the process. What leaves is plain data.
"""

from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, HTTPException, Request, Response, Security
from fastapi.security import APIKeyHeader
from pydantic import BaseModel
from starlette.types import ASGIApp

from hedgegrid_api import __version__
from hedgegrid_api.control import (
    Author,
    ControlDocument,
    ControlReport,
    FlattenRequest,
    Refusal,
    ResumeRequest,
    ThrottleRequest,
)
from naut_hedgegrid.ops import questions
from naut_hedgegrid.ops.answers import (
    Flattened,
    Health,
    Ladders,
    Liveness,
    Orders,
    Problem,
    Readiness,
    Status,
    Throttled,
)
from naut_hedgegrid.ops.audit import record
from naut_hedgegrid.ops.auth import ApiKeys, Caller, Role
from naut_hedgegrid.ops.failures import HANDLERS, unprocessable
from naut_hedgegrid.ops.guard import HEADER, Guard
from naut_hedgegrid.strategies.hedge_grid_v1.control import StaleDocumentError, UnknownLatchError
from naut_hedgegrid.strategies.hedge_grid_v1.strategy import HedgeGridV1

PUBLIC = frozenset({"/livez", "/readyz", "/docs", "/openapi.json"})
"""The probes ask for no key, and a browser can't send one."""
REQUIRED = {
    ("PUT", "/control"): Role.ADMIN,
    ("POST", "/resume"): Role.ADMIN,
    ("POST", "/flatten"): Role.TRADER,
    ("POST", "/throttle"): Role.TRADER,
}
"""Roles of what changes something; reading asks for a viewer."""

_KEY_REFUSALS: dict[int | str, dict[str, Any]] = {
    401: {"model": Problem, "description": "No valid key"},
    403: {"model": Problem, "description": "The key's role doesn't allow it"},
}


def control_api(strategy: HedgeGridV1, keys: ApiKeys | None = None, uid: str | None = None) -> ASGIApp:
    """The app, behind the keys if there are any. Documents of another object than `uid` are refused, if it is known."""
    app = FastAPI(
        title="HedgeGrid control API",
        version=__version__,
        redoc_url=None,
        redirect_slashes=False,
        exception_handlers=HANDLERS,
        dependencies=[Security(APIKeyHeader(name=HEADER, auto_error=False))] if keys is not None else [],
        responses=_KEY_REFUSALS if keys is not None else {},
    )
    _Routes(strategy, uid).add_to(app)
    return Guard(app, keys, REQUIRED, PUBLIC)


class _Routes:
    def __init__(self, strategy: HedgeGridV1, uid: str | None) -> None:
        self._strategy = strategy
        self._uid = uid
        self._asked: dict[str, Any] | None = None
        """What the newest document asks for, to tell a change from a repetition."""

    def add_to(self, app: FastAPI) -> None:
        """Register every route."""
        refusals: dict[int | str, dict[str, Any]] = {
            422: {"model": Problem, "description": "Not allowed; nothing was changed"}
        }
        stale = {409: {"model": Refusal, "description": "Another object's, or older than what the pod holds"}}
        unknown = {404: {"model": Problem, "description": "No such latch stands"}}
        app.get("/livez")(self.livez)
        app.get("/readyz", responses={503: {"model": Readiness}})(self.readyz)
        app.get("/health", responses={503: {"model": Health}})(self.health)
        app.get("/status")(self.status)
        app.get("/ladders", response_model_exclude_none=True)(self.ladders)
        app.get("/orders")(self.orders)
        app.get("/control", response_model=ControlReport)(self.read_control)
        app.put("/control", response_model=ControlReport, responses={**refusals, **stale})(self.put_control)
        app.post("/flatten", responses=refusals)(self.flatten)
        app.post("/throttle", responses=refusals)(self.throttle)
        app.post("/resume", response_model=ControlReport, responses={**refusals, **unknown})(self.resume)

    # -- reading

    async def livez(self) -> Liveness:
        """Does the event loop turn? An outage of the venue changes nothing here."""
        return await self._fetch(lambda _: Liveness(live=True))

    async def readyz(self, response: Response) -> Readiness:
        """Are orders and positions adopted, the venue connected, the data fresh? 503 with the reason otherwise."""
        answer = await self._fetch(questions.readiness)
        if not answer.ready:
            response.status_code = HTTPStatus.SERVICE_UNAVAILABLE
        return answer

    async def health(self, response: Response) -> Health:
        """Does the node run? 503 otherwise."""
        answer = await self._fetch(questions.health)
        if not answer.running:
            response.status_code = HTTPStatus.SERVICE_UNAVAILABLE
        return answer

    async def status(self) -> Status:
        """Positions, profit and controls."""
        return await self._fetch(questions.status)

    async def ladders(self) -> Ladders:
        """All rungs of both ladders as last computed; what rests is in `/orders`."""
        return await self._fetch(questions.ladders)

    async def orders(self) -> Orders:
        """Orders of this grid that aren't terminal."""
        return await self._fetch(questions.orders)

    async def read_control(self) -> Response:
        """The pod's whole state."""
        return _json(await self._fetch(HedgeGridV1.report))

    # -- changing

    async def put_control(self, document: ControlDocument, request: Request) -> Response:
        """Take the whole desired state; answers once it is stored and cancels are requested, never waits for fills."""
        return await self._strategy.port.run(lambda: self._put(document, _caller(request)))

    async def flatten(self, wanted: FlattenRequest, request: Request) -> Flattened:
        """Close `long`, `short` or `both` at once and hold it flat until it is resumed."""
        return await self._strategy.port.run(lambda: self._flatten(wanted, _caller(request)))

    async def throttle(self, wanted: ThrottleRequest, request: Request) -> Throttled:
        """Scale entries by 0 to 1; 1 ends it."""
        return await self._strategy.port.run(lambda: self._throttle(wanted, _caller(request)))

    async def resume(self, wanted: ResumeRequest, request: Request) -> Response:
        """Release what was flattened or tripped, by the id of its latch."""
        return await self._strategy.port.run(lambda: self._resume(wanted, _caller(request)))

    # -- on the strategy's loop

    async def _fetch[T](self, question: Callable[[HedgeGridV1], T]) -> T:
        return await self._strategy.port.fetch(lambda: question(self._strategy))

    async def _put(self, document: ControlDocument, caller: Caller) -> Response:
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
            record(
                "control",
                caller,
                what=what + deletion,
                result=f"generation {document.generation} holds, kill switch {report.kill_switch.state}",
                author=document.by,
            )
        return _json(report)

    def _refusal(self, reason: str, message: str) -> Response:
        return _json(Refusal(reason=reason, message=message, held=self._strategy.report()), HTTPStatus.CONFLICT)

    async def _flatten(self, wanted: FlattenRequest, caller: Caller) -> Flattened:
        try:
            answer = Flattened.model_validate(await self._strategy.flatten(wanted.side))
        except ValueError as error:
            raise unprocessable(f"{error}; nothing was changed") from error
        closing = ", ".join(f"{position.leg} {position.quantity}" for position in answer.closing_positions)
        ids = ", ".join(sorted(set(answer.operation_id.values())))
        record(
            "flatten",
            caller,
            what=wanted.side,
            result=f"{answer.cancelled_orders} orders being cancelled, closing {closing or 'nothing'}, operation {ids}",
            author=Author(reason=wanted.reason),
        )
        return answer

    async def _throttle(self, wanted: ThrottleRequest, caller: Caller) -> Throttled:
        effective = (await self._strategy.scale(wanted.throttle)).throttle
        acts = f"{effective.effective:g} acts, from {effective.source}"
        record("throttle", caller, what=f"{wanted.throttle:g}", result=acts)
        return Throttled(throttle=wanted.throttle, effective=effective.effective, source=effective.source)

    async def _resume(self, wanted: ResumeRequest, caller: Caller) -> Response:
        try:
            report = await self._strategy.resume(wanted.id, wanted.side)
        except UnknownLatchError as error:
            raise HTTPException(HTTPStatus.NOT_FOUND, str(error)) from error
        except ValueError as error:
            raise unprocessable(f"{error}; nothing was changed") from error
        record("resume", caller, what=f"{wanted.id} {wanted.side}", result=f"{report.kill_switch.effective} acts")
        return _json(report)


def _caller(request: Request) -> Caller:
    return request.state.caller


def _json(message: BaseModel, status: int = HTTPStatus.OK) -> Response:
    return Response(message.model_dump_json(by_alias=True), status, media_type="application/json")
