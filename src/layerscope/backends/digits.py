"""Scikit-learn's digits as inputs: ``digits:7``, or ``digits`` for one of each."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from layerscope.backends.keras import digits_network
from layerscope.core.errors import InputError

_NAME = re.compile(r"digits(?::(?P<which>.*))?", re.DOTALL)


def with_samples(x: Any) -> Any:
    """Return what was passed, with images in place of the names of digits, in lists too.

    The images are 28×28, white on black, of digits that the demo's network was not trained on.

    Raises
    ------
    InputError
        When there is no such digit.
    MissingDependencyError
        When scikit-learn is not installed.
    """
    if isinstance(x, list | tuple) and any(is_digits(item) for item in x):
        parts = [image for item in x for image in (_images(item) if is_digits(item) else [item])]
        return parts if isinstance(x, list) else tuple(parts)
    if isinstance(x, dict) and any(is_digits(item) for item in x.values()):
        return {key: with_samples(item) for key, item in x.items()}
    if not is_digits(x):
        return x
    images = _images(x)
    return images if len(images) > 1 else images[0]


def is_digits(x: Any) -> bool:
    """Return whether x is the name of a digit, or of all of them."""
    if not isinstance(x, str) or _NAME.fullmatch(x) is None:
        return False
    return not Path(x).is_file()  # a file that is there is a file, whatever its name


def _images(name: str) -> list[Any]:
    match = _NAME.fullmatch(name)
    which = None if match is None else match["which"]
    if which is not None and which not in map(str, range(10)):
        raise InputError(
            f"{name!r}: write digits:0 to digits:9 for a digit, or digits for one of each."
        )
    digits = digits_network.load("digits")
    return [_image(digits, int(d)) for d in (which or "0123456789")]


def _image(digits: digits_network.Digits, digit: int) -> Any:
    from PIL import Image

    pixels = digits.x_held_out[digits.y_held_out == digit][0, :, :, 0]
    image = Image.fromarray((pixels * 255).round().astype("uint8"))
    image.filename = f"digits:{digit}"  # type: ignore[attr-defined]  # as images from files have one
    return image
