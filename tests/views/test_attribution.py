"""Pictures of maps: made of arrays by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import layerscope as ls
from layerscope.core.axes import NamedArray
from layerscope.core.network import Layer, Network
from layerscope.errors import AddressError, ViewError
from layerscope.recordings.attribution import Attribution, MapCheck
from layerscope.views.attribution_pictures import MapStyle, colours_of, picture
from layerscope.views.survey.painting import Inks

NETWORK = Network("net", "none", (Layer("o", "Dense"),))
STYLE = MapStyle(Inks.of("dark"), 32)


def maps(values: Any, axes: tuple[str, ...], given: Any, of: tuple[str, ...], **more: Any) -> Any:
    return Attribution(
        {"saliency": {"input": NamedArray(np.asarray(values, np.float32), axes)}},
        network=NETWORK,
        inputs={"input": NamedArray(np.asarray(given), of)},
        targets=["o:1, its logit"] * len(values),
        scores=np.arange(len(values)),
        settings={"saliency": {}},
        **more,
    )


def image_maps() -> Attribution:
    values = np.zeros((2, 4, 4))
    values[:, 1, 2], values[:, 3, 0] = 2, -1
    given = np.full((2, 4, 4, 1), 0.5, np.float32)
    made: Attribution = maps(values, ("sample", "y", "x"), given, ("sample", "y", "x", "channel"))
    return made


def test_a_row_for_each_sample_and_a_line_under_each_map() -> None:
    made = image_maps()
    panel = ls.sheet(made)
    assert panel.header["columns"] == 2
    labels = [tile["label"] for tile in panel.header["tiles"]]
    assert labels == ["sample 0", "saliency", "sample 1", "saliency"]
    assert "o:1, its logit" in panel.header["title"]
    assert ls.sheet(made, sample=1).header["tiles"][0]["label"] == "sample 1"
    assert panel.png()[:4] == b"\x89PNG"


def test_what_speaks_for_is_red_and_what_speaks_against_blue() -> None:
    made = image_maps()
    given = NamedArray(np.full((4, 4, 1), 0.5), ("y", "x", "channel"))
    drawn = picture(made.map("saliency"), given, (0, 1), STYLE).astype(int)
    red, blue, none = drawn[12, 20], drawn[28, 4], drawn[4, 4]
    assert red[0] > red[2] + 40
    assert blue[2] > blue[0] + 20
    assert np.ptp(none) == 0


def test_zero_is_in_the_middle_of_the_palette() -> None:
    colours, share = colours_of(np.array([-1.0, 0.0, 1.0, 4.0]), STYLE)
    assert share == pytest.approx([0.25, 0, 0.25, 1], abs=0.01)
    middle, _ = colours_of(np.array([0.0, -1.0]), STYLE)
    np.testing.assert_array_equal(colours[1], middle[0])


@pytest.mark.parametrize("style", ["heat", "map", "contour", "top"])
def test_every_style_draws_another_picture(style: str) -> None:
    made = image_maps()
    others = {s: ls.sheet(made, style=s).png() for s in ("heat", "map", "contour", "top")}
    assert sum(one == others[style] for one in others.values()) == 1


def test_the_top_tenth_is_left_and_the_rest_dimmed() -> None:
    values = np.arange(100.0).reshape(1, 10, 10)
    given = np.full((1, 10, 10, 1), 0.5, np.float32)
    made = maps(values, ("sample", "y", "x"), given, ("sample", "y", "x", "channel"))
    style = MapStyle(Inks.of("dark"), 10, kind="top")
    drawn = picture(made.map(), NamedArray(given[0], ("y", "x", "channel")), (0, 1), style)
    assert (drawn[:9] < 40).all()
    assert (drawn[9] > 100).all()


def test_strength_is_how_much_of_the_map_is_seen() -> None:
    made = image_maps()
    given = NamedArray(np.full((4, 4, 1), 0.5), ("y", "x", "channel"))
    weak, strong = (
        picture(made.map(), given, (0, 1), MapStyle(Inks.of("dark"), 32, strength=s)).astype(int)
        for s in (0.2, 1.0)
    )
    assert np.ptp(weak[12, 20]) < np.ptp(strong[12, 20])


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (np.zeros((1, 2, 2)), "zero everywhere"),
        (np.ones((1, 2, 2)), "the same everywhere"),
        (np.array([[[0.0, 1], [2, 3]]]), "nothing negative"),
        (-np.array([[[0.0, 1], [2, 3]]]), "nothing positive"),
        (np.array([[[0.0, np.nan], [2, -3]]]), "1 values are NaN"),
    ],
)
def test_flat_and_one_signed_maps_say_so(values: Any, words: str) -> None:
    given = np.zeros((1, 2, 2, 1), np.float32)
    made = maps(values, ("sample", "y", "x"), given, ("sample", "y", "x", "channel"))
    assert words in made.line("saliency")
    ls.sheet(made).png()


def test_gaps_and_checks_stand_in_the_line() -> None:
    made = maps(
        [[1.0, -2.0]], ("sample", "unit"), [[1.0, 2.0]], ("sample", "unit"),
        gaps={"saliency": [0.25]}, names=["height", "width"],
    )  # fmt: skip
    made.checks = (MapCheck("saliency", 0, sensitivity=0.5, words=("it is unsteady",)),)
    assert made.line("saliency") == "completeness gap 25 % – too large; it is unsteady"
    assert made.line("saliency", brief=True).endswith("; noise 50 %")
    ls.sheet(made).png()


def test_words_signals_and_volumes_are_drawn() -> None:
    tokens = maps(
        [[1.0, -2.0, 0.5]], ("sample", "position"), [[3, 1, 2]], ("sample", "unit"),
        tokens=["input"], words={1: "<b>one</b>", 2: "two"},
    )  # fmt: skip
    signal = maps(
        np.ones((1, 50)), ("sample", "position"), np.random.default_rng(0).random((1, 50, 1)),
        ("sample", "position", "channel"),
    )  # fmt: skip
    volume = maps(
        np.arange(24.0).reshape(1, 2, 3, 4), ("sample", "z", "y", "x"),
        np.zeros((1, 2, 3, 4, 1)), ("sample", "z", "y", "x", "channel"),
    )  # fmt: skip
    for made in (tokens, signal, volume):
        assert ls.sheet(made).png()[:4] == b"\x89PNG"


def test_vectors_that_are_images_are_drawn_as_such() -> None:
    made = maps(
        np.arange(12.0).reshape(1, 12), ("sample", "unit"), np.zeros((1, 12)), ("sample", "unit")
    )
    shaped, plain = ls.sheet(made, reshape=(3, 4)), ls.sheet(made)
    assert shaped.header["size"] != plain.header["size"]
    with pytest.raises(ViewError, match="make no image"):
        ls.sheet(made, reshape=(5, 5))


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"style": "fire"}, ViewError, "style='fire': pass one of 'heat'"),
        ({"strength": 2}, ViewError, "strength=2: pass a number from 0 to 1"),
        ({"address": "lrp"}, AddressError, "no map by 'lrp': there are 'saliency'"),
        ({"sample": 7}, AddressError, "no sample 7: there are 2"),
    ],
)
def test_what_can_not_be_drawn_is_one_sentence(
    options: dict[str, Any], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        ls.sheet(image_maps(), **options)


def test_a_single_strong_place_of_a_long_signal_is_seen_through_its_line() -> None:
    given = np.tile([-1.0, 1.0], 2000)[:, None]  # an oscillation that fills all of the picture
    values = np.zeros(4000)
    flat = picture(
        NamedArray(values, ("position",)),
        NamedArray(given, ("position", "channel")),
        (-1, 1),
        STYLE,
    )
    values[1001] = -3
    spiked = picture(
        NamedArray(values, ("position",)),
        NamedArray(given, ("position", "channel")),
        (-1, 1),
        STYLE,
    )
    (column,) = np.flatnonzero((flat != spiked).any(axis=(0, 2)))
    assert column == 1001 * spiked.shape[1] // 4000
