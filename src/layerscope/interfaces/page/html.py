"""The document that the page's script fills, alike in all hosts."""

from __future__ import annotations

from html import escape

from layerscope.interfaces.page import assets

START = "start_server.js"
_FIRST = ("panels/graph.js", "panels/stack.js")  #: what draws the panels that are seen first


def page_html(nonce: str) -> str:
    """Return the document of the local page, whose script and style are files beside it."""
    # All at once: a browser that finds them one by one, import by import, asks as often in turn.
    modules = "\n".join(
        f'<link rel="modulepreload" href="/web/{escape(name)}">'
        for name in assets.imported(START, _FIRST)
    )
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>layerscope</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="/web/style.css">
{modules}
</head>
<body>
<div id="layerscope"></div>
<script type="module" nonce="{escape(nonce)}" src="/web/{START}"></script>
</body>
</html>
"""
