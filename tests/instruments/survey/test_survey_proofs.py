"""What a survey says that units look for is what they look for: on photographs, hue and stripes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("keras")

import layerscope as ls
from cases.textures import HUES, ORIENTATIONS, apart, orientation_of, texture_network
from layerscope.recordings.survey.survey import Survey

pytestmark = pytest.mark.one_backend

#: Of colours as (red, green, blue): how far from grey, red at 0° and green at 120°.
PLANE = np.array([[2, -1, -1], [0, 1, -1]]) / np.sqrt([[6], [2]])


def crops(real: Path, count: int) -> Any:
    """Crops of photographs, 32×32, with their colours in every order.

    Photographs hold more orange and blue than anything else; so no hue is there more than another.
    """
    draw = np.random.RandomState(0)
    names = ("astronaut", "chelsea", "coffee")
    photos = [Image.open(real / "images" / f"{name}.png").convert("RGB") for name in names]
    made = []
    for number in range(count):
        photo, side = photos[number % len(photos)], int(draw.choice([32, 48, 64, 96]))
        x, y = draw.randint(photo.width - side + 1), draw.randint(photo.height - side + 1)
        crop = photo.crop((x, y, x + side, y + side)).resize((32, 32), Image.Resampling.BILINEAR)
        made.append((np.asarray(crop, np.float32) / 255)[..., draw.permutation(3)])
    return np.stack(made)


def seen_on_average(survey: Survey, address: str) -> Any:
    """What a unit sees on its strongest samples, on average, apart from what is even."""
    boxes = []
    for example in survey.examples(address):
        (received,) = example.sample.inputs.values()
        y, x = example.place
        box = received.values[0, 2 * y : 2 * y + 7, 2 * x : 2 * x + 7]
        boxes.append(box - box.mean((0, 1)))
    return np.mean(boxes, axis=0)


def hue_axis(image: Any) -> float:
    """The axis of hue along which an image's colours vary most, 0 to 180 degrees."""
    _, _, axes = np.linalg.svd(image.reshape(-1, 3) @ PLANE.T, full_matrices=False)
    return float(np.rad2deg(np.arctan2(axes[0, 1], axes[0, 0])) % 180)


def test_units_prefer_the_hue_and_the_orientation_that_they_were_made_for(real: Path) -> None:
    # Hues are 60° apart as axes, orientations 45°; each unit's is the nearest with room to spare.
    survey = ls.survey(texture_network(), crops(real, 3000), "conv2d", top=64, progress=False)
    assert survey.count == 3000
    for unit in range(27):
        hue, shape = HUES[unit // 9], unit % 9
        seen = seen_on_average(survey, f"conv2d:{unit}")
        assert apart(hue_axis(seen), hue, 180) < 20
        if shape < 8:  # the others are blobs
            assert apart(orientation_of(seen), ORIENTATIONS[shape // 2], 180) < 15
