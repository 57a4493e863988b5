"""Every failure of a request as one sentence in JSON."""

import logging
from collections.abc import Callable, Coroutine, Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import HTTPException, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException as AnyHTTPException

from naut_hedgegrid.ops.answers import Problem

log = logging.getLogger(__name__)


def unprocessable(sentence: str) -> HTTPException:
    """422: understood, but not allowed; nothing was changed."""
    return HTTPException(HTTPStatus.UNPROCESSABLE_ENTITY, sentence)


async def _invalid(request: Request, error: RequestValidationError) -> Response:
    return _answer(HTTPStatus.UNPROCESSABLE_ENTITY, _sentence(request, error.errors()))


async def _refused(request: Request, error: AnyHTTPException) -> Response:
    sentence = str(error.detail)
    if sentence == HTTPStatus.NOT_FOUND.phrase:
        sentence = f"there is no {request.url.path} here; /docs lists the routes"
    elif sentence == HTTPStatus.METHOD_NOT_ALLOWED.phrase:
        sentence = f"{request.url.path} doesn't take {request.method}; /docs lists the routes"
    return _answer(error.status_code, sentence, error.headers)


async def _failed(request: Request, error: Exception) -> Response:
    log.error("%s %s failed: %r", request.method, request.url.path, error, exc_info=error)
    return _answer(HTTPStatus.INTERNAL_SERVER_ERROR, "the request failed; the log says why")


HANDLERS: dict[int | type[Exception], Callable[[Request, Any], Coroutine[Any, Any, Response]]] = {
    RequestValidationError: _invalid,
    AnyHTTPException: _refused,
    Exception: _failed,
}
"""For `FastAPI(exception_handlers=…)`."""


def _sentence(request: Request, errors: Sequence[Any]) -> str:
    if not request.headers.get("content-type", "").startswith("application/json"):
        return "the body has to be JSON, sent with the header Content-Type: application/json"
    first = errors[0]
    if first["type"] == "json_invalid":
        return f"the body is not JSON: {first['ctx']['error']} at character {first['loc'][-1]}"
    places = [str(place) for place in first["loc"] if place != "body"]
    field = ".".join(places) or "the body"
    found = "" if first["type"] == "missing" or not places else f", not {first['input']!r}"
    more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
    return f"{field}: {first['msg']}{found}{more}; nothing was changed"


def _answer(status: int, sentence: str, headers: Mapping[str, str] | None = None) -> Response:
    return JSONResponse(Problem(detail=sentence).model_dump(), status, headers)
