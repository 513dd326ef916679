from __future__ import annotations

import numpy as np
import pytest
from matplotlib.figure import Figure

from cases.recordings import named
from cases.visualizations import IMAGES, coloured, stripes, visualization
from layerscope import curves
from layerscope.core.errors import ViewError


def legend_of(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.axes[0].texts]


def test_a_curve_for_each_image() -> None:
    features = coloured()
    panel = curves(features)
    (chart,) = panel.header["charts"]
    drawn = {one["name"]: panel.numbers(one["y"]) for one in chart["series"]}
    for name in features.images:
        assert (drawn[name] == features.history.sel(image=name).values).all()
    legend = legend_of(panel.figure())
    assert legend[0] == "dashed: the samples' largest"
    assert sorted(legend[1:4]) == ["deep:3", "deep:42", "deep:57"]
    assert panel.header["title"] == "feature visualization of deep over 20 steps"
    assert panel.header["notes"] == list(map(str, features.grades))
    assert panel.provenance() == {"model": "abc"}


def test_octaves_begin_at_a_line() -> None:
    panel = curves(coloured(grades=()))
    marks = [(mark["at"], mark["text"]) for mark in panel.header["marks"]]
    assert marks == [(10, "octave 2")]
    (ax,) = panel.figure().axes
    assert [line.get_xdata()[0] for line in ax.lines[3:]] == [10]
    assert ax.texts[-1].get_text() == "octave 2"
    short = coloured(history=np.ones((8, 3)), grades=())
    assert not curves(short).header["marks"]
    assert not curves(coloured(settings={}, grades=())).header["marks"]


def test_what_the_samples_reach_is_a_line_across() -> None:
    (ax,) = curves(coloured((42,), settings={})).figure().axes
    curve, across = ax.lines
    assert across.get_ydata() == [2.5, 2.5]
    assert across.get_color() == curve.get_color()


def test_of_many_images_those_that_end_highest_and_lowest_are_named() -> None:
    panel = curves(coloured(range(30)))
    named = [f"deep:{i}" for i in (0, 1, 2, 3, 4, 25, 26, 27, 28, 29)]
    assert set(legend_of(panel.figure())) >= set(named)
    assert len(panel.header["charts"][0]["series"]) == 30
    assert panel.header["notes"][-1] == "and 25 more grades"


def test_an_end_before_its_time_is_told() -> None:
    title = curves(coloured(interrupted=True)).header["title"]
    assert title.endswith("over 20 steps, interrupted")


def test_a_logarithm_is_of_what_is_positive() -> None:
    assert curves(coloured(), logarithmic=True).figure().axes[0].get_yscale() == "log"
    with pytest.raises(ViewError, match="needs an objective that is positive at every step"):
        curves(coloured(history=np.zeros((3, 3))), logarithmic=True)


def test_without_a_history_there_is_nothing_to_draw() -> None:
    with pytest.raises(ViewError, match="this visualization holds no history"):
        curves(visualization({"deep": named(stripes(1), IMAGES)}))
