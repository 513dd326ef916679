"""Panel: the one intermediate form of a picture, and what it can become."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from layerscope.core.errors import OutputError, ViewError
from layerscope.core.text import printable, printable_lines

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

VERSION = 1
_KEYWORD = 79  #: characters of a keyword in a PNG file

#: Where a header holds what is to be read; all else are numbers, or names as the model has them.
_WORDS = ("title", "note", "labels")
_WORDS_OF = {
    "tiles": ("label",),
    "lines": ("text",),
    "legend": ("text",),
    "texts": ("text",),
    "boxes": ("about",),
    "frames": ("title",),
}


@dataclass(frozen=True, eq=False)
class Panel:
    """A picture as data: a JSON-able header that says where everything goes, and bytes of pixels.

    ``header["tiles"]`` lists the maps: ``box`` is ``[x, y, width, height]`` in the picture's own
    pixels, ``shape`` the map's, ``offset`` where its pixels begin in the buffer, ``format``
    ``"index"`` (a byte per pixel, an index into the palette) or ``"rgb"``; ``label``, ``range``
    (the values of the first and last colour), ``blank`` and ``texts`` (one per pixel, or none).
    A host needs no more than this to draw it: it makes no decisions.
    """

    header: Mapping[str, Any]
    buffers: tuple[bytes, ...]
    provenance: Callable[[], Mapping[str, str]] = field(default=dict, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "header", harmless(self.header))

    def __len__(self) -> int:
        return len(self.header["tiles"])

    def pixels(self, index: int) -> npt.NDArray[np.uint8]:
        """A tile's pixels at the map's own resolution: ``(height, width)`` or with RGB last."""
        tile = self.header["tiles"][index]
        depth = (3,) if tile["format"] == "rgb" else ()
        shape = (*tile["shape"], *depth)
        count = int(np.prod(shape))
        array = np.frombuffer(self.buffers[0], np.uint8, count, tile["offset"])
        return array.reshape(shape)

    def png(self, metadata: Mapping[str, str] | None = None) -> bytes:
        """The picture as a PNG file's bytes."""
        from layerscope.views.render.png import encode

        return encode(self, metadata or {})

    def figure(self, figsize: tuple[float, float] | None = None, ax: Axes | None = None) -> Figure:
        """The picture as a Matplotlib figure, with its title, axes and colour bar.

        ``ax`` draws into axes of yours and returns their figure; ``figsize`` is in inches.
        """
        from layerscope.views.render.figure import draw

        return draw(self, figsize, ax)

    def save(self, path: str | Path) -> Path:
        """Write the picture to a ``.png``, ``.svg`` or ``.pdf`` file, with its provenance inside.

        Raises
        ------
        ViewError
            When the name ends in something else.
        OutputError
            When the file can't be written.
        """
        path = Path(path)
        kind = path.suffix.lower()
        if kind not in (".png", ".svg", ".pdf"):
            raise ViewError(
                f"{path.name!r} ends in {kind or 'nothing'!r}: save to .png, .svg or .pdf."
            )
        metadata = self._metadata()
        try:
            if kind == ".png":
                path.write_bytes(self.png(metadata))
            else:
                self._save_drawing(path, metadata)
        except OSError as error:
            raise OutputError(f"{str(path)!r} can't be written: {error.strerror}.") from error
        return path

    def _save_drawing(self, path: Path, metadata: Mapping[str, str]) -> None:
        from layerscope.views.render.figure import save

        save(self, path, metadata)

    def show(self) -> None:
        """Show the picture: in a notebook below the cell, from a script in a window."""
        ipython = sys.modules.get("IPython")
        shell = ipython.get_ipython() if ipython else None
        if ipython and type(shell).__name__ == "ZMQInteractiveShell":
            ipython.display.display(self)
            return
        import matplotlib.pyplot as plt

        figure = plt.figure(layout="constrained")
        self.figure(ax=figure.add_subplot())
        plt.show()

    def _metadata(self) -> dict[str, str]:
        from layerscope._version import __version__

        header = self.header
        about = {
            "Title": str(header["title"]),
            "Software": f"layerscope {__version__}",
            "layerscope:address": str(header["address"]),
            "layerscope:scale": str(header["scale"]["text"]),
            **{f"layerscope:{key}": value for key, value in self.provenance().items()},
        }
        # A recording that somebody else wrote says what it likes of where it comes from.
        return {_keyword(key): printable(str(value)) for key, value in about.items()}

    def _repr_png_(self) -> bytes:
        return self.png()


def _keyword(text: str) -> str:
    """Return a name that a field of a PNG file may have."""
    return printable(text).encode("ascii", "backslashreplace").decode("ascii")[:_KEYWORD]


def harmless(header: Mapping[str, Any]) -> dict[str, Any]:
    """Return the header with escapes for what can't be seen in the words that hosts draw."""
    made: dict[str, Any] = {
        name: printable(v) if name in _WORDS else v for name, v in header.items()
    }
    for name, keys in _WORDS_OF.items():
        if name in made:
            made[name] = [_written(entry, keys) for entry in made[name]]
    return made


def _written(entry: Mapping[str, Any], keys: tuple[str, ...]) -> Mapping[str, Any]:
    """The entry with harmless words; a label's own line breaks stay."""
    words = {key: entry[key] for key in keys if key in entry}
    shown = {key: printable_lines(text) for key, text in words.items()}
    return entry if shown == words else {**entry, **shown}


class Pages(list[Panel]):
    """Panels, one to a page."""

    def _repr_html_(self) -> str:
        import base64
        import html

        return "\n".join(
            f'<img alt="{html.escape(page.header["title"])}" src="data:image/png;base64,'
            f'{base64.b64encode(page.png()).decode()}">'
            for page in self
        )
