"""The document that the page's script fills, alike in all hosts."""

from __future__ import annotations

from html import escape


def page_html(nonce: str) -> str:
    """Return the document of the local page, whose script and style are files beside it."""
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>layerscope</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="/web/style.css">
</head>
<body>
<div id="layerscope"></div>
<script type="module" nonce="{escape(nonce)}" src="/web/start_server.js"></script>
</body>
</html>
"""
