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
from naut_hedgegrid.ops.bodies import TOO_LARGE, shortened

log = logging.getLogger(__name__)


def unprocessable(sentence: str) -> HTTPException:
    """422: understood, but not allowed; nothing was changed."""
    return HTTPException(HTTPStatus.UNPROCESSABLE_ENTITY, sentence)


async def _invalid(request: Request, error: RequestValidationError) -> Response:
    return _answer(HTTPStatus.UNPROCESSABLE_ENTITY, _sentence(request, error.errors()))


async def _refused(request: Request, error: AnyHTTPException) -> Response:
    sentence, path = str(error.detail), request.url.path[:100]
    if sentence == HTTPStatus.NOT_FOUND.phrase:
        sentence = f"there is no {path} here; /docs lists the routes"
    elif error.status_code == HTTPStatus.CONTENT_TOO_LARGE:
        sentence = TOO_LARGE
    elif sentence == HTTPStatus.METHOD_NOT_ALLOWED.phrase:
        sentence = f"{path} doesn't take {request.method}; /docs lists the routes"
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
    first = errors[0]
    in_body = first["loc"][0] == "body"
    if in_body and not request.headers.get("content-type", "").startswith("application/json"):
        return "the body has to be JSON, sent with the header Content-Type: application/json; nothing was changed"
    if first["type"] == "json_invalid":
        place = f" at character {first['loc'][-1]}" if first["loc"][-1] else ""
        return f"the body is not JSON: {first['ctx']['error']}{place}; nothing was changed"
    places = [str(place) for place in first["loc"][1:]]
    field = ".".join(places) or "the body"
    found = "" if first["type"] == "missing" or not places else f", not {shortened(first['input'])}"
    more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
    return f"{field}: {first['msg']}{found}{more}{'; nothing was changed' if in_body else ''}"


def _answer(status: int, sentence: str, headers: Mapping[str, str] | None = None) -> Response:
    readable = sentence.encode(errors="replace").decode()  # a path may hold what is no character
    return JSONResponse(Problem(detail=readable).model_dump(), status, headers)
