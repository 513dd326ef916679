"""``layerscope compare``: exit codes, figures in a file, pictures in a folder."""

from __future__ import annotations

import json

import keras
import numpy as np
import pytest


@pytest.fixture(scope="module")
def other(tiny, tmp_path_factory):
    """The network of ``tiny``, one of its weights another."""
    model = keras.saving.load_model(tiny)
    kernel, bias = model.get_layer("out").get_weights()
    model.get_layer("out").set_weights([kernel * 1.5, bias])
    path = tmp_path_factory.mktemp("other") / "other.keras"
    model.save(path)
    return str(path)


@pytest.fixture
def array(tmp_path):
    np.save(tmp_path / "x.npy", np.random.default_rng(0).random((3, 20, 20, 3), np.float32))
    return str(tmp_path / "x.npy")


def test_the_same_is_exit_code_0(shell, tiny, array):
    code, out, _ = shell("compare", tiny, tiny, array)
    assert code == 0
    assert "All 4 layers that have a partner agree within the noise." in out


def test_what_parts_is_exit_code_1_with_figures_and_pictures(shell, tiny, other, array, tmp_path):
    options = ("--json", "figures.json", "--out", "pictures")
    code, out, err = shell("compare", tiny, other, array, *options)
    assert code == 1
    assert "tiny.keras against other.keras" in out
    assert "The first layer beyond the noise is 'out'." in out
    assert (
        "Why: the kernel of 'out' is another in the other: apart from the one's by 5.0e-01" in out
    )
    assert "Written to figures.json\nWritten to pictures/\n" in err
    figures = json.loads((tmp_path / "here" / "figures.json").read_text())
    assert (figures["same"], figures["first"]) == (False, "out")
    assert [layer["parts"] for layer in figures["layers"]] == [False, False, False, True]
    names = {path.name for path in (tmp_path / "here" / "pictures").iterdir()}
    assert names == {"diagram.png", "first.png", "similarity.png"}
    # Nothing that is there is replaced, and what is wrong is said before anything is run.
    code, _, err = shell("compare", tiny, other, array, *options)
    assert code == 2
    assert "There is a file 'figures.json' already" in err


def test_a_tolerance_may_take_it_for_the_same(shell, tiny, other, array):
    assert shell("compare", tiny, other, array, "--tolerance", 0.6)[0] == 0
    assert shell("compare", tiny, other, array, "--tolerance", 0.1)[0] == 1


def test_what_can_not_be_compared_is_exit_code_2(shell, tiny, array):
    code, _, err = shell("compare", tiny, tiny)
    assert code == 2
    assert "Two models are compared on an input: pass compare(model_a, model_b, x)." in err
    code, _, err = shell("compare", tiny, "nothing.keras", array)
    assert code == 2
    assert "nothing.keras" in err
    assert "Traceback" not in err


def test_recordings_are_compared_without_an_input(shell, tiny, other, array):
    for number, model in enumerate((tiny, other)):
        shell("record", model, "--probe", array, "--dtype", "float32", "-o", f"{number}.zarr")
    code, out, _ = shell("compare", "0.zarr", "1.zarr")
    assert code == 1
    assert "The first layer beyond the noise is 'out'." in out
    assert "the kernel of 'out' is another in the other" in out
    assert shell("compare", "0.zarr", tiny)[0] == 0
    code, _, err = shell("compare", "0.zarr", "1.zarr", array)
    assert code == 2
    assert "two recordings have their own inputs, leave it out" in err
