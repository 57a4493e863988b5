"""Bodies of requests and answers: JSON in UTF-8, and in a request nothing that passes for it.

Python's reader keeps the last of two equal names, guesses the encoding, and fails in its own ways on what nests too
deep or has numbers without end. A command to an account shall have one reading, so all of these are refused. NaN and
the infinities are left to the fields, which name themselves.
"""

import json
from collections.abc import Callable, Coroutine
from http import HTTPStatus
from typing import Any, override

from fastapi import Request, Response
from fastapi.routing import APIRoute
from pydantic import BaseModel

LARGEST_BODY = 256 * 1024
"""Bytes; the largest document is a few KiB."""
TOO_LARGE = f"the body has more than {LARGEST_BODY} bytes; nothing was changed"


class StrictRequest(Request):
    """A request whose body has one reading."""

    @override
    async def json(self) -> Any:
        """The body.

        Raises:
            json.JSONDecodeError: it isn't JSON, or has more than one reading.
        """
        return strict_json(await self.body())


class StrictRoute(APIRoute):
    """A route that reads bodies strictly."""

    @override
    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def handle_strictly(request: Request) -> Response:
            return await handle(StrictRequest(request.scope, request.receive))

        return handle_strictly


def strict_json(body: bytes) -> Any:
    """A value from JSON.

    Raises:
        json.JSONDecodeError: it isn't JSON in UTF-8, or names something twice, or is beyond what can be read.
    """
    try:
        text = body.decode()
        found = json.loads(text, object_pairs_hook=_no_repetition)
    except UnicodeDecodeError as error:
        raise _refused("it is not UTF-8") from error
    except RecursionError as error:
        raise _refused("it nests too deep") from error
    except json.JSONDecodeError:
        raise
    except ValueError as error:
        raise _refused("a number has too many digits") from error
    if "\\ud" in text.lower() and not _is_text(found):
        raise _refused("it has half of a surrogate pair, which is no character")
    return found


def _no_repetition(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise _refused(f"{shortened(twice)} stands there twice")
    return found


def _is_text(value: Any) -> bool:
    """Every string can be written: to the store, to a log, into an answer."""
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True


def _refused(why: str) -> json.JSONDecodeError:
    return json.JSONDecodeError(why, "", 0)


def shortened(value: object) -> str:
    """A value as it can stand in a sentence, at most 100 characters of it."""
    text = repr(value)
    return text if len(text) <= 100 else f"{text[:100]}…"


def as_json(message: BaseModel, status: int = HTTPStatus.OK) -> Response:
    """A message as the contract writes it."""
    return Response(message.model_dump_json(by_alias=True), status, media_type="application/json")
