"""Maps of attribution: methods beside one another, samples below, and what is known under each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from layerscope.core.axes import NamedArray
from layerscope.core.errors import ViewError
from layerscope.core.text import shown_name
from layerscope.recordings.attribution import Attribution
from layerscope.views.attribution_pictures import STYLES, MapStyle, picture, strength_of
from layerscope.views.render.colour_scale import number
from layerscope.views.render.grid import Heading, Tile, arrange
from layerscope.views.render.panel import Panel
from layerscope.views.survey.painting import Inks, Pixels, paragraph

_MOST = 24  #: samples on one picture
_STRENGTH = 0.75


def attribution_panel(
    result: Attribution,
    method: str | None = None,
    *,
    sample: int | None = None,
    style: str | None = None,
    strength: float | None = None,
    palette: str | None = None,
    ground: str = "dark",
    reshape: tuple[int, int] | None = None,
    words: Mapping[int, str] | Sequence[str] | None = None,
    side: int = 224,
) -> Panel:
    """Draw maps over the input: a column for each method, a row for each sample, and each input.

    Parameters
    ----------
    method
        One of the methods; all by default.
    sample
        Which sample; by default all, up to 24.
    style
        ``"heat"``, the map over the input (default); ``"map"``, the map alone; ``"contour"``, lines
        at a quarter, half and three quarters of its strength; or ``"top"``, the strongest tenth of
        the places, the rest dimmed.
    strength
        Of the map over the input, from 0 to 1; 0.75 by default.
    reshape
        ``(height, width)`` of vectors that are images.
    words
        What tokens stand for: a list, or a dict by their numbers.

    Raises
    ------
    AddressError
        When there is no such method or sample.
    ViewError
        When an option is none.
    """
    how = MapStyle(
        Inks.of(ground),
        side,
        _style(style),
        _strength(strength),
        palette,
        words if words is not None else result.words,
        result.names,
        reshape,
    )
    methods = result.methods if method is None else (method,)
    count = len(result.targets)
    samples = range(min(count, _MOST)) if sample is None else [sample]
    tiles = [
        tile
        for at in samples
        for source in _inputs_of(result, methods)
        for tile in _row(result, methods, at, source, how)
    ]
    more = f"the first {_MOST} of {count} samples" if sample is None and count > _MOST else ""
    known = (
        "gone, alone: areas under the score as the strongest places go, and come; shuffled: "
        "likeness to the map of a network of shuffled weights; noise: change under 2 % of it"
        if result.checks
        else ""
    )
    heading = Heading(
        _title(result, list(samples)),
        methods[0],
        "each map its own strength; red speaks for the target, blue against it; maps of one sign "
        "from dark to bright",
        "unit",
        None,
        "; ".join(filter(None, [more, known, *result.notes])),
        "title",
    )
    return arrange(
        tiles,
        heading,
        columns=1 + len(methods),
        palette=palette or "diverging",
        ground=ground,
        provenance=lambda: result.provenance,
    )


def map_pictures(
    result: Attribution, sample: int = 0, *, side: int = 224
) -> list[tuple[str, str, Pixels]]:
    """Return each method, what is known of its map of a sample, and the map over the sample."""
    how = MapStyle(Inks.of("light"), side, words=result.words, names=result.names)
    made: list[tuple[str, str, Pixels]] = []
    several = len(result.mapped) > 1
    for source in _inputs_of(result, result.methods):
        given, limits = _sample(result, sample, source), _limits(result, source)
        for name in result.methods:
            if source not in result.of_inputs(name):
                continue
            drawn = picture(result.map(name, sample, source), given, limits, how)
            words = _line(result, name, sample, source)
            made.append((name, f"{source}: {words}" if several else words, drawn))
    return made


def _inputs_of(result: Attribution, methods: Sequence[str]) -> list[str]:
    """Return the inputs that one of the methods has maps of."""
    there = [result.of_inputs(name) for name in methods]  # says what there is
    return [name for name in result.mapped if any(name in names for names in there)]


def _row(
    result: Attribution, methods: Sequence[str], at: int, source: str, how: MapStyle
) -> list[Tile]:
    """Return the pictures of a sample's input: itself, and each method's map."""
    for name in methods:
        result.map(name, at)  # says which samples there are
    given, limits = _sample(result, at, source), _limits(result, source)
    name = result.samples[at] if at < len(result.samples) else f"sample {at}"
    label = f"{name}, {source}" if len(result.mapped) > 1 else name
    drawn = picture(None, given, limits, how)
    tiles = [_captioned(drawn, shown_name(label, 40), _target(result, at), how)]
    for name in methods:
        if source not in result.of_inputs(name):
            tiles.append(_captioned(how.inks.canvas(8, how.side), name, "no map of it", how))
            continue
        drawn = picture(result.map(name, at, source), given, limits, how)
        tiles.append(_captioned(drawn, name, _line(result, name, at, source), how))
    return tiles


def _style(style: str | None) -> str:
    if style is None:
        return STYLES[0]
    if style not in STYLES:
        raise ViewError(f"style={style!r}: pass one of {', '.join(map(repr, STYLES))}.")
    return style


def _strength(strength: float | None) -> float:
    if strength is None:
        return _STRENGTH
    number_given = isinstance(strength, int | float) and not isinstance(strength, bool)
    if not number_given or not 0 <= strength <= 1:
        raise ViewError(f"strength={strength!r}: pass a number from 0 to 1.")
    return float(strength)


def _limits(result: Attribution, source: str) -> tuple[float, float]:
    """Return the range that all samples of an input are drawn on."""
    values = result.named(source).values
    if values.dtype == np.uint8:
        return 0.0, 255.0
    finite = values[np.isfinite(values)] if values.dtype.kind == "f" else values
    if not finite.size:
        return 0.0, 1.0
    low, high = float(finite.min()), float(finite.max())
    return (0.0, 1.0) if low >= 0 and 0.5 < high <= 1 else (low, high)


def _sample(result: Attribution, at: int, source: str) -> NamedArray:
    array = result.named(source)
    values, axes = array.values[at], array.axes[1:]
    if axes == ("unit",) and source in result.tokens:
        axes = ("position",)
    return NamedArray(values, axes)


def _captioned(drawn: Pixels, label: str, words: str, style: MapStyle) -> Tile:
    """Return a picture with a line, wrapped, under it."""
    high, wide = drawn.shape[:2]
    room = max(wide, 150)
    below = paragraph(words, room, style.inks, 7) if words else style.inks.canvas(4, room)
    canvas = style.inks.canvas(high + below.shape[0], room)
    canvas[:high, :wide] = drawn
    canvas[high:, : below.shape[1]] = below
    return Tile(canvas, label)


def _target(result: Attribution, at: int) -> str:
    score = f" = {number(float(result.scores[at]))}" if at < len(result.scores) else ""
    return f"{result.targets[at]}{score}"


def _line(result: Attribution, method: str, at: int, source: str) -> str:
    """Return what is written under a map: how strong it is, and what is known of it."""
    most = strength_of(result.map(method, at, source).values)
    how = result.settings.get(method, {})
    parts = [
        f"up to {number(most)}" if most else "",
        result.line(method, at, brief=True, source=source),
    ]
    if "layer" in how:
        parts.insert(1, f"of {how['layer']}")
    return "; ".join(filter(None, parts))


def _title(result: Attribution, samples: Sequence[int]) -> str:
    names = {result.targets[at] for at in samples}
    of = f": {next(iter(names))}" if len(names) == 1 else ""
    return shown_name(f"{result.network.name}: where it comes from{of}", 200)
