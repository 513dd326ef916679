"""Who may ask for the page: the token that lets a browser in, and the names of this machine."""

from __future__ import annotations

import ipaddress
import re
import secrets
import socket
from collections.abc import Mapping

from starlette.requests import cookie_parser

_HOST = re.compile(r"(\[[0-9A-Fa-f:.]{2,45}\]|[A-Za-z0-9_.-]{1,253})(?::([0-9]{1,5}))?")
_LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
_EVERYWHERE = ("0.0.0.0", "::")


def is_loopback(host: str) -> bool:
    """Return whether only this machine can reach a server that listens at this host."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def written(host: str) -> str:
    """Return a host as an address has it: that of IPv6 in brackets."""
    return f"[{host}]" if ":" in host else host


def reachable(host: str) -> str:
    """Return the name by which others reach a server that listens at this host."""
    return written(socket.gethostname() if host in _EVERYWHERE else host)


class Access:
    """The secrets of one server, and by which names it may be asked.

    ``token`` lets in whoever opens the address that holds it, as often as they like, as long as the
    server runs. A browser that was let in has a cookie, which holds another secret and is named by
    the port at which the browser sees the server: browsers share cookies among all ports of a host,
    so two servers would overwrite each other's.
    """

    def __init__(self, host: str = "127.0.0.1") -> None:
        self.token = secrets.token_urlsafe(24)
        self._session = secrets.token_urlsafe(24)
        self._once: set[str] = set()
        self._anywhere = host in _EVERYWHERE
        named = (reachable(host), f"{socket.gethostname()}.local") if self._anywhere else ()
        self._names = {name.lower() for name in (*_LOOPBACK, written(host), *named)}

    def token_for_once(self) -> str:
        """Return a token that lets in whoever uses it first.

        A browser is started with it: other users of the machine see how programs are started.
        """
        token = secrets.token_urlsafe(24)
        self._once.add(token)
        return token

    def answers_to(self, host: str) -> bool:
        """Return whether a ``Host`` names this server.

        By another name, a page elsewhere has made its own name lead to this machine. The port is
        the browser's affair, since a tunnel may begin at another.
        """
        match = _HOST.fullmatch(host)
        if match is None:
            return False
        name = match[1].lower()
        return name in self._names or (self._anywhere and _is_address(name))

    def admits(self, token: str) -> bool:
        """Return whether a token lets in; one that is for once does so no more."""
        given = token.encode("utf-8", "replace")
        once = [known for known in self._once if secrets.compare_digest(given, known.encode())]
        self._once.difference_update(once)
        return bool(once) or secrets.compare_digest(given, self.token.encode())

    def cookie(self, host: str) -> str:
        """Return the cookie for a browser that was let in, as a header sets it."""
        return f"{_cookie_name(host)}={self._session}; HttpOnly; Path=/; SameSite=Strict"

    def knows(self, headers: Mapping[str, str]) -> bool:
        """Return whether a request comes from a browser that was let in."""
        cookies = cookie_parser(headers.get("cookie", ""))
        given = cookies.get(_cookie_name(headers.get("host", "")), "")
        return secrets.compare_digest(given.encode("utf-8", "replace"), self._session.encode())


def _cookie_name(host: str) -> str:
    match = _HOST.fullmatch(host)
    return f"layerscope-{(match and match[2]) or '80'}"


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        return False
    return True
