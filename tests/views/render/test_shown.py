"""What a notebook asks of a figure that it is to show."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from cases.recordings import MAPS, maps, named, recording
from cases.runs import learner
from layerscope import curves, sheet

PNG = b"\x89PNG\r\n\x1a\n"


@pytest.mark.parametrize(
    "figure",
    [
        curves(learner()).figure(),
        curves({"loss": [2.0, 1.0, 0.5]}).figure(),
        sheet(recording({"conv": named(np.abs(maps(4).values), MAPS)}), "conv").figure(),
    ],
)
def test_a_figure_shows_itself(figure: Any) -> None:
    assert figure._repr_png_().startswith(PNG)
