"""A visit to the page: what a person does there, and what can be read off it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from playwright.sync_api import Browser, ConsoleMessage, Locator, Request

_SETTLED = """async () => {
  const busy = () => document.querySelector('[aria-busy="true"]');
  const frame = () => new Promise((resolve) => requestAnimationFrame(resolve));
  const until = async () => {
    while (busy() || !performance.getEntriesByName("layerscope.ready").length) await frame();
  };
  do {
    await until();
    for (let i = 0; i < 3; i++) await frame();  // what has changed is drawn before the next one
  } while (busy());
}"""

#: What the status line says while the pointer is at places of a canvas, and the colour there.
_PROBED = """(canvas, step) => {
  const box = canvas.getBoundingClientRect(), context = canvas.getContext("2d");
  const ratio = canvas.width / box.width, status = document.querySelector(".status");
  const data = context.getImageData(0, 0, canvas.width, canvas.height).data;
  const result = [];
  for (let y = 0.5; y < box.height; y += step) {
    for (let x = 0.5; x < box.width; x += step) {
      status.textContent = "";
      const clientX = box.left + x, clientY = box.top + y;
      canvas.dispatchEvent(new PointerEvent("pointermove", { clientX, clientY, bubbles: true }));
      const text = status.textContent.trim();
      const at = 4 * (Math.floor(y * ratio) * canvas.width + Math.floor(x * ratio));
      if (text) result.push([text, x, y, data[at], data[at + 1], data[at + 2]]);
    }
  }
  return result;
}"""

_PLACE = re.compile(r"^(?P<layer>.*?)(?::(?P<unit>\d+))?(?: @ (?P<y>\d+),(?P<x>\d+))?"
                    r"(?: = (?P<value>.*))?$", re.DOTALL)  # fmt: skip


@dataclass(frozen=True)
class Probe:
    """What the page says of a place on a canvas, and the colour that it has there."""

    layer: str
    unit: int | None
    y: int | None
    x: int | None
    value: float | None
    exact: bool  #: the value is given as it is, not as its colour tells
    colour: tuple[int, int, int]
    at: tuple[float, float]  #: on the canvas


class Visit:
    """One window in which the page is open."""

    def __init__(self, browser: Browser, url: str, **context: Any) -> None:
        self.url = url
        self.origin = url.partition("?")[0].rstrip("/")
        self.allowed: list[str] = []  #: patterns of complaints that a test provokes
        self.complaints: list[str] = []
        options = {"viewport": {"width": 1280, "height": 800}, "color_scheme": "light", **context}
        self.context = browser.new_context(**options)
        self.page = self.context.new_page()
        self.page.on("console", self._heard)
        self.page.on("pageerror", lambda error: self.complaints.append(f"thrown: {error}"))
        self.page.on("request", self._asked)

    def _heard(self, message: ConsoleMessage) -> None:
        self.complaints.append(f"console {message.type}: {message.text}")

    def _asked(self, request: Request) -> None:
        parts = urlsplit(request.url)
        if parts.scheme not in ("data", "blob") and parts.hostname != "127.0.0.1":
            self.complaints.append(f"asked for {request.url}")

    def allow(self, pattern: str) -> None:
        """Take complaints like this for what the test is about."""
        self.allowed.append(pattern)

    def close(self) -> list[str]:
        """Close the window; return what it complained about."""
        self.context.close()
        return [
            line for line in self.complaints if not any(re.search(p, line) for p in self.allowed)
        ]

    def open(self, view: str = "") -> None:
        """Open the page, at a view such as ``conv2d:3?scale=unit``; the token is used up once."""
        self.page.goto(self.url)
        if view:
            self.page.goto(f"{self.origin}/#/{view}")
            self.page.reload()
        self.settled()

    def settled(self) -> None:
        """Wait until nothing is awaited, and what has come is drawn."""
        self.page.evaluate(_SETTLED)

    @property
    def view(self) -> str:
        """What stands in the address after ``#/``."""
        return urlsplit(self.page.url).fragment.removeprefix("/")

    @property
    def status(self) -> str:
        """The line of words at the bottom."""
        return self.page.locator(".status").inner_text().strip()

    def choose(self, label: str, option: str) -> None:
        """Choose what is shown as ``option`` from the choice of this name."""
        self.page.get_by_label(label, exact=True).select_option(label=option)
        self.settled()

    def sample(self, number: int) -> None:
        """Go to another sample."""
        self.page.get_by_role("button", name=f"sample {number}:").click()
        self.settled()

    def canvas(self, region: str) -> Locator:
        """The canvas of the region, or panel, of this name."""
        return self.page.get_by_role("region", name=region, exact=True).locator("canvas").first

    def pixels(self, canvas: Locator) -> bytes:
        """All that a canvas shows, RGBA."""
        read = """(canvas) => {
          const data = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
          let text = "";
          for (let i = 0; i < data.length; i += 8192) {
            text += String.fromCharCode(...data.subarray(i, i + 8192));
          }
          return btoa(text);
        }"""
        import base64

        return base64.b64decode(canvas.evaluate(read))

    def probed(self, canvas: Locator, step: int = 5) -> list[Probe]:
        """What the page says of places ``step`` pixels apart, with the colours that it has there.

        Where nothing is, nothing is said.
        """
        return [_probe(*row) for row in canvas.evaluate(_PROBED, step)]


def _probe(text: str, x: float, y: float, *colour: int) -> Probe:
    match = _PLACE.match(text)
    assert match, text
    value = match["value"]
    return Probe(
        match["layer"],
        *(None if match[name] is None else int(match[name]) for name in ("unit", "y", "x")),
        None if value is None else _number(value.removeprefix("≈ ")),
        value is not None and not value.startswith("≈"),
        (colour[0], colour[1], colour[2]),
        (x, y),
    )


def _number(text: str) -> float:
    return float(text.replace("−", "-").replace("∞", "inf"))
