from __future__ import annotations

import numpy as np
import pytest

from layerscope.core.errors import ViewError
from layerscope.views.render import palette

NAMES = ["viridis", "gray", "grey", "diverging", "magma", "RdBu_r"]


@pytest.mark.parametrize("ground", ["dark", "light"])
@pytest.mark.parametrize("name", NAMES)
def test_levels_are_the_colours_of_the_palette(name: str, ground: str) -> None:
    import matplotlib as mpl

    colours = palette.table(name, ground)
    assert colours.shape == (256, 3)
    map_ = mpl.colormaps[palette.known(name)]
    for level in (0, 1, 119, 200, palette.LEVELS - 1):
        expected = [round(255 * c) for c in map_(level / (palette.LEVELS - 1))[:3]]
        assert np.abs(colours[level].astype(int) - expected).max() <= 1


def test_the_middle_of_a_diverging_palette_is_its_palest() -> None:
    colours = palette.table("diverging", "dark")[: palette.LEVELS].astype(int)
    assert palette.LEVELS == 2 * 119 + 1
    assert colours.sum(axis=1).argmax() == 119


@pytest.mark.parametrize("name", NAMES)
def test_what_is_no_number_has_a_colour_that_no_value_has(name: str) -> None:
    colours = [tuple(colour) for colour in palette.table(name, "dark").tolist()]
    special = [colours[i] for i in (palette.NAN, *range(241, 243))]
    assert len(set(special)) == 3
    assert not set(special) & set(colours[: palette.LEVELS])


def test_grounds_are_dark_and_light() -> None:
    dark, light = (palette.table("viridis", ground) for ground in ("dark", "light"))
    assert dark[palette.GROUND].sum() < dark[palette.INK].sum()
    assert light[palette.GROUND].sum() > light[palette.INK].sum()
    assert (dark[: palette.LEVELS] == light[: palette.LEVELS]).all()
    # Text goes from the one to the other in even steps.
    ramp = dark[palette.GROUND : palette.INK + 1].astype(int)
    assert (np.diff(ramp, axis=0) > 0).all()


def test_tables_can_not_be_changed() -> None:
    with pytest.raises(ValueError, match="read-only"):
        palette.table("viridis", "dark")[0] = 0


@pytest.mark.parametrize(
    ("name", "diverging"),
    [
        ("diverging", True),
        ("RdBu", True),
        ("coolwarm_r", True),
        ("viridis", False),
        ("gray", False),
    ],
)
def test_which_palettes_diverge(name: str, diverging: bool) -> None:
    assert palette.is_diverging(name) == diverging


def test_unknown_palettes_suggest_near_ones() -> None:
    with pytest.raises(ViewError, match="There is no palette 'virids': did you mean 'viridis'"):
        palette.known("virids")
    with pytest.raises(ViewError, match="There is no palette '123': try 'viridis'"):
        palette.known("123")


def test_unknown_ground() -> None:
    with pytest.raises(ViewError, match="no ground 'blue': 'dark' and 'light' are known"):
        palette.table("viridis", "blue")
