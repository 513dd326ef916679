"""Files of pictures: where their provenance goes, and Matplotlib figures as files."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from layerscope.core.text import printable

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_PREFIX = "layerscope:"


def chunks(metadata: Mapping[str, str]) -> Any:
    """Return metadata as Pillow writes them into a PNG file: one field for each."""
    from PIL import PngImagePlugin

    fields = PngImagePlugin.PngInfo()
    for key, text in metadata.items():
        value = printable(text)  # a name may hold what no file can
        fields.add_text(key, value) if value.isascii() else fields.add_itxt(key, value)
    return fields


def about(metadata: Mapping[str, str]) -> str:
    """Return metadata in one line, for files that have a single field for them."""
    words = (f"{key.removeprefix(_PREFIX)}: {value}" for key, value in metadata.items() if value)
    return printable("; ".join(words))


def png_of(
    figure: Figure, metadata: Mapping[str, str], header: Mapping[str, Any] | None = None
) -> bytes:
    """Return a figure as a PNG file, at the resolution that a panel's header asks for."""
    fields = {key: printable(value) for key, value in metadata.items()}
    asked = header or {}
    dpi = asked.get("dpi") or figure.dpi * asked.get("enlarged", 1)
    return _file_of(figure, "png", fields, dpi=dpi)


def svg_of(figure: Figure, metadata: Mapping[str, str]) -> str:
    """Return a figure as an SVG document."""
    return _file_of(figure, "svg", _fields(metadata, "Description")).decode("utf-8")


def pdf_of(figure: Figure, metadata: Mapping[str, str]) -> bytes:
    """Return a figure as a PDF file of one page."""
    return _file_of(figure, "pdf", _fields(metadata, "Subject"))


def _fields(metadata: Mapping[str, str], description: str) -> dict[str, str]:
    names = {"Title": "Title", "Software": "Creator"}
    fields = {new: printable(metadata[old]) for old, new in names.items() if old in metadata}
    return {**fields, description: about(metadata)}


def _file_of(figure: Figure, kind: str, fields: dict[str, str], **how: Any) -> bytes:
    file = io.BytesIO()
    figure.savefig(file, format=kind, metadata=fields, **how)
    return file.getvalue()
