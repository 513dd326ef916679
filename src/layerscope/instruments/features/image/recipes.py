"""Ways to visualize a feature that are known by name, each value of which can be changed.

| recipe | whose it is |
| --- | --- |
| ``lucid`` | Olah, Mordvintsev and Schubert, "Feature Visualization", Distill 2017 |
| ``deepdream`` | Mordvintsev, Olah and Tyka, "Inceptionism", 2015 |
| ``tutorial`` | ascent from noise with blur, jitter and padding, as tutorials teach it |
| ``chollet`` | Chollet, "Visualizing what convnets learn", keras.io 2020 |
"""

from __future__ import annotations

import dataclasses
import math
import numbers
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from layerscope.core.errors import InputError
from layerscope.core.suggestions import did_you_mean
from layerscope.instruments.features.image import transforms as ways
from layerscope.instruments.features.image.parameterizations import BOUNDS

PARAMETERIZATIONS = ("pixel", "fourier")
NORMALIZATIONS = ("std", "l2", "none")


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How a feature is visualized.

    Raises InputError for a value that makes no sense.
    """

    name: str = "own"
    steps: int = 256  #: at each octave
    #: Of the gradient as normalized, or Adam's; the range is 2 wide
    step_size: float = 0.05
    optimizer: Any = "ascent"  #: ``"ascent"``, ``"adam"`` or one of Keras' own
    #: What the gradient of an image is divided by: its standard deviation, or its length
    normalize: str = "std"
    octaves: int = 1  #: how many sizes, the last being the one asked for
    octave_scale: float = 1.3  #: from each to the next
    detail: bool = False  #: give back what a start image loses where it is made smaller
    size: tuple[int, int] | None = None  #: height and width; None for the model's own
    input_range: tuple[float, float] | None = None  #: None for the model's own
    start: Any = (
        "normal"  #: as :func:`~layerscope.instruments.features.image.starts.start_images` reads
    )
    contrast: float = 1.0  #: of noise to start with
    parameterization: str = "pixel"  #: or ``"fourier"``
    decorrelate: bool = False  #: optimize colours as photographs have them, where there are three
    bounds: str = "clip"  #: how the range is kept: or ``"sigmoid"``
    border: int = 0  #: pixels along the edge of a feature map that are not counted
    #: What is done to the copy that is evaluated; None for what the shorthands below say
    transforms: tuple[Any, ...] | None = None
    blur: float = 0.0  #: standard deviation in pixels, of a 3×3 Gaussian
    blur_falls: bool = False  #: that divided by the number of the step
    pad: int = 0  #: pixels on each side
    pad_mode: str = "reflect"  #: what is put there: or ``"constant"``, ``"uniform"``
    pad_until: int | None = None  #: the step from which on there is none
    scale: tuple[float, float] | None = None  #: from and to which factor; (1, 1) is none
    rotate: float = 0.0  #: up to so many degrees, either way
    #: Up to so many pixels, either way; half as many once more after scaling or rotating
    jitter: int = 0
    p: float = 1.0  #: how often there is padding, and jitter
    #: The side of an image that padding and jitter are meant for: a smaller one has less; None: any
    meant_for: int | None = None
    #: The values that were changed
    given: frozenset[str] = dataclasses.field(default=frozenset(), compare=False)

    def __post_init__(self) -> None:
        for field, value in _brought_into_form(self).items():
            object.__setattr__(self, field, value)
        _check(self)

    def transforms_of(self) -> tuple[Any, ...]:
        """The transforms, in order: those given, also where these are none, or the shorthands'."""
        if self.transforms is not None:
            return self.transforms
        found: list[Any] = []
        zooms = self.scale not in (None, (1, 1))
        if self.blur:
            found.append(ways.blur(self.blur, falling=self.blur_falls))
        if self.pad:
            found.append(ways.pad(self.pad, mode=self.pad_mode, p=self.p, until=self.pad_until))
        if self.jitter:
            found.append(ways.jitter(self.jitter, p=self.p))
        if zooms:
            found.append(ways.scale(self.scale or (1.0, 1.0)))
        if self.rotate:
            found.append(ways.rotate(self.rotate))
        if self.jitter // 2 and (zooms or self.rotate):
            found.append(ways.jitter(self.jitter // 2, p=self.p))
        return tuple(found)

    def _in_proportion(self, shape: Sequence[int | None]) -> dict[str, Any]:
        """Padding and jitter for an image smaller than the one they are meant for."""
        sides = [side for side in shape[:2] if side is not None]
        if self.meant_for is None or not sides or min(sides) >= self.meant_for:
            return {}
        part = min(sides) / self.meant_for
        return {
            field: round(getattr(self, field) * part)
            for field in ("pad", "jitter")
            if field not in self.given
        }

    def suited_to(self, shape: Sequence[int | None]) -> Recipe:
        """The recipe, without what only images can have, for one input of this shape.

        Of small images less is moved, unless it was said how much. Colours are decorrelated where
        there are three channels. Sequences have no transforms and no octaves, vectors no
        frequencies either. Transforms given as such are kept.
        """
        if len(shape) == 3:
            colours = self.decorrelate and shape[-1] == 3
            return dataclasses.replace(self, decorrelate=colours, **self._in_proportion(shape))
        flat = dataclasses.replace(
            self, decorrelate=False, octaves=1, detail=False, border=0,
            blur=0.0, pad=0, jitter=0, scale=None, rotate=0.0,
        )  # fmt: skip
        if len(shape) == 2 or self.parameterization == "pixel":
            return flat
        start = "normal" if isinstance(self.start, str) and self.start == "fourier" else self.start
        return dataclasses.replace(flat, parameterization="pixel", start=start)


def recipe(which: str | Recipe = "lucid", **changes: Any) -> Recipe:
    """The recipe of that name, with some of its values changed; None leaves one as it is.

    Raises InputError for a name that there is not, of a recipe or of a value, with the nearest that
    there is, and for a value that makes no sense.
    """
    if not isinstance(which, Recipe):
        if not isinstance(which, str) or which not in RECIPES:
            raise InputError(
                f"There is no recipe {which!r}{_near(which, RECIPES)}: pass one of "
                f"{', '.join(map(repr, RECIPES))}."
            )
        which = RECIPES[which]
    own = ("name", "meant_for", "given")  # of the recipe itself
    fields = [field.name for field in dataclasses.fields(Recipe) if field.name not in own]
    for change in changes:
        if change not in fields:
            raise InputError(
                f"A recipe has no {change!r}{_near(change, fields)}: it has {', '.join(fields)}."
            )
    given = {key: value for key, value in changes.items() if value is not None}
    own_rate = _learning_rate(given.get("optimizer"))
    if own_rate is not None:
        given.setdefault("step_size", own_rate)
    return dataclasses.replace(which, **given, given=which.given | given.keys())


def _learning_rate(optimizer: Any) -> float | None:
    """That of one of Keras' optimizers; None where it has a schedule, or is none."""
    config = optimizer.get_config() if hasattr(optimizer, "get_config") else {}
    rate = config.get("learning_rate")
    return float(rate) if isinstance(rate, float) else None


def _near(name: Any, names: Any) -> str:
    hint = did_you_mean(str(name), names, most=1)
    return f" ({hint})" if hint else ""


def _brought_into_form(given: Recipe) -> dict[str, Any]:
    """The values that may be written in several ways, in the one that they are kept in."""
    formed: dict[str, Any] = {}
    size: Any = given.size
    if _is_number(size, numbers.Integral):
        formed["size"] = (int(size), int(size))
    for field in ("size", "input_range", "scale", "transforms"):
        if isinstance(getattr(given, field), list):
            formed[field] = tuple(getattr(given, field))
    return formed


def _check(given: Recipe) -> None:
    for field, least in (("steps", 1), ("octaves", 1), ("border", 0), ("pad", 0), ("jitter", 0)):
        _check_number(given, field, least, whole=True)
    for field in ("blur", "rotate", "contrast"):
        _check_number(given, field, 0)
    _check_number(given, "step_size", 0, above=True)
    _check_number(given, "octave_scale", 1, above=True)
    if given.pad_until is not None:
        _check_number(given, "pad_until", 0, whole=True)
    if not _is_number(given.p) or not 0 <= given.p <= 1:
        raise InputError(f"p={given.p!r}: pass a probability, from 0 to 1.")
    _check_word("parameterization", given.parameterization, PARAMETERIZATIONS)
    _check_word("normalize", given.normalize, NORMALIZATIONS)
    _check_word("bounds", given.bounds, BOUNDS)
    _check_word("pad_mode", given.pad_mode, ("reflect", "constant", "uniform"))
    if isinstance(given.optimizer, str):
        _check_word("optimizer", given.optimizer, ("ascent", "adam"))
    _check_pairs(given)
    if given.transforms is not None and not _is_list_of_transforms(given.transforms):
        raise InputError(
            f"transforms={given.transforms!r}: pass a list of transforms, such as [jitter(8)], or "
            "[] for none."
        )


def _check_pairs(given: Recipe) -> None:
    size: Any = given.size
    span: Any = given.input_range
    scale: Any = given.scale
    if size is not None and not (
        _is_pair(size) and all(_is_number(n, numbers.Integral) and n > 0 for n in size)
    ):
        raise InputError(f"size={size!r}: pass height and width in pixels, or one for both.")
    if span is not None and not (_is_pair(span) and span[0] < span[1]):
        raise InputError(
            f"input_range={span!r}: pass two numbers, low before high, such as (0, 1)."
        )
    if scale is not None and not (_is_pair(scale) and 0 < scale[0] <= scale[1]):
        raise InputError(f"scale={scale!r}: pass two factors, low before high, such as (0.9, 1.1).")


def _is_list_of_transforms(value: Any) -> bool:
    return isinstance(value, tuple) and all(isinstance(one, ways.Transform) for one in value)


def _is_pair(value: Any) -> bool:
    return isinstance(value, tuple) and len(value) == 2 and all(map(_is_number, value))


def _is_number(value: Any, kind: Any = numbers.Real) -> bool:
    if isinstance(value, bool) or not isinstance(value, kind):
        return False
    return math.isfinite(value)


def _check_number(
    given: Recipe, field: str, least: int, *, whole: bool = False, above: bool = False
) -> None:
    value: Any = getattr(given, field)
    fits = _is_number(value, numbers.Integral if whole else numbers.Real)
    if fits and (value > least if above else value >= least):
        return
    wanted = "a whole number" if whole else "a number"
    bound = f"above {least}" if above else f"{least} or more"
    raise InputError(f"{field}={value!r}: pass {wanted}, {bound}.")


def _check_word(field: str, value: Any, words: Sequence[str]) -> None:
    if not isinstance(value, str) or value not in words:
        *most, last = map(repr, words)
        raise InputError(f"{field}={value!r}: pass {', '.join(most)} or {last}.")


#: The recipes by name.
RECIPES: dict[str, Recipe] = {
    made.name: made
    for made in (
        Recipe(
            name="lucid", steps=256, step_size=0.05, optimizer="adam", normalize="none",
            start="fourier", contrast=0.01, parameterization="fourier", decorrelate=True,
            bounds="sigmoid", pad=12, pad_mode="constant", jitter=8, scale=(0.9, 1.1), rotate=10.0,
            meant_for=128,
        ),
        Recipe(
            name="deepdream", steps=100, step_size=0.01, octaves=3, octave_scale=1.3, detail=True,
            start="uniform", jitter=32, meant_for=224,
        ),
        Recipe(
            name="tutorial", steps=200, step_size=0.01, octave_scale=1.15,
            blur=25.0, blur_falls=True, pad=3, pad_until=50, jitter=2, p=0.25,
        ),
        Recipe(
            name="chollet", steps=30, step_size=10.0, normalize="l2", start="uniform",
            contrast=0.125, border=2,
        ),
    )
}  # fmt: skip
