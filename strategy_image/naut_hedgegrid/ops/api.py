"""The control API: a FastAPI app over the strategy.

Every route is a coroutine and hops to the strategy's loop for what it reads or changes there; a route that FastAPI put
into a thread would abort the process. What leaves is plain data.
"""

from collections.abc import Callable
from http import HTTPStatus
from typing import Annotated, Any, override

from fastapi import FastAPI, Query, Request, Response, Security
from fastapi.security import APIKeyHeader
from pydantic import AwareDatetime, BaseModel, WithJsonSchema
from starlette.types import ASGIApp

from hedgegrid_api import __version__
from hedgegrid_api.control import (
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
    Readiness,
    Status,
    Throttled,
)
from naut_hedgegrid.ops.auth import ApiKeys, Caller, Role
from naut_hedgegrid.ops.bodies import LARGEST_BODY, StrictRoute, as_json
from naut_hedgegrid.ops.described import ABOUT, TAGS, Tag, answers, exemplify
from naut_hedgegrid.ops.failures import HANDLERS
from naut_hedgegrid.ops.guard import HEADER, Guard
from naut_hedgegrid.ops.operations import Operations
from naut_hedgegrid.ops.pages import Audit, Fills, History
from naut_hedgegrid.ops.records import LARGEST_KEY, Records
from naut_hedgegrid.store.protocol import LARGEST_PAGE
from naut_hedgegrid.store.samples import Resolution
from naut_hedgegrid.strategies.hedge_grid_v1.strategy import HedgeGridV1

PUBLIC = frozenset({"/livez", "/readyz", "/docs", "/openapi.json"})
"""The probes ask for no key, and a browser can't send one."""
REQUIRED = {
    ("GET", "/audit"): Role.ADMIN,
    ("PUT", "/control"): Role.ADMIN,
    ("POST", "/resume"): Role.ADMIN,
    ("POST", "/flatten"): Role.TRADER,
    ("POST", "/throttle"): Role.TRADER,
}
"""Roles of what asks for more than a viewer."""

type _Time = Annotated[
    AwareDatetime,
    WithJsonSchema({"anyOf": [{"type": "string", "format": "date-time"}, {"type": "number"}]}),
]
"""ISO 8601 with a time zone, or seconds since the epoch."""
type _Before = Annotated[int | None, Query(ge=1, le=LARGEST_KEY, description="Cursor: `next` of the page before")]
type _Limit = Annotated[int, Query(ge=1, le=LARGEST_PAGE, description="Lines in a page")]


def control_api(strategy: HedgeGridV1, keys: ApiKeys | None = None, uid: str | None = None) -> ASGIApp:
    """The app, behind the keys if there are any. Documents of another object than `uid` are refused, if it is known."""
    app = _App(
        title="HedgeGrid control API",
        version=__version__,
        description=ABOUT,
        openapi_tags=TAGS,
        redoc_url=None,
        redirect_slashes=False,
        max_body_size=LARGEST_BODY,
        exception_handlers=HANDLERS,
    )
    app.router.route_class = StrictRoute
    _Routes(app, strategy, uid, keyed=keys is not None).add()
    return Guard(app, keys, REQUIRED, PUBLIC)


class _App(FastAPI):
    @override
    def openapi(self) -> dict[str, Any]:
        if self.openapi_schema is None:
            exemplify(super().openapi())
        return super().openapi()


