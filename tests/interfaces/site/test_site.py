"""The site's files: what is in them, and that they are whole, resumed, and never of two surveys."""

from __future__ import annotations

import base64
import json
import re

import numpy as np
import pytest
from PIL import Image

import layerscope
from cases.digit_surveys import digit_survey, of_layers
from layerscope.core.errors import InputError, OutputError
from layerscope.interfaces.site.layer_files import EACH, PER_FILE, SIDE
from layerscope.interfaces.site.site import INDEX, LAYERS

pytest.importorskip("torch")
pytest.importorskip("sklearn")


@pytest.fixture(scope="module")
def survey():
    return digit_survey()


@pytest.fixture(scope="module")
def small(survey):
    return of_layers(survey, "conv", "dense")


@pytest.fixture(scope="module")
def made(survey, tmp_path_factory):
    return layerscope.site(survey, tmp_path_factory.mktemp("site") / "site").parent


def index_of(folder):
    text = (folder / INDEX).read_text(encoding="utf-8")
    match = re.search(r'<script type="application/json" id="data">(.*?)</script>', text)
    return json.loads(match[1])


def units_of(folder, layer):
    units = []
    for path in sorted((folder / LAYERS / layer["folder"]).glob("*.js")):
        match = re.fullmatch(r'layerscopeUnits\("([^"]+)", (.*)\);\n', path.read_text("ascii"))
        assert match[1] == f"{layer['folder']}/{path.stem}"
        units += json.loads(match[2])
    return units


