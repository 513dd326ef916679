"""The user's browser, opened on a page."""

from __future__ import annotations

import os
import sys
import threading
import webbrowser
from contextlib import suppress


def open_browser(url: str) -> threading.Thread | None:
    """Open an address in the user's browser, where there is one with a window.

    A browser in the terminal would take the place of what is printed there; whoever wants that has
    set ``BROWSER``.
    """
    if not (os.environ.get("BROWSER") or _has_window()):
        return None
    # Some browsers return only when they are closed.
    thread = threading.Thread(target=_open, args=(url,), name="layerscope browser", daemon=True)
    thread.start()
    return thread


def _open(url: str) -> None:
    with suppress(webbrowser.Error, OSError):
        webbrowser.open(url)


def _has_window() -> bool:
    if sys.platform in ("win32", "darwin"):
        return True
    if not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        return False
    with suppress(webbrowser.Error):
        return type(webbrowser.get()) is not webbrowser.GenericBrowser  # one in the terminal
    return False