class _Routes:
    def __init__(self, app: FastAPI, strategy: HedgeGridV1, uid: str | None, *, keyed: bool) -> None:
        self._app = app
        self._strategy = strategy
        self._operations = Operations(strategy, uid)
        self._records = Records(strategy.archive, strategy.owner)
        self._keyed = keyed

    def add(self) -> None:
        """Register every route."""
        self._add("GET", "/livez", self.livez, Liveness, Tag.PROBES)
        self._add("GET", "/readyz", self.readyz, Readiness, Tag.PROBES, {503: Readiness})
        self._add("GET", "/health", self.health, Health, Tag.PROBES, {503: Health})
        self._add("GET", "/status", self.status, Status, Tag.STATE)
        self._add("GET", "/ladders", self.ladders, Ladders, Tag.STATE, response_model_exclude_none=True)
        self._add("GET", "/orders", self.orders, Orders, Tag.STATE)
        self._add("GET", "/history", self.history, History, Tag.RECORDS)
        self._add("GET", "/fills", self.fills, Fills, Tag.RECORDS)
        self._add("GET", "/audit", self.audit, Audit, Tag.RECORDS)
        self._add("GET", "/control", self.read_control, ControlReport, Tag.CONTROL)
        self._add("PUT", "/control", self.put_control, ControlReport, Tag.CONTROL, {409: Refusal})
        self._add("POST", "/flatten", self.flatten, Flattened, Tag.CONTROL)
        self._add("POST", "/throttle", self.throttle, Throttled, Tag.CONTROL)
        self._add("POST", "/resume", self.resume, ControlReport, Tag.CONTROL)

    def _add(
        self,
        verb: str,
        path: str,
        endpoint: Callable[..., Any],
        model: type[BaseModel],
        tag: Tag,
        others: dict[int, type[BaseModel]] | None = None,
        **options: Any,
    ) -> None:
        """One route; its answers are those that it has examples of. `others` are the models that are no `Problem`."""
        locked = self._keyed and path not in PUBLIC
        self._app.add_api_route(
            path,
            endpoint,
            methods=[verb],
            tags=[tag],
            response_model=model,
            responses=answers(verb, path, others or {}, locked=locked),
            dependencies=[Security(APIKeyHeader(name=HEADER, auto_error=False))] if locked else None,
            **options,
        )

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
        return as_json(await self._fetch(HedgeGridV1.report))

    # -- what was

    async def history(
        self,
        resolution: Annotated[Resolution, Query(description="Length of a period")] = Resolution.TEN_SECONDS,
        start: Annotated[_Time | None, Query(description="Periods that begin at this time or later")] = None,
        end: Annotated[_Time | None, Query(description="Periods that begin before this time")] = None,
        limit: Annotated[int, Query(ge=1, le=LARGEST_PAGE, description="Periods in a page")] = 60,
    ) -> Response:
        """The grid's figures over time, oldest first; without `start` the newest ones before `end`.

        Times are ISO 8601 with a time zone, or seconds since the epoch."""
        return await self._records.history(resolution, start, end, limit)

    async def fills(self, before: _Before = None, limit: _Limit = 100) -> Response:
        """Fills, newest first."""
        return await self._records.fills(before, limit)

    async def audit(self, before: _Before = None, limit: _Limit = 100) -> Response:
        """Who has done what, why, and what came of it; newest first."""
        return await self._records.audit(before, limit)

    # -- changing

    async def put_control(self, document: ControlDocument, request: Request) -> Response:
        """Take the whole desired state; answers once it is stored and cancels are requested, never waits for fills."""
        return await self._strategy.port.run(lambda: self._operations.put(document, _caller(request)))

    async def flatten(self, wanted: FlattenRequest, request: Request) -> Flattened:
        """Close `long`, `short` or `both` at once and hold it flat until it is resumed; again changes nothing."""
        return await self._strategy.port.run(lambda: self._operations.flatten(wanted, _caller(request)))

    async def throttle(self, wanted: ThrottleRequest, request: Request) -> Throttled:
        """Scale entries by 0 to 1; 1 ends it."""
        return await self._strategy.port.run(lambda: self._operations.throttle(wanted, _caller(request)))

    async def resume(self, wanted: ResumeRequest, request: Request) -> Response:
        """Release what was flattened or tripped, by the id of its latch."""
        return await self._strategy.port.run(lambda: self._operations.resume(wanted, _caller(request)))

    # -- on the strategy's loop

    async def _fetch[T](self, question: Callable[[HedgeGridV1], T]) -> T:
        return await self._strategy.port.fetch(lambda: question(self._strategy))


def _caller(request: Request) -> Caller:
    return request.state.caller
