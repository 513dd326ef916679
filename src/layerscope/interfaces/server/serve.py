"""``Server``: the page of a model or a recording, until it is stopped."""

from __future__ import annotations

import atexit
import errno
import socket
import threading
from contextlib import suppress
from types import TracebackType

import uvicorn

from layerscope.core.errors import InputError
from layerscope.interfaces.page.subject import PageSubject
from layerscope.interfaces.server.access import Access, is_loopback, reachable, written
from layerscope.interfaces.server.app import page_app
from layerscope.interfaces.server.computations import Computations
from layerscope.interfaces.server.jobs import Jobs

_MOST_CONNECTIONS = 1_000
_HEADER_BYTES = 64_000
_LONGEST_END = 5.0  #: seconds that the end waits for an image that is being made


class Server:
    """A page that is being served; ``url`` opens it, :meth:`stop` ends it.

    It ends with its process, too, and with the ``with`` block that it is opened by.
    """

    def __init__(
        self,
        subject: PageSubject,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        allow_remote: bool = False,
    ) -> None:
        self._socket = _listening(host, port, allow_remote)
        self._end = self._socket.dup()
        self.host, self.port = host, int(self._socket.getsockname()[1])
        self._access = Access(host)
        self._computations = Computations()
        self._jobs = Jobs()
        app = page_app(subject, self._access, self._computations, self._jobs)
        self._server = uvicorn.Server(_config(app))
        self._thread = threading.Thread(target=self._run, name="layerscope page", daemon=True)
        self._stopping = threading.Lock()
        # Not the thread's own end: one whose join was interrupted counts as ended in Python 3.11.
        self._ended = threading.Event()
        self._thread.start()
        atexit.register(self.stop)

    @property
    def url(self) -> str:
        """The whole address, with the token that lets in."""
        return self._address(self._access.token)

    def url_for_once(self) -> str:
        """Return an address that lets in whoever opens it first: to start a browser with."""
        return self._address(self._access.token_for_once())

    @property
    def running(self) -> bool:
        """Whether the page answers."""
        return not self._ended.is_set()

    def stop(self) -> None:
        """End the server: the page no longer answers. What has ended already stays so."""
        with self._stopping:
            self._server.should_exit = True
            self._computations.end()
            self._jobs.end()
            self._ended.wait()
            self._thread.join()
            self._stop_listening()
            self._computations.wait()
            self._jobs.join(_LONGEST_END)
            atexit.unregister(self.stop)

    def wait(self) -> None:
        """Return when the server has ended."""
        while not self._ended.wait(0.5):  # who waits for longer is not interrupted everywhere
            pass

    def __enter__(self) -> Server:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def _stop_listening(self) -> None:
        """Close the port, also where a process that was forked meanwhile holds it, too."""
        with suppress(OSError):  # it was stopped before, or not everything can be shut down
            self._end.shutdown(socket.SHUT_RDWR)
        self._end.close()
        self._socket.close()

    def _run(self) -> None:
        try:
            self._server.run(sockets=[self._socket])
        finally:
            self._ended.set()

    def _address(self, token: str) -> str:
        return f"http://{reachable(self.host)}:{self.port}/?token={token}"

    def _repr_html_(self) -> str:
        return f'<a href="{self.url}" target="_blank" rel="noopener">{self.url}</a>'

    def __repr__(self) -> str:
        return f"<layerscope.Server {self.url if self.running else '(stopped)'}>"


def _config(app: object) -> uvicorn.Config:
    """Return how the server runs: quietly, for its own page, without what it does not need."""
    return uvicorn.Config(
        app,  # type: ignore[arg-type]
        loop="asyncio",
        http="h11",
        ws="none",
        lifespan="off",
        log_config=None,  # logging belongs to the process
        access_log=False,  # addresses hold the token
        proxy_headers=False,
        server_header=False,
        limit_concurrency=_MOST_CONNECTIONS,
        h11_max_incomplete_event_size=_HEADER_BYTES,
        timeout_graceful_shutdown=2,
    )


def _listening(host: str, port: int, allow_remote: bool) -> socket.socket:
    if not isinstance(host, str) or not host:
        raise InputError(f"host={host!r}: pass the name or address to listen at.")
    if isinstance(port, bool) or not isinstance(port, int) or not 0 <= port <= 65_535:
        raise InputError(f"port={port!r}: pass a whole number to 65535, or 0 for any free one.")
    if not is_loopback(host) and not allow_remote:
        raise InputError(
            f"At host {host!r} others on the network reach this page: whoever has its address, "
            "which travels unencrypted, sees the model and makes this machine compute. Where that "
            "is meant, pass allow_remote=True (--allow-remote)."
        )
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        return socket.create_server(address[:2], family=family)
    except (OSError, UnicodeError) as error:
        raise InputError(_no_place(host, port, error)) from error


def _no_place(host: str, port: int, error: OSError | UnicodeError) -> str:
    if isinstance(error, OSError) and error.errno == errno.EADDRINUSE:
        return f"Port {port} is taken: pass another, or 0 for any free one."
    why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return f"The page can't be served at {written(host)}:{port}: {why}."
