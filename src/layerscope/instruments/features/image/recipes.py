"""Ways to visualize a feature that are known by name, each value of which can be changed.

| recipe | whose it is |
| --- | --- |
| ``lucid`` | Olah, Mordvintsev and Schubert, "Feature Visualization", Distill 2017 |
| ``deepdream`` | Mordvintsev, Olah and Tyka, "Inceptionism", 2015 |
| ``tutorial`` | ascent from noise with blur, jitter and padding, as tutorials teach it |
| ``chollet`` | Chollet, "Visualizing what convnets learn", keras.io 2020 |
| ``maco`` | Fel and others, "Unlocking Feature Visualization for Deeper Networks with MAgnitude
Constrained Optimization", NeurIPS 2023 |
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from layerscope.core.errors import InputError
from layerscope.core.suggestions import did_you_mean
from layerscope.instruments.features.image.recipe_values import (
    BOUNDS,
    NORMALIZATIONS,
    PARAMETERIZATIONS,
    ValueForm,
    is_whole,
    recipe_value,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How a feature is visualized.

    Raises InputError for a value that makes no sense.
    """

    name: str = "own"
    steps: int = recipe_value(256, "count", "steps at each octave")
    #: Of the gradient as normalized, or Adam's
    step_size: float = recipe_value(0.05, "positive", "how far, on a range from -1 to 1")
    #: Or one of Keras' own
    optimizer: Any = recipe_value(  # noqa: RUF009  # it makes a field
        "ascent", "optimizer", "adam, or ascent: the normalized gradient", "ascent", "adam"
    )
    normalize: str = recipe_value(
        "std", "word", "divide the gradient by its std, its l2 norm, or none", *NORMALIZATIONS
    )
    #: The last being the one asked for
    octaves: int = recipe_value(1, "count", "sizes to go through")
    octave_scale: float = recipe_value(1.3, "above 1", "from each size to the next")
    detail: bool = recipe_value(
        False, "flag", "give back what an image to start with loses where it is made smaller"
    )
    #: None for the model's own
    size: tuple[int, int] | None = recipe_value(
        None, "size", "of the image; one number for a square"
    )
    input_range: tuple[float, float] | None = recipe_value(
        None,
        "limits",
        "the values that the network takes (default: 0,255 where it scales pixels itself, else "
        "those of the samples or of the start, else 0,1)",
    )
    #: As :func:`~layerscope.instruments.features.image.starts.start_images` reads it
    start: Any = recipe_value(  # noqa: RUF009  # it makes a field
        "normal", "start", "normal, uniform, fourier, zeros, or an image"
    )
    contrast: float = recipe_value(1.0, "amount", "of noise to start with")
    parameterization: str = recipe_value(
        "pixel",
        "word",
        "what is moved: pixel, fourier, or phase alone, with the samples' magnitudes",
        *PARAMETERIZATIONS,
    )
    #: Where there are three colours
    decorrelate: bool = recipe_value(
        False, "flag", "colours as photographs, or the samples, have them"
    )
    bounds: str = recipe_value(
        "clip", "word", "how values are kept in range: clip or sigmoid", *BOUNDS
    )
    border: int = recipe_value(0, "whole", "pixels of a map not to count, each side")
    #: Of each image, whose gradients are averaged
    copies: int = recipe_value(1, "count", "so many copies in each step, transformed one by one")
    transparency: bool = recipe_value(
        False, "flag", "fade the image where the gradient did not go while it was made"
    )
    #: None for what the shorthands below say
    transforms: tuple[Any, ...] | None = recipe_value(
        None,
        "transforms",
        "in each step, to the copy that the network sees: 'pad(12), jitter(8), scale((0.9, 1.1)), "
        "rotate(10, p=0.5)', or none",
    )
    #: Standard deviation in pixels, of a 3×3 Gaussian
    blur: float = recipe_value(0.0, "amount", "the width of a Gaussian; 0 for none", shorthand=True)
    blur_falls: bool = recipe_value(
        False, "flag", "divide the blur by the number of the step", alone=False
    )
    pad: int = recipe_value(
        0, "whole", "so many pixels; 0 for none", shorthand=True
    )  #: on each side
    pad_mode: str = recipe_value(
        "reflect", "word", "what is put there", "reflect", "constant", "uniform", alone=False
    )
    pad_until: int | None = recipe_value(
        None, "whole", "the step from which on there is no padding", alone=False
    )
    #: Either way; half as many once more after scaling or rotating
    jitter: int = recipe_value(0, "whole", "so many pixels; 0 for none", shorthand=True)
    scale: tuple[float, float] | None = recipe_value(
        None, "factors", "from and to which factor; 1,1: none", shorthand=True
    )
    #: Either way
    rotate: float = recipe_value(0.0, "amount", "so many degrees; 0 for none", shorthand=True)
    #: At the first and at the last step
    crop: tuple[float, float] | None = recipe_value(
        None,
        "shares",
        "see parts of the image, from which share of a side to which",
        shorthand=True,
    )
    noise: float = recipe_value(0.0, "amount", "on each value; 0 for none", shorthand=True)
    p: float = recipe_value(
        1.0, "probability", "how often there is padding, and jitter", alone=False
    )
    #: The side of an image that padding and jitter are meant for: a smaller one has less; None: any
    meant_for: int | None = None
    #: The values that were changed
    given: frozenset[str] = dataclasses.field(default=frozenset(), compare=False)

    def __post_init__(self) -> None:
        for field, value in _brought_into_form(self).items():
            object.__setattr__(self, field, value)
        _check(self)

    def transforms_of(self) -> tuple[Any, ...]:
        """Return the transforms in order: those given, though they be none, or the shorthands'."""
        if self.transforms is not None:
            return self.transforms
        from layerscope.instruments.features.image import transforms as ways

        listed: list[Any] = []
        zooms = self.scale not in (None, (1, 1))
        if self.blur:
            listed.append(ways.blur(self.blur, falling=self.blur_falls))
        if self.pad:
            listed.append(ways.pad(self.pad, mode=self.pad_mode, p=self.p, until=self.pad_until))
        if self.jitter:
            listed.append(ways.jitter(self.jitter, p=self.p))
        if zooms:
            listed.append(ways.scale(self.scale or (1.0, 1.0)))
        if self.rotate:
            listed.append(ways.rotate(self.rotate))
        if self.jitter // 2 and (zooms or self.rotate):
            listed.append(ways.jitter(self.jitter // 2, p=self.p))
        if self.crop is not None:
            listed.append(ways.crop(self.crop, self.steps))
        if self.noise:
            listed.append(ways.noise(self.noise))
        return tuple(listed)

    def _in_proportion(self, shape: Sequence[int | None]) -> dict[str, Any]:
        """Return padding and jitter for an image smaller than the one they are meant for."""
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
        """Return the recipe for one input of this shape, without what only images can have.

        Of small images less is moved, unless it was said how much. Colours are decorrelated where
        there are three channels. Sequences have no transforms and no octaves, vectors no
        frequencies either. Transforms given as such are kept.
        """
        if len(shape) == 3:
            colours = self.decorrelate and shape[-1] == 3
            return dataclasses.replace(self, decorrelate=colours, **self._in_proportion(shape))
        flat = dataclasses.replace(
            self, decorrelate=False, octaves=1, detail=False, border=0,
            blur=0.0, pad=0, jitter=0, scale=None, rotate=0.0, crop=None,
            noise=0.0, copies=1,
        )  # fmt: skip
        if len(shape) == 2 or self.parameterization == "pixel":
            return flat
        start = "normal" if isinstance(self.start, str) and self.start == "fourier" else self.start
        return dataclasses.replace(flat, parameterization="pixel", start=start)


def recipe(which: str | Recipe = "lucid", **changes: Any) -> Recipe:
    """Return the recipe of that name, with values changed; None leaves one as it is.

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
    fields = [*value_forms()]
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


def value_forms() -> dict[str, ValueForm]:
    """Return the values that every recipe has, by name, in order; not what it is called."""
    fields = dataclasses.fields(Recipe)
    return {field.name: field.metadata["form"] for field in fields if "form" in field.metadata}


def _learning_rate(optimizer: Any) -> float | None:
    """Return that of one of Keras' optimizers; None where it has a schedule, or is none."""
    config = optimizer.get_config() if hasattr(optimizer, "get_config") else {}
    rate = config.get("learning_rate")
    return float(rate) if isinstance(rate, float) else None


def _near(name: Any, names: Any) -> str:
    hint = did_you_mean(str(name), names, most=1)
    return f" ({hint})" if hint else ""


def _brought_into_form(given: Recipe) -> dict[str, Any]:
    """Return the values that may be written in several ways, in the one they are kept in."""
    formed: dict[str, Any] = {}
    size: Any = given.size
    if is_whole(size):
        formed["size"] = (int(size), int(size))
    for field in ("size", "input_range", "scale", "crop", "transforms"):
        if isinstance(getattr(given, field), list):
            formed[field] = tuple(getattr(given, field))
    return formed


def _check(given: Recipe) -> None:
    """Raise InputError for the first value that makes no sense."""
    defaults = {field.name: field.default for field in dataclasses.fields(Recipe)}
    for name, form in value_forms().items():
        value = getattr(given, name)
        if value is not None or defaults[name] is not None:
            form.check(name, value)


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
        Recipe(
            name="maco", steps=256, step_size=0.1, optimizer="adam", normalize="none",
            start="fourier", parameterization="phase", decorrelate=True,
            copies=4, transparency=True, crop=(1.0, 0.5), noise=0.08,
        ),
    )
}  # fmt: skip
