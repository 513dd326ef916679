"""A visit to the page: what a person does there, and what can be read off it."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

import numpy as np

if TYPE_CHECKING:
    from playwright.sync_api import Browser, ConsoleMessage, Locator, Request

AXE = Path(__file__).parents[2] / "node_modules" / "axe-core" / "axe.min.js"

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

#: By way of an address that nobody was at; what was chosen last may not stand in the address yet.
_GONE = """async (hash) => {
  for (const dialog of document.querySelectorAll("dialog[open]")) dialog.close();
  document.activeElement?.blur();
  for (const next of [`#/?zoom=${Math.floor(1e6 * Math.random()) + 1e3}`, hash]) {
    const once = { once: true };
    const changed = new Promise((resolve) => addEventListener("hashchange", resolve, once));
    location.hash = next;
    await changed;
  }
}"""

#: Read from a copy, since a canvas that is read is then drawn in another way.
_COPIED = """
  const copy = document.createElement("canvas");
  copy.width = canvas.width;
  copy.height = canvas.height;
  const context = copy.getContext("2d", { willReadFrequently: true });
  context.drawImage(canvas, 0, 0);
  const data = context.getImageData(0, 0, canvas.width, canvas.height).data;
"""

_PIXELS = (
    f"""(canvas) => {{{_COPIED}"""
    """
  let text = "";
  for (let i = 0; i < data.length; i += 8192) {
    text += String.fromCharCode(...data.subarray(i, i + 8192));
  }
  return btoa(text);
}"""
)

_HEARD = (
    f"""(canvas, [step, xs, ys]) => {{{_COPIED}"""
    """
  const box = canvas.getBoundingClientRect();
  const ratio = canvas.width / box.width, status = document.querySelector(".status");
  // What is said is written outside of the document meanwhile: else each place costs a layout.
  const lines = document.querySelectorAll(".status, .bottom [aria-live]");
  const standing = [...lines].map((line) => line.cloneNode(true));
  lines.forEach((line, i) => line.replaceWith(standing[i]));
  const result = [];
  const along = (length) => Array.from({ length: Math.ceil(length / step) }, (_, i) => i * step);
  for (const top of ys || along(box.height)) {
    for (const left of xs || along(box.width)) {
      const x = left + 0.5, y = top + 0.5;
      status.textContent = "";
      const clientX = box.left + x, clientY = box.top + y;
      canvas.dispatchEvent(new PointerEvent("pointermove", { clientX, clientY, bubbles: true }));
      const text = status.textContent.trim();
      const at = 4 * (Math.floor(y * ratio) * canvas.width + Math.floor(x * ratio));
      if (text) result.push([text, x, y, data[at], data[at + 1], data[at + 2]]);
    }
  }
  lines.forEach((line, i) => standing[i].replaceWith(line));
  return JSON.stringify(result);  // lists of lists take Playwright ten times as long
}"""
)

_PLACE = re.compile(
    r"^(?P<layer>.*?)(?::(?P<unit>\d+))?(?: ?@ ?(?P<y>\d+),(?P<x>\d+))?"
    r"(?: = (?P<value>[^,]*)(?:, .*)?)?$",
    re.DOTALL,
)


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


@dataclass(frozen=True)
class Heard:
    """What the status line says while the pointer is at a place, and the colour there."""

    text: str
    x: float
    y: float
    colour: tuple[int, int, int]


class Visit:
    """One window in which the page is open; ``hints`` as on the first visit of all.

    In a notebook, ``frame`` is set to where the page is in its cell: there all is done and read.
    """

    def __init__(self, browser: Browser, url: str, hints: bool = False, **context: Any) -> None:
        self.url = url
        self.origin = url.partition("?")[0].rstrip("/")
        self.allowed: list[str] = []  #: patterns of complaints that a test provokes
        self.complaints: list[str] = []
        options = {"viewport": {"width": 1280, "height": 800}, "color_scheme": "light", **context}
        self.context = browser.new_context(**options)
        if not hints:
            self.context.add_init_script("localStorage.setItem('layerscope-hints-seen', 'yes')")
        self.page = self.context.new_page()
        self.frame = self.page.main_frame
        self.page.on("console", self._heard)
        self.page.on("pageerror", lambda error: self.complaints.append(f"thrown: {error}"))
        self.page.on("request", self._asked)

    def _heard(self, message: ConsoleMessage) -> None:
        if self.frame.parent_frame is None or message.location["url"] == self.frame.url:
            self.complaints.append(f"console {message.type}: {message.text}")

    def _asked(self, request: Request) -> None:
        if self.frame.parent_frame is not None and request.frame != self.frame:
            return
        parts = urlsplit(request.url)
        itself = parts.scheme == "file" and request.url.partition("#")[0] == self.url
        if parts.scheme not in ("data", "blob") and parts.hostname != "127.0.0.1" and not itself:
            self.complaints.append(f"asked for {request.url}")

    def allow(self, pattern: str) -> None:
        """Take complaints like this for what the test is about."""
        self.allowed.append(pattern)

    def close(self) -> list[str]:
        """Close the window; return what it complained about."""
        self.context.close()
        return self.take_complaints()

    def take_complaints(self) -> list[str]:
        """Return what was complained about so far, and forget it and what was allowed."""
        lines = [
            line for line in self.complaints if not any(re.search(p, line) for p in self.allowed)
        ]
        self.complaints.clear()
        self.allowed.clear()
        return lines

    def open(self, view: str = "") -> None:
        """Open the page, at a view such as ``conv2d:3?scale=unit``; with the token, as at first."""
        self.page.goto(f"{self.url}#/{view}" if view else self.url)
        self.settled()

    def go(self, view: str) -> None:
        """Go to a view by the address alone, from one in which nothing is chosen."""
        self.page.mouse.move(0, 0)
        self.page.evaluate(_GONE, f"#/{view}")
        self.settled()

    def settled(self) -> None:
        """Wait until nothing is awaited, and what has come is drawn."""
        self.frame.evaluate(_SETTLED)

    @property
    def view(self) -> str:
        """What stands in the address after ``#/``."""
        return urlsplit(self.page.url).fragment.removeprefix("/")

    @property
    def status(self) -> str:
        """The line of words at the bottom."""
        return self.frame.locator(".status").inner_text().strip()

    def choose(self, label: str, option: str) -> None:
        """Choose what is shown as ``option`` from the choice of this name."""
        self.frame.get_by_label(label, exact=True).select_option(label=option)
        self.settled()

    def sample(self, number: int) -> None:
        """Go to another sample."""
        self.frame.get_by_role("button", name=f"sample {number}:").click()
        self.settled()

    def find(self, address: str) -> None:
        """Go to a layer or a unit by its name."""
        self.frame.get_by_role("button", name="Find a layer or a unit").click()
        field = self.frame.get_by_role("combobox", name="Layer or unit")
        field.fill(address)
        field.press("Enter")
        self.settled()

    def canvas(self, region: str) -> Locator:
        """The canvas of the region, or panel, of this name."""
        return self.frame.get_by_role("region", name=region, exact=True).locator("canvas").first

    def pixels(self, canvas: Locator) -> np.ndarray:
        """All that a canvas shows, ``(height, width, 4)``."""
        height, width = canvas.evaluate("(canvas) => [canvas.height, canvas.width]")
        data = base64.b64decode(canvas.evaluate(_PIXELS))
        return np.frombuffer(data, np.uint8).reshape(height, width, 4)

    def heard(
        self,
        canvas: Locator,
        step: int = 5,
        *,
        xs: Sequence[int] | None = None,
        ys: Sequence[int] | None = None,
    ) -> list[Heard]:
        """What is said of places ``step`` pixels apart; where nothing is, nothing is said.

        ``xs`` and ``ys`` are columns and rows to look at, where it need not be all.
        """
        rows = json.loads(canvas.evaluate(_HEARD, [step, xs, ys]))
        return [Heard(text, x, y, (red, green, blue)) for text, x, y, red, green, blue in rows]

    def probed(self, canvas: Locator, step: int = 5) -> list[Probe]:
        """What is said of the values at places ``step`` pixels apart, with the colours there."""
        return [_probe(heard) for heard in self.heard(canvas, step)]

    def answer(self, path: str, **words: str | int) -> bytes:
        """What the server answers to this window."""
        query = "&".join(f"{name}={quote(str(value))}" for name, value in words.items())
        response = self.context.request.get(f"{self.origin}{path}?{query}")
        assert response.ok, response.status
        return response.body()

    def faults(self) -> list[str]:
        """What axe-core finds that keeps people out."""
        if self.page.evaluate("() => !globalThis.axe"):
            self.page.evaluate(AXE.read_text(encoding="utf-8"))
        # What passes is not looked at; there are no foreign style sheets or films to load first.
        found = self.page.evaluate("() => axe.run({ resultTypes: ['violations'], preload: false })")
        return [
            f"{rule['id']}: {rule['help']}: {node['html'][:300]}"
            for rule in found["violations"]
            for node in rule["nodes"]
        ]


def _probe(heard: Heard) -> Probe:
    match = _PLACE.match(heard.text)
    assert match, heard.text
    value = match["value"]
    unit, y, x = (None if match[name] is None else int(match[name]) for name in ("unit", "y", "x"))
    return Probe(
        match["layer"],
        unit,
        y,
        x,
        None if value is None else _number(value.removeprefix("≈ ")),
        value is not None and not value.startswith("≈"),
        heard.colour,
        (heard.x, heard.y),
    )


def _number(text: str) -> float:
    return float(text.replace("−", "-").replace("∞", "inf"))
