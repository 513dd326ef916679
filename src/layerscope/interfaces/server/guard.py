"""What stands before every route: who is let in, how much may be sent, what answers carry."""

from __future__ import annotations

import secrets
from urllib.parse import parse_qs

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from layerscope.interfaces.page.wire import plain_json
from layerscope.interfaces.server.access import Access

LARGEST_UPLOAD = 32_000_000  #: bytes
_LONGEST_ADDRESS = 16_000  #: bytes of path and query
_UPLOADS = 4  #: that are taken at once

#: What every answer carries, unless its route says otherwise.
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(self), microphone=(), geolocation=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cache-Control": "no-store",
}


def page_policy(nonce: str) -> str:
    """Return what the page may load and run: its own files, and scripts with the nonce."""
    return (
        f"default-src 'none'; script-src 'self' 'nonce-{nonce}'; style-src 'self'; "
        "img-src 'self' data: blob:; media-src 'self' blob:; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )


def refused(path: str, status: int, sentence: str) -> Response:
    """Return an answer that says why there is none: a person reads it, or the page does."""
    if path.startswith("/api/"):
        text = plain_json({"error": sentence})
        return Response(text, status, media_type="application/json")
    return PlainTextResponse(sentence + "\n", status)


class Guard:
    """Hands on to an application what comes from its own page; all else is refused here."""

    def __init__(self, app: ASGIApp, access: Access) -> None:
        self._app = app
        self._access = access
        self._uploads = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse a request, let a browser in, or hand on what it asks."""
        if scope["type"] != "http":
            if scope["type"] == "websocket":
                await send({"type": "websocket.close", "code": 1008})
            return
        marked = _marking(send)
        headers = Headers(scope=scope)
        answer = self._answer(scope, headers)
        if answer is not None:
            await answer(scope, receive, marked)
        elif scope["method"] == "POST":
            await self._upload(scope, receive, marked)
        else:
            await self._app(scope, receive, marked)

    async def _upload(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._uploads >= _UPLOADS:
            busy = refused(scope["path"], 503, "Other input is being read: try again in a moment.")
            await busy(scope, receive, send)
            return
        self._uploads += 1
        try:
            await self._app(scope, receive, send)
        finally:
            self._uploads -= 1

    def _answer(self, scope: Scope, headers: Headers) -> Response | None:
        """Return the answer to a request that is not handed on, or None."""
        path, method = scope["path"], scope["method"]
        hosts = headers.getlist("host")
        if len(hosts) != 1 or not self._access.answers_to(hosts[0]):
            return refused(path, 403, "This server has another name: open the address it printed.")
        if method not in ("GET", "HEAD", "POST"):
            answer = refused(path, 405, "The page is read with GET, and asked with POST.")
            answer.headers["Allow"] = "GET, HEAD, POST"
            return answer
        if len(scope["query_string"]) + len(scope.get("raw_path") or b"") > _LONGEST_ADDRESS:
            return refused(path, 414, "This address is too long.")
        if not _from_here(headers, hosts[0], method, path):
            return refused(path, 403, "This was asked by another page than layerscope's own.")
        known = self._access.knows(headers)
        if path == "/" and method == "GET" and scope["query_string"]:
            return self._let_in(scope, headers, known)
        if not known:
            return refused(path, 403, "Open the whole address that layerscope printed.")
        return _too_much(path, headers) if method == "POST" else None

    def _let_in(self, scope: Scope, headers: Headers, known: bool) -> Response:
        """Return what sets the cookie, for an address that holds a token."""
        query = parse_qs(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        given = query.get("token", [])
        if not known and (len(given) != 1 or not self._access.admits(given[0])):
            return refused("/", 403, "This is no token: open the whole address that was printed.")
        elsewhere = headers.get("sec-fetch-site", "none") == "cross-site"
        answer = _onward() if elsewhere else RedirectResponse("/", 303)
        answer.headers["Set-Cookie"] = self._access.cookie(headers["host"])
        return answer


def _onward() -> Response:
    """Return what leads to the page by a step of its own.

    A browser that comes from elsewhere sends no strict cookie along a redirection.
    """
    nonce = secrets.token_urlsafe(16)
    return HTMLResponse(
        "<!doctype html><title>layerscope</title>"
        f'<script nonce="{nonce}">location.replace("/" + location.hash)</script>',
        headers={"Content-Security-Policy": f"default-src 'none'; script-src 'nonce-{nonce}'"},
    )


def _from_here(headers: Headers, host: str, method: str, path: str) -> bool:
    """Return whether a request comes from the page itself, or from nobody's page.

    Browsers say where a request comes from; where they say nothing, the cookie decides. Others may
    lead to the page's start.
    """
    origins = headers.getlist("origin")
    if origins:
        return origins == [f"http://{host}"]
    if method == "POST":
        return False
    leads = path == "/" and headers.get("sec-fetch-mode", "navigate") == "navigate"
    return leads or headers.get("sec-fetch-site", "none") in ("same-origin", "none")


def _too_much(path: str, headers: Headers) -> Response | None:
    """Return the refusal of what is too large to be read, or does not say how large it is."""
    length = headers.get("content-length", "")
    if not (length.isascii() and length.isdigit()) or "transfer-encoding" in headers:
        return refused(path, 411, "What is sent must say its length.")
    if len(length) > 12 or int(length) > LARGEST_UPLOAD:
        most = f"{LARGEST_UPLOAD // 1_000_000} MB"
        return refused(path, 413, f"This is too large: the page takes up to {most} at once.")
    return None


def _marking(send: Send) -> Send:
    """Return ``send`` that adds what every answer carries."""

    async def marked(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(raw=message.setdefault("headers", []))
            for name, value in _HEADERS.items():
                headers.setdefault(name, value)
        await send(message)

    return marked
