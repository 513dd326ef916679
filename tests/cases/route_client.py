"""Asks routes of the page without a server: one request at a time, in an event loop of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import httpx
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from layerscope.core.errors import LayerscopeError
from layerscope.interfaces.server.jobs import TooManyError
from layerscope.interfaces.server.own_input import TooLargeError


async def computed(request: Request, make: Callable[[], Any]) -> Any:
    """Compute beside the event loop."""
    return await run_in_threadpool(make)


async def _refused(request: Request, error: Exception) -> Response:
    status = {TooLargeError: 413, TooManyError: 503}.get(type(error), 422)  # as in app.py
    return JSONResponse({"error": str(error)}, status)


class RouteClient:
    """Whoever asks some routes."""

    def __init__(self, routes: Sequence[Route]) -> None:
        handlers: Any = {LayerscopeError: _refused}
        self._app = Starlette(routes=list(routes), exception_handlers=handlers)

    def get(self, path: str) -> httpx.Response:
        """Read what is at a path."""
        return asyncio.run(self._asked("GET", path))

    def post(self, path: str, **sent: Any) -> httpx.Response:
        """Send something; ``sent`` as httpx takes it."""
        return asyncio.run(self._asked("POST", path, **sent))

    async def _asked(self, method: str, path: str, **sent: Any) -> httpx.Response:
        transport = httpx.ASGITransport(self._app)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            return await client.request(method, path, **sent)


def error_of(response: httpx.Response, status: int = 422) -> str:
    """Return the sentence by which something was refused."""
    assert response.status_code == status, response.text
    sentence: str = response.json()["error"]
    assert "\n" not in sentence
    return sentence
