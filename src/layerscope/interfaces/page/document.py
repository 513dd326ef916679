"""One file with everything in it: the page, its style, its script, and blocks of data."""

from __future__ import annotations

import base64
import gzip
import hashlib
from collections.abc import Collection, Mapping, Sequence
from html import escape
from typing import Any

from layerscope.interfaces.page import assets
from layerscope.interfaces.page.wire import plain_json

_PANELS = "panels/"
#: Puts the compressed style and script where they would stand; the policy knows their hashes.
_UNPACK = """
(async () => {
  if (typeof DecompressionStream === "undefined") {
    document.getElementById("layerscope").textContent =
      "This browser can't unpack the file: Chrome 80, Firefox 113, Safari 16.4 and later ones can.";
    return;
  }
  for (const tag of ["style", "script"]) {
    const letters = atob(document.getElementById("squeezed-" + tag).textContent);
    const bytes = Uint8Array.from(letters, (letter) => letter.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
    const element = document.createElement(tag);
    element.textContent = await new Response(stream).text();
    document.head.append(element);
  }
})();
"""


def file_html(
    title: str,
    data: Mapping[str, Any],
    blocks: Sequence[str],
    start: str,
    kinds: Collection[str] | None = None,
    *,
    styles: Sequence[str] = ("style.css",),
    files: bool = False,
    small: bool = False,
) -> str:
    """Return the document: nothing of it comes from anywhere else, and nothing else may run in it.

    ``data`` is what the module ``start`` finds as JSON in the element ``data``; ``blocks`` are
    base64, in elements ``block-0``, ``block-1`` and so on. It can draw panels of these
    ``kinds``, or of all. Where it has ``files`` beside it, it may load their scripts and pictures.
    Where it is to be ``small``, script and style are compressed, and a line of script unpacks them.
    """
    script, style = page_script(start, kinds), "".join(map(assets.text, styles))
    beside = "'self' " if files else ""
    scripts = [script, _UNPACK] if small else [script]
    may_run = " ".join(f"'{_hash(text)}'" for text in scripts)
    policy = (
        f"default-src 'none'; script-src {beside}{may_run}; style-src '{_hash(style)}'; "
        f"img-src {beside}data: blob:; base-uri 'none'; form-action 'none'"
    )
    elements = "\n".join(
        f'<script type="application/octet-stream" id="block-{number}">{block}</script>'
        for number, block in enumerate(blocks)
    )
    style_element = f"<style>{style}</style>\n"
    if small:
        elements += _squeezed_element("style", style) + _squeezed_element("script", script)
        style_element, script = "", _UNPACK
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(title)}</title>
<link rel="icon" href="data:,">
{style_element}</head>
<body>
<div id="layerscope"><noscript>This page is drawn by a script: allow it to run.</noscript></div>
<script type="application/json" id="data">{_json(data)}</script>
{elements}
<script>{script}</script>
</body>
</html>
"""


def page_script(start: str, kinds: Collection[str] | None = None) -> str:
    """Return the script of a page in one file, with a module for these kinds of panels or all."""
    panels = tuple(name for name in assets.names() if name.startswith(_PANELS))
    if kinds is not None:
        panels = tuple(f"{_PANELS}{kind}.js" for kind in kinds)
    script = assets.joined(start, tuple(name for name in panels if name.endswith(".js")))
    if "</script" in script.lower() or "<!--" in script:
        raise ValueError("The page's script ends the element that it stands in.")
    return script


def _squeezed_element(tag: str, text: str) -> str:
    """Return the text of an element, compressed, in one that is shown and run by none."""
    data = base64.b64encode(gzip.compress(text.encode("utf-8"), mtime=0)).decode("ascii")
    return f'\n<script type="application/octet-stream" id="squeezed-{tag}">{data}</script>'


def _hash(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode('utf-8')).digest()).decode()}"


def _json(data: Mapping[str, Any]) -> str:
    """Return JSON that can't end the element that it stands in."""
    return plain_json(data).replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
