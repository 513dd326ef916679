"""Panel: the one intermediate form of a picture, and what it can become."""

from __future__ import annotations

import operator
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from layerscope.core.console import in_notebook
from layerscope.core.display import Displayed
from layerscope.core.errors import ViewError
from layerscope.core.files import whole
from layerscope.core.text import one_line, printable, printable_lines
from layerscope.views.render import documents
from layerscope.views.render.kinds import check_kind, lowering

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

VERSION = 1
_LARGEST = {"scale": 20, "dpi": 2400}  #: of what a PNG may be asked to be
_KEYWORD = 79  #: characters of a keyword in a PNG file

#: Where a header, or an entry of one of its lists, holds what is compared and looked up, as the
#: model has it, and not what is drawn.
_NAMES = frozenset({
    "address", "addresses", "anchor", "block", "code", "colour", "edge", "fill", "form", "format",
    "ground", "id", "kind", "mode", "name", "output", "palette", "path", "side", "source", "style",
    "version",
})  # fmt: skip
#: Words with lines of their own.
_LINES = frozenset({"about", "label", "labels", "note", "notes", "reference", "text", "title"})


@dataclass(frozen=True, eq=False, repr=False)
class Panel(Displayed):
    """A picture as data: a JSON-able header that says what goes where, and named bytes of numbers.

    ``header["kind"]`` is one of those in :mod:`layerscope.views.render.kinds`, such as ``maps`` and
    ``lines``, or one that an installed package brings; the module of the kind says what else its
    headers hold. All have ``version``, ``title``, ``note``, ``address``, ``size`` (of the picture,
    in pixels) and ``scale``. All words are made harmless but those that are looked up as the model
    has them: ``address``, ``id``, ``block``, ``source``, ``name``, ``code`` and the like. A host
    needs no more than this to draw it: it makes no decisions.
    """

    header: Mapping[str, Any]
    buffers: Mapping[str, bytes] = field(default_factory=dict)
    provenance: Callable[[], Mapping[str, str]] = field(default=dict, repr=False)

    def __post_init__(self) -> None:
        check_kind(self.header["kind"])
        object.__setattr__(self, "header", harmless(self.header))

    def __len__(self) -> int:
        return len(self.header.get("tiles", ()))

    def __bool__(self) -> bool:
        return True

    def __repr__(self) -> str:
        return f"<layerscope.Panel, {self.header['kind']}: {one_line(str(self.header['title']))}>"

    def pixels(self, index: int) -> npt.NDArray[np.uint8]:
        """Return a tile's pixels at the map's own resolution, RGB last where it has colours."""
        tile = self.header["tiles"][index]
        depth = (3,) if tile["format"] == "rgb" else ()
        shape = (*tile["shape"], *depth)
        count = int(np.prod(shape))
        array = np.frombuffer(self.buffers["pixels"], np.uint8, count, tile["offset"])
        return array.reshape(shape)

    def numbers(self, entry: Mapping[str, int]) -> npt.NDArray[np.float64]:
        """Return the numbers that an entry of the header refers to, by offset and count."""
        return np.frombuffer(self.buffers["numbers"], "<f8", entry["count"], entry["offset"])

    def __getattr__(self, name: str) -> Any:
        hint = ": a picture is saved by save('name.png')" if name == "savefig" else ""
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}{hint}")

    def png(self, metadata: Mapping[str, str] | None = None) -> bytes:
        """Return the picture as a PNG file's bytes."""
        return lowering(self.header["kind"]).png(self, metadata or {})

    def svg(self, metadata: Mapping[str, str] | None = None) -> str:
        """Return the picture as an SVG document."""
        return lowering(self.header["kind"]).svg(self, metadata or {})

    def figure(self, figsize: tuple[float, float] | None = None, ax: Axes | None = None) -> Figure:
        """Return the picture as a Matplotlib figure.

        ``ax`` draws into axes of yours and returns their figure; ``figsize`` is in inches.
        """
        return lowering(self.header["kind"]).figure(self, figsize, ax)

    def save(
        self, path: str | Path, *, scale: float | None = None, dpi: float | None = None
    ) -> Path:
        """Write the picture to a ``.png``, ``.svg`` or ``.pdf`` file, with its provenance inside.

        Parameters
        ----------
        scale
            How many times larger a ``.png`` is to be, its text drawn anew at that size; of maps a
            whole number.
        dpi
            Pixels of a ``.png`` in an inch: curves and charts are drawn at it, and of maps it is
            noted in the file, for programs that print it.

        Raises
        ------
        ViewError
            When the name ends in something else, or the picture can't be so large.
        OutputError
            When the file can't be written.
        """
        path = Path(path)
        ending = path.suffix.lower()
        if ending not in (".png", ".svg", ".pdf"):
            raise ViewError(
                f"{path.name!r} ends in {ending or 'nothing'!r}: save to .png, .svg or .pdf."
            )
        metadata = self._metadata()
        if ending == ".png":
            data = self._at(scale, dpi).png(metadata)
        elif scale is not None or dpi is not None:
            raise ViewError(f"scale= and dpi= are for .png: {ending} files are sharp at any size.")
        elif ending == ".svg":
            data = self.svg(metadata).encode("utf-8")
        else:
            data = documents.pdf_of(self.figure(), metadata)
        with whole(path, overwrite=True) as part:
            part.write_bytes(data)
        return path

    def _at(self, scale: Any, dpi: Any) -> Panel:
        """Return the panel with what its PNG is to be like in its header."""
        for name, value in (("scale", scale), ("dpi", dpi)):
            number = isinstance(value, int | float) and not isinstance(value, bool)
            if value is not None and not (number and 0 < value <= _LARGEST[name]):
                raise ViewError(f"{name}={value!r}: pass a number above 0, up to {_LARGEST[name]}.")
        asked = {"enlarged": scale, "dpi": dpi}
        asked = {key: value for key, value in asked.items() if value is not None}
        return replace(self, header={**self.header, **asked}) if asked else self

    def show(self) -> None:
        """Show the picture: in a notebook below the cell, from a script in a window."""
        if in_notebook():
            sys.modules["IPython"].display.display(self)
            return
        import matplotlib.pyplot as plt

        figure = plt.figure(layout="constrained")
        self.figure(ax=figure.add_subplot())
        plt.show()

    def _metadata(self) -> dict[str, str]:
        from layerscope._version import __version__

        header = self.header
        fields = {
            "Title": str(header["title"]),
            "Software": f"layerscope {__version__}",
            "layerscope:address": str(header["address"]),
            "layerscope:scale": str(header["scale"]["text"]),
            **{f"layerscope:{key}": value for key, value in self.provenance().items()},
        }
        # A recording that somebody else wrote says what it likes of where it comes from.
        return {_keyword(key): printable(str(value)) for key, value in fields.items()}

    def _repr_png_(self) -> bytes:
        return self.png()


