"""``serve``: the page of a model or a recording, until it is stopped."""

from __future__ import annotations

import secrets
import socket
import threading

import uvicorn

from layerscope.interfaces.page.subject import PageSubject
from layerscope.interfaces.server.app import page_app


class Server:
    """A page that is being served; ``url`` opens it, :meth:`stop` ends it."""

    def __init__(self, subject: PageSubject, host: str = "127.0.0.1", port: int = 0) -> None:
        self.token = secrets.token_urlsafe(24)
        self._socket = socket.create_server((host, port))
        self.port = int(self._socket.getsockname()[1])
        self.url = f"http://{host}:{self.port}/?token={self.token}"
        config = uvicorn.Config(page_app(subject, self.token), log_level="warning", lifespan="off")
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._run, name="layerscope page", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        self._server.run(sockets=[self._socket])

    def stop(self) -> None:
        """End the server; the page no longer answers."""
        self._server.should_exit = True
        self._thread.join()
        self._socket.close()

    def wait(self) -> None:
        """Return when the server has ended."""
        while self._thread.is_alive():
            self._thread.join(0.5)

    def _repr_html_(self) -> str:
        return f'<a href="{self.url}">{self.url}</a>'

    def __repr__(self) -> str:
        return f"<layerscope.Server at {self.url}>"
