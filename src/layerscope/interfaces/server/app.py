"""The routes of the local page."""

from __future__ import annotations

import gzip
import secrets
from collections.abc import Callable
from urllib.parse import urlencode

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from layerscope.core.errors import LayerscopeError
from layerscope.interfaces.page import assets
from layerscope.interfaces.page.html import page_html
from layerscope.interfaces.page.query import Query
from layerscope.interfaces.page.subject import PageSubject
from layerscope.interfaces.page.wire import MEDIA_TYPE, packed, plain_json, squeezed
from layerscope.interfaces.server.access import Access
from layerscope.interfaces.server.computations import Computations, GoneError
from layerscope.interfaces.server.guard import Guard, page_policy, refused
from layerscope.interfaces.server.jobs import Jobs
from layerscope.interfaces.server.kept import Answers
from layerscope.interfaces.server.own_input import Computed, input_routes
from layerscope.interfaces.server.unit_images import image_routes

_GONE = 499  #: the status of an answer that nobody reads any more


def page_app(
    subject: PageSubject, access: Access, computations: Computations, jobs: Jobs | None = None
) -> Guard:
    """Return the application that serves the page of a subject to whoever has access."""
    routes = [
        Route("/", _start),
        Route("/web/{name:path}", _file),
        *_of_subject(subject, computations),
        *input_routes(subject, _apart(computations)),
        *image_routes(subject, jobs or Jobs()),
    ]
    handlers = {
        LayerscopeError: _refusal,
        GoneError: _nobody,
        ClientDisconnect: _nobody,
        HTTPException: _no_route,
        Exception: _fault,
    }
    app = Starlette(routes=routes, exception_handlers=handlers)
    app.router.redirect_slashes = False
    return Guard(app, access)


def _apart(computations: Computations) -> Computed:
    """Return what computes for one request alone."""

    async def computed(request: Request, make: Callable[[], bytes]) -> bytes:
        return await computations.result(object(), make, request.receive)

    return computed


async def _start(request: Request) -> Response:
    nonce = secrets.token_urlsafe(16)
    return HTMLResponse(page_html(nonce), headers={"Content-Security-Policy": page_policy(nonce)})


async def _file(request: Request) -> Response:
    name = request.path_params["name"]
    if name not in assets.names():
        raise HTTPException(404)
    ending = name[name.rindex(".") :]
    return Response(assets.text(name), media_type=assets.MEDIA_TYPES[ending])


def _compressed(made: bytes, media_type: str) -> bytes:
    return squeezed(made) if media_type == MEDIA_TYPE else gzip.compress(made, 1)


def _of_subject(subject: PageSubject, computations: Computations) -> list[Route]:
    """Return the routes of what is computed: each answer is kept for the next who asks."""
    kept = Answers()

    async def answer(request: Request, make: Callable[[], bytes], media_type: str) -> Response:
        words = sorted(request.query_params.multi_items())
        address = f"{request.url.path}?{urlencode(words)}"
        generation = subject.generation
        data = kept.get(address, generation)
        if data is None:

            def computed() -> bytes:
                made = make()
                sent = _compressed(made, media_type) if made else made
                kept.put(address, generation, sent)
                return sent

            data = await computations.result((address, generation), computed, request.receive)
        if not data:
            return Response(status_code=204)
        headers = {"Vary": "Accept-Encoding"}
        if "gzip" in request.headers.get("accept-encoding", ""):
            headers["Content-Encoding"] = "gzip"
        else:
            data = gzip.decompress(data)
        return Response(data, media_type=media_type, headers=headers)

    async def outline(request: Request) -> Response:
        return await answer(
            request, lambda: plain_json(subject.outline()).encode("ascii"), "application/json"
        )

    async def changes(request: Request) -> Response:
        data = await computations.result(
            "changes", lambda: plain_json(subject.changes()).encode("ascii"), request.receive
        )
        return Response(data, media_type="application/json")

    async def provenance(request: Request) -> Response:
        words = dict(request.query_params)
        return await answer(
            request,
            lambda: plain_json(subject.provenance(Query.of(words))).encode("ascii"),
            "application/json",
        )

    async def panel(request: Request) -> Response:
        name, words = request.path_params["name"], dict(request.query_params)

        def make() -> bytes:
            made = subject.panel(name, words)
            return b"" if made is None else packed(made)

        return await answer(request, make, MEDIA_TYPE)

    return [
        Route("/api/outline", outline),
        Route("/api/changes", changes),
        Route("/api/provenance", provenance),
        Route("/api/panel/{name}", panel),
    ]


async def _refusal(request: Request, error: Exception) -> Response:
    """Return an error's sentence; those that are the server's own say their status."""
    return refused(request.url.path, getattr(error, "status", 422), str(error))


async def _nobody(request: Request, error: Exception) -> Response:
    return Response(status_code=_GONE)


async def _no_route(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 404
    return refused(request.url.path, status, "There is nothing of this kind on this page.")


async def _fault(request: Request, error: Exception) -> Response:
    sentence = "This is a fault of layerscope: where it was started, the terminal tells more."
    return refused(request.url.path, 500, sentence)