def _keyword(text: str) -> str:
    """Return a name that a field of a PNG file may have."""
    return printable(text).encode("ascii", "backslashreplace").decode("ascii")[:_KEYWORD]


def harmless(header: Mapping[str, Any]) -> dict[str, Any]:
    """Return the header with escapes for what can't be seen in the words that hosts draw."""
    one_line = {
        key: printable(header[key]) for key in ("title", "note") if isinstance(header.get(key), str)
    }
    return {**_harmless_entry(dict(header)), **one_line}


def _harmless_entry(entry: dict[str, Any]) -> dict[str, Any]:
    """Return an entry with harmless words, itself where they are; lines of a label stay apart.

    A sheet has thousands of tiles, a diagram thousands of lines: types are compared, which is fast.
    """
    changed: dict[str, Any] = {}
    for key, value in entry.items():
        kind = type(value)
        if key in _NAMES or kind is int or kind is float or kind is bool:
            continue
        shown = value
        if kind is str:
            shown = printable_lines(value) if key in _LINES else printable(value)
        elif kind is dict:
            shown = _harmless_entry(value)
        elif (kind is list or kind is tuple) and value and type(value[0]) in (dict, str, list):
            shown = _harmless_list(value)
        if shown is not value:
            changed[key] = shown
    return {**entry, **changed} if changed else entry


def _harmless_list(values: Sequence[Any]) -> Sequence[Any]:
    """Return a list of entries, of words, or of lists of them, with harmless words."""
    shown = [_HARMLESS.get(type(value), _itself)(value) for value in values]
    return shown if any(map(operator.is_not, shown, values)) else values


def _itself(value: Any) -> Any:
    return value


_HARMLESS: dict[type, Callable[[Any], Any]] = {
    str: printable_lines,
    dict: _harmless_entry,
    list: _harmless_list,
    tuple: _harmless_list,
}


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
