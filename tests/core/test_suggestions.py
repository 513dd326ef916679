from __future__ import annotations

from layerscope.core.suggestions import did_you_mean

LAYERS = ["conv2d", "conv2d_1", "conv2d_2", "dense"]


def test_the_nearest_names_are_suggested_the_nearest_first() -> None:
    assert did_you_mean("conv2d_", LAYERS, most=2) == "did you mean 'conv2d_2' or 'conv2d_1'?"
    assert did_you_mean("dens", LAYERS) == "did you mean 'dense'?"


def test_nothing_is_suggested_where_no_name_is_near() -> None:
    assert did_you_mean("softmax", LAYERS) == ""
    assert did_you_mean("softmax", ()) == ""


def test_how_near_is_near_can_be_said() -> None:
    assert did_you_mean("den", ["dense_one"], cutoff=0.4) == "did you mean 'dense_one'?"
    assert did_you_mean("den", ["dense_one"]) == ""


def test_names_are_written_as_the_sentence_needs_them() -> None:
    written = did_you_mean("digit.png", ["digits.png"], write=lambda name: f"photos/{name}")
    assert written == "did you mean photos/digits.png?"
