from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from layerscope.views.render import text
from layerscope.views.render.palette import GROUND, INK

WORDS = st.text(st.characters(min_codepoint=32, max_codepoint=0x17F, exclude_categories=["C"]),
                max_size=8)  # fmt: skip


@given(WORDS, st.sampled_from([9, 11, 15]))
def test_a_mask_is_as_wide_as_its_letters(words: str, size: int) -> None:
    covered = text.mask(words, size)
    assert covered.shape == (text.line_height(size), text.width(words, size))
    assert text.width(words, size) == sum(text.width(letter, size) for letter in words)


@pytest.mark.parametrize("sign", "×·…–²aW0")
def test_the_signs_that_scales_need_are_in_the_font(sign: str) -> None:
    missing = text.mask("\uffff", 15)
    own = text.mask(sign, 15)
    assert own.any()
    assert own.shape != missing.shape or (own != missing).any()


@given(WORDS, st.integers(0, 9), st.integers(0, 9))
def test_written_text_goes_from_ground_to_ink_and_nowhere_else(words: str, x: int, y: int) -> None:
    canvas = np.full((30, 120), GROUND, np.uint8)
    text.write(canvas, words, x, y, 9)
    assert canvas.min() >= GROUND
    assert canvas.max() <= INK
    outside = np.ones(canvas.shape, bool)
    outside[y : y + text.line_height(9), x : x + text.width(words, 9)] = False
    assert (canvas[outside] == GROUND).all()
    covered = text.mask(words, 9)
    own = canvas[y : y + covered.shape[0], x : x + covered.shape[1]]
    assert ((own > GROUND) == (covered / 255 * (INK - GROUND) > 0.5)).all()


def test_solid_text_has_one_colour() -> None:
    canvas = np.zeros((20, 60), np.uint8)
    text.write_solid(canvas, "-12.5", 5, 3, 9, 253)
    assert set(np.unique(canvas)) == {0, 253}
    text.write_solid(canvas, "-12.5", 50, 15, 9, 253)  # clipped at the edges
