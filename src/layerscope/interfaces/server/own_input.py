"""The route by which a person's own input comes: an image file, or numbers as JSON."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from layerscope.core.errors import InputError, LayerscopeError
from layerscope.interfaces.page.subject import PageSubject
from layerscope.interfaces.page.wire import plain_json
from layerscope.interfaces.server.guard import LARGEST_UPLOAD

_LARGEST_JSON = 100_000

#: Computes something for a request, off the event loop.
Computed = Callable[[Request, Callable[[], bytes]], Awaitable[bytes]]


class TooLargeError(LayerscopeError):
    """What was sent is larger than is read."""

    status = 413


def input_routes(subject: PageSubject, computed: Computed) -> list[Route]:
    """Return the route of a person's own input."""

    async def take(request: Request) -> Response:
        words = request.query_params
        name, into = words.get("name", "input"), words.get("into", "")
        if into and not (into.isascii() and into.isdigit() and len(into) <= 12):
            raise InputError(f"into={into[:40]!r} is no number of a sample.")
        is_json = request.headers.get("content-type", "").partition(";")[0] == "application/json"
        data = await body_of(request, _LARGEST_JSON if is_json else LARGEST_UPLOAD)
        given = _numbers(data) if is_json else data
        number = int(into) if into else None

        def add() -> bytes:
            return plain_json(subject.add(given, name, number)).encode("ascii")

        return Response(await computed(request, add), media_type="application/json")

    return [Route("/api/input", take, methods=["POST"])]


async def body_of(request: Request, most: int) -> bytes:
    """Return what was sent; no more of it is read than is taken.

    Raises
    ------
    TooLargeError
        When it is larger.
    """
    length = request.headers.get("content-length", "0")
    if not length.isdigit() or int(length[:18]) > most:
        raise _too_large(most)
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size > most:
            raise _too_large(most)
        parts.append(part)
    return b"".join(parts)


def _too_large(most: int) -> TooLargeError:
    size = f"{most // 1_000_000} MB" if most >= 1_000_000 else f"{most // 1000} kB"
    return TooLargeError(f"This is too large: up to {size} are read.")


def _numbers(data: bytes) -> Any:
    try:
        sent = json.loads(data)
    except (ValueError, RecursionError):
        raise InputError("What was sent as JSON is none.") from None
    if not isinstance(sent, dict) or "numbers" not in sent:
        raise InputError('Numbers are sent as {"numbers": […]}.')
    return sent["numbers"]
