"""A client of an ASGI application, without a socket: it sends what it is told, tidied by nobody."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote, urlencode


@dataclass
class Reply:
    """What an application answered."""

    status: int
    fields: list[tuple[str, str]]
    body: bytes

    @property
    def headers(self) -> dict[str, str]:
        """The headers by their names; of two with one name the last."""
        return dict(self.fields)

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode("utf-8")

    def json(self) -> Any:
        """Return the body as JSON has it."""
        return json.loads(self.body)


@dataclass
class Asker:
    """A browser, as far as cookies go."""

    app: Callable[..., Awaitable[None]]
    host: str = "127.0.0.1:8765"
    cookies: dict[str, str] = field(default_factory=dict)
    faults: list[Exception] = field(default_factory=list)  #: what a server would log

    @property
    def origin(self) -> str:
        """Where the page comes from."""
        return f"http://{self.host}"

    def get(self, path: str, **options: Any) -> Reply:
        """Send a GET."""
        return self.ask("GET", path, **options)

    def ask(self, method: str, path: str, **options: Any) -> Reply:
        """Send a request; return the whole answer."""
        return asyncio.run(self.asked(method, path, **options))

    async def asked(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | str = "",
        headers: Iterable[tuple[str, str]] | Mapping[str, str] = (),
        gone: asyncio.Event | None = None,
        body: bytes = b"",
        leaves: bool = False,
    ) -> Reply:
        """Send a request in this event loop; the client goes away when ``gone`` is set.

        One that ``leaves`` has not sent all that it was to send.
        """
        fields = list(headers.items() if isinstance(headers, Mapping) else headers)
        names = {name for name, _ in fields}
        if "host" not in names:
            fields.append(("host", self.host))
        if self.cookies and "cookie" not in names:
            jar = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
            fields.append(("cookie", jar))
        if method == "POST" and "content-length" not in names:
            fields.append(("content-length", str(len(body))))
        text = query if isinstance(query, str) else urlencode(query, errors="surrogatepass")
        scope = {
            "type": "http",
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": unquote(path),
            "raw_path": path.encode("ascii"),
            "root_path": "",
            "query_string": text.encode("ascii"),
            "headers": [(n.encode(), v.encode("utf-8", "replace")) for n, v in fields],
            "server": ("127.0.0.1", 8765),
            "client": ("127.0.0.1", 40_000),
        }
        sent: list[dict[str, Any]] = []
        waiting = [{"type": "http.request", "body": body, "more_body": leaves}]
        leaving = gone or asyncio.Event()
        if leaves:
            leaving.set()

        async def receive() -> dict[str, Any]:
            if waiting:
                return waiting.pop()
            await leaving.wait()
            return {"type": "http.disconnect"}

        async def send(message: dict[str, Any]) -> None:
            sent.append(message)

        try:
            await self.app(scope, receive, send)
        except Exception as error:  # noqa: BLE001  (a server logs it)
            self.faults.append(error)
        return self._taken(sent)

    def _taken(self, sent: list[dict[str, Any]]) -> Reply:
        start, *rest = sent
        fields = [(name.decode().lower(), value.decode()) for name, value in start["headers"]]
        for name, value in fields:
            if name == "set-cookie":
                cookie, _, secret = value.partition(";")[0].partition("=")
                self.cookies[cookie] = secret
        return Reply(start["status"], fields, b"".join(part.get("body", b"") for part in rest))