def contents(folder):
    return {p.relative_to(folder): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_every_layer_and_unit_is_in_it(survey, made):
    index = index_of(made)
    assert [layer["address"] for layer in index["layers"]] == list(survey)
    assert index["samples"] == survey.count == 1797
    assert index["labels"] == list(survey.labels)
    for layer in index["layers"]:
        dataset = survey[layer["address"]]
        assert len(units_of(made, layer)) == layer["units"] == dataset.sizes["unit"]
        most = np.frombuffer(base64.b64decode(layer["most"]), "<f4")
        np.testing.assert_array_equal(most, dataset["max"].values.astype(np.float32))
        never = np.flatnonzero(np.frombuffer(base64.b64decode(layer["never"]), np.uint8))
        assert never.tolist() == survey.never_fired(layer["address"])


def test_figures_are_those_of_the_survey(survey, made):
    layer = next(x for x in index_of(made)["layers"] if x["address"] == "relu_1")
    dataset = survey["relu_1"]
    for unit, facts in enumerate(units_of(made, layer)):
        figures = facts["figures"]
        for name in ("mean", "std", "min", "max", "zeros", "silent", "nonfinite"):
            assert figures[name] == pytest.approx(float(dataset[name][unit]), rel=1e-6), name
        values = [value for _, value in facts["quantiles"]]
        np.testing.assert_allclose(values, dataset["quantile"][unit])
        histogram = facts["histogram"]
        counted = int(dataset["histogram"][unit].sum())
        if histogram["high"] > histogram["low"]:
            assert histogram["zeros"] + sum(histogram["counts"]) == counted
        np.testing.assert_allclose(facts["labels"], dataset["label_mean"][:, unit])
        for kind in ("top", "weak"):
            values = [value for value, *_ in facts[kind]]
            expected = dataset[f"{kind}_value"].values[unit, :EACH]
            if kind == "top" and layer["silence"]:  # where it is silent is no example
                expected = expected[expected != 0]
            np.testing.assert_allclose(values, expected)


def test_preferred_labels_are_those_of_the_highest_mean(survey, made):
    for layer in index_of(made)["layers"]:
        preferred = np.frombuffer(base64.b64decode(layer["label"]), "<i2")
        means = survey[layer["address"]]["label_mean"].values
        alike = means.max(axis=0) == means.min(axis=0)
        np.testing.assert_array_equal(preferred[~alike], means.argmax(axis=0)[~alike])
        assert (preferred[alike] == -1).all()


def test_pictures_have_a_row_for_each_unit(survey, made):
    for layer in index_of(made)["layers"]:
        folder = made / LAYERS / layer["folder"]
        for number, first in enumerate(range(0, layer["units"], PER_FILE)):
            with Image.open(folder / f"{number:04d}{layer['ending']}") as image:
                rows = min(PER_FILE, layer["units"] - first)
                assert image.size == (3 * EACH * SIDE, rows * SIDE)
                assert np.asarray(image.convert("L")).std() > 0


def test_it_goes_on_where_it_was_stopped(small, tmp_path):
    stopped = []

    def stop(done, total):
        stopped.append((done, total))
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        layerscope.site(small, tmp_path / "site", progress=stop)
    made = layerscope.site(small, tmp_path / "whole").parent
    before = contents(tmp_path / "site")
    assert 0 < len(before) < len(contents(made))
    assert not (tmp_path / "site" / INDEX).exists()
    times = {path: (tmp_path / "site" / path).stat().st_mtime_ns for path in before}
    layerscope.site(small, tmp_path / "site")
    assert contents(tmp_path / "site") == contents(made)
    assert {path: (tmp_path / "site" / path).stat().st_mtime_ns for path in before} == times


def test_a_file_in_the_place_of_the_folder_is_an_error(small, tmp_path):
    (tmp_path / "site").write_text("notes")
    with pytest.raises(OutputError, match="site"):
        layerscope.site(small, tmp_path / "site")
    assert (tmp_path / "site").read_text() == "notes"


def test_the_site_of_another_survey_is_not_mixed_with_this_one(survey, small, tmp_path):
    folder = tmp_path / "site"
    half = layerscope.site(small, folder).parent
    other = of_layers(survey, "dense")
    before = contents(half)
    with pytest.raises(OutputError, match="holds the site of another survey"):
        layerscope.site(other, folder)
    assert contents(half) == before
    layerscope.site(other, folder, overwrite=True)
    assert [layer["address"] for layer in index_of(folder)["layers"]] == ["dense"]
    assert len(list((folder / LAYERS).iterdir())) == 1


def test_a_folder_of_something_else_is_left_alone(small, tmp_path):
    (tmp_path / "thesis.txt").write_text("all of it")
    with pytest.raises(OutputError, match="is not empty"):
        layerscope.site(small, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_what_is_no_survey_is_an_error(tmp_path):
    with pytest.raises(InputError, match="A site is made of a survey, and this is str"):
        layerscope.site("survey.zarr", tmp_path / "site")
    assert not (tmp_path / "site").exists()


def numbers(*shape):
    return np.random.RandomState(0).normal(size=shape).astype(np.float32)


def networks():
    """Networks of several kinds of input, and samples for each."""
    from torch import nn

    sound = nn.Sequential(nn.Conv1d(1, 4, 9), nn.ReLU(), nn.AdaptiveAvgPool1d(1), nn.Flatten())
    table = nn.Sequential(nn.Linear(5, 4), nn.ReLU())
    words = nn.Sequential(nn.Embedding(20, 4), nn.Flatten(), nn.Linear(28, 3))
    tokens = np.random.RandomState(0).randint(0, 20, (40, 7))
    return {
        "signals": (sound, numbers(40, 1, 200)),
        "rows": (table, numbers(40, 5)),
        "words": (words, tokens),
    }


@pytest.mark.parametrize(
    ("kind", "box", "has_grid"),
    [("signals", [182, 60], True), ("rows", [300, 96], False), ("words", [300, 96], False)],
)
def test_samples_of_each_kind_are_seen(kind, box, has_grid, tmp_path):
    made = layerscope.survey(*networks()[kind], progress=False)
    folder = layerscope.site(made, tmp_path / "site").parent
    for layer in index_of(folder)["layers"]:
        assert (layer["box"], layer["grid"]) == (box, has_grid)
        inside = folder / LAYERS / layer["folder"]
        assert bool(list(inside.glob("grid-*"))) is has_grid
        with Image.open(inside / f"0000{layer['ending']}") as image:
            assert image.size == (3 * EACH * box[0], layer["units"] * box[1])
            assert np.asarray(image.convert("L")).std() > 0


def test_a_survey_whose_samples_were_not_kept_has_figures_alone(small, tmp_path):
    from layerscope.recordings.survey.survey import SurveyedSample

    samples = {n: SurveyedSample(n, f"sample {n}") for n in small.samples}
    bare = type(small)(
        small.tallies, network=small.network, ranges=small.ranges, samples=samples, top=small.top
    )
    folder = layerscope.site(bare, tmp_path / "site").parent
    for layer in index_of(folder)["layers"]:
        assert layer["ending"] == ""
        assert {path.suffix for path in (folder / LAYERS / layer["folder"]).iterdir()} == {".js"}
        assert len(units_of(folder, layer)) == layer["units"]
