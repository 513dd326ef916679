"""The routes of the local page."""

from __future__ import annotations

import gzip
import secrets
from collections import OrderedDict

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from layerscope.core.errors import LayerscopeError
from layerscope.interfaces.page import assets
from layerscope.interfaces.page.html import page_html
from layerscope.interfaces.page.subject import PageSubject
from layerscope.interfaces.page.wire import MEDIA_TYPE, packed, plain_json

_COOKIE = "layerscope"
_KEPT_BYTES = 128_000_000  #: of panels, packed and compressed
_LARGEST_UPLOAD = 32_000_000


class Answers:
    """What was sent for a query, kept for the next who asks; those not asked for longest go."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[str, ...], bytes] = OrderedDict()
        self._bytes = 0

    def get(self, key: tuple[str, ...]) -> bytes | None:
        """Return what was sent; None where it is not kept."""
        if key in self._kept:
            self._kept.move_to_end(key)
        return self._kept.get(key)

    def put(self, key: tuple[str, ...], data: bytes) -> None:
        """Keep what is sent."""
        self._bytes += len(data) - len(self._kept.pop(key, b""))
        self._kept[key] = data
        while self._bytes > _KEPT_BYTES:
            _, gone = self._kept.popitem(last=False)
            self._bytes -= len(gone)


def page_app(subject: PageSubject, token: str) -> Starlette:
    """Return the application that serves the page of a subject to whoever has the token."""
    kept = Answers()

    def allowed(request: Request) -> bool:
        given = request.cookies.get(_COOKIE, "")
        return secrets.compare_digest(given.encode(), token.encode())

    async def start(request: Request) -> Response:
        given = request.query_params.get("token")
        if given is not None and secrets.compare_digest(given.encode(), token.encode()):
            response: Response = RedirectResponse("/", 303)
            response.set_cookie(_COOKIE, token, httponly=True, samesite="strict", path="/")
            return response
        if not allowed(request):
            return PlainTextResponse("Open the whole address that layerscope printed.", 403)
        nonce = secrets.token_urlsafe(16)
        return Response(page_html(nonce), media_type="text/html", headers=_policy(nonce))

    async def file(request: Request) -> Response:
        if not allowed(request):
            return PlainTextResponse("", 403)
        name = request.path_params["name"]
        if name not in assets.names():
            return PlainTextResponse("", 404)
        ending = name[name.rindex(".") :]
        return Response(assets.text(name), media_type=assets.MEDIA_TYPES[ending])

    async def outline(request: Request) -> Response:
        if not allowed(request):
            return PlainTextResponse("", 403)
        try:
            outlined = await run_in_threadpool(subject.outline)
        except LayerscopeError as error:
            return JSONResponse({"error": str(error)}, 422)
        return Response(plain_json(outlined), media_type="application/json")

    async def changes(request: Request) -> Response:
        if not allowed(request):
            return PlainTextResponse("", 403)
        seen = await run_in_threadpool(subject.changes)
        headers = {"Cache-Control": "no-store"}
        return Response(plain_json(seen), media_type="application/json", headers=headers)

    async def panel(request: Request) -> Response:
        if not allowed(request):
            return PlainTextResponse("", 403)
        name, words = request.path_params["name"], dict(request.query_params)
        key = (str(subject.generation), name, *(f"{k}={v}" for k, v in sorted(words.items())))
        data = kept.get(key)
        if data is None:
            try:
                made = await run_in_threadpool(subject.panel, name, words)
            except LayerscopeError as error:
                return JSONResponse({"error": str(error)}, 422)
            if made is None:
                return Response(status_code=204)
            data = await run_in_threadpool(lambda: gzip.compress(packed(made), 1))
            kept.put(key, data)
        headers = {"Content-Encoding": "gzip", "Cache-Control": "no-store"}
        return Response(data, media_type=MEDIA_TYPE, headers=headers)

    routes = [
        Route("/", start),
        Route("/web/{name:path}", file),
        Route("/api/outline", outline),
        Route("/api/changes", changes),
        Route("/api/panel/{name}", panel),
    ]
    return Starlette(routes=routes)


def _policy(nonce: str) -> dict[str, str]:
    return {
        "Content-Security-Policy": (
            f"default-src 'none'; script-src 'self' 'nonce-{nonce}'; style-src 'self'; "
            "img-src 'self' data: blob:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
            "frame-ancestors 'none'"
        ),
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "no-store",
    }
