"""``layerscope features``: what it writes, what it says, and how it goes on once stopped."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import layerscope as ls
from layerscope.backends.opening import load_model
from layerscope.instruments.features import every_unit
from layerscope.instruments.features import features as instrument
from layerscope.instruments.features.image.recipes import Recipe, recipe, value_forms
from layerscope.instruments.features.unit_files import UnitFiles
from layerscope.instruments.features.unit_settings import samples_text
from layerscope.interfaces.cli import command_parser
from layerscope.interfaces.cli.features import groups_of
from layerscope.interfaces.cli.recipes import Making

FEW = ("--steps", "3", "--recipe", "tutorial")


def names(folder):
    return sorted(path.relative_to(folder).as_posix() for path in Path(folder).rglob("*.*"))


def pixels(path):
    with Image.open(path) as picture:
        return np.asarray(picture)


def recipe_of(*argv):
    args = command_parser().parse_args(["features", "model.keras", "conv2d", *argv])
    return Making.of(args).options.recipe


class Calls:
    """Calls of ``visualized``, of which Ctrl-C can stop one."""

    def __init__(self, real):
        self.real = real
        self.count = self.stopped = 0

    def __call__(self, *args, **kwargs):
        self.count += 1
        if self.count == self.stopped:
            raise KeyboardInterrupt
        return self.real(*args, **kwargs)


@pytest.fixture
def calls(monkeypatch):
    counted = Calls(instrument.visualized)
    for module in (instrument, every_unit):
        monkeypatch.setattr(module, "visualized", counted)
    return counted


def test_a_picture_for_each_address_and_a_sheet_for_several_of_a_layer(shell, tiny):
    code, out, err = shell("features", tiny, "first:1", "out:4", "first:0", *FEW)
    assert (code, err) == (0, "")
    assert names("layerscope-tiny-features") == [
        "01-first_1.png",
        "02-out_4.png",
        "03-first_0.png",
        "04-first.png",
        "curves-1.png",
        "curves-2.png",
    ]
    made = ls.features(
        load_model(tiny), ls.objectives.units("first", [1, 0]), recipe="tutorial", steps=3
    )
    expected = ls.sheet(made, "first:0").save("expected.png")
    np.testing.assert_array_equal(
        pixels("layerscope-tiny-features/03-first_0.png"), pixels(expected or "expected.png")
    )
    for grade in made.grades:
        assert str(grade) in out.splitlines()
    assert out.splitlines()[-1] == "Written to layerscope-tiny-features/"


def test_a_neuron_and_a_layer_stand_alone(shell, tiny):
    code, _, err = shell("features", tiny, "first:1@2,3", "pool", *FEW, "--out", "out")
    assert (code, err) == (0, "")
    assert names("out") == ["01-first_1_2_3.png", "02-pool.png", "curves-1.png", "curves-2.png"]


def test_together_is_one_image_of_the_sum(shell, tiny):
    code, out, _ = shell("features", tiny, "first", "pool", "--together", *FEW, "--out", "out")
    assert code == 0
    assert names("out") == ["01-first_pool.png", "curves.png"]
    made = ls.features(load_model(tiny), ["first", "pool"], recipe="tutorial", steps=3)
    assert str(made.grades[0]) in out
    assert made.grades[0].address == "first + pool"


def test_several_seeds_and_samples(shell, tiny, image):
    code, out, _ = shell(
        *("features", tiny, "first:1", *FEW, "--seed", "4", "--batch", "2", "--size", "20"),
        *("--samples", image, image, "--out", "out"),
    )
    assert code == 0
    assert [line.split(":")[:2] for line in out.splitlines() if "samples' largest" in line] == [
        ["first", "1 [0]"],
        ["first", "1 [1]"],
    ]


@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        ((), recipe("lucid")),
        (("--start", "zeros"), recipe("lucid", start="zeros")),
        (("--start", "photo.png"), recipe("deepdream", start="photo.png")),
        (
            ("--start", "photo.png", "--recipe", "chollet"),
            recipe("chollet", start="photo.png"),
        ),
        (("--transforms", "none"), recipe("lucid", transforms=[])),
        (
            ("--transforms", "jitter(8), flip('x', p=0.5)"),
            recipe("lucid", transforms=[ls.transforms.jitter(8), ls.transforms.flip("x", p=0.5)]),
        ),
        (
            ("--recipe", "maco", "--copies", "2", "--crop", "0.9,0.2", "--noise", "0",
             "--no-transparency"),
            recipe("maco", copies=2, crop=(0.9, 0.2), noise=0.0, transparency=False),
        ),
        (("--size", "30"), recipe("lucid", size=(30, 30))),
        (("--size", "30,40"), recipe("lucid", size=(30, 40))),
        (("--input-range=-1,1",), recipe("lucid", input_range=(-1, 1))),
        (("--no-decorrelate", "--detail"), recipe("lucid", decorrelate=False, detail=True)),
        (
            (
                *("--steps", "7", "--step-size", "0.5", "--optimizer", "ascent", "--octaves", "2"),
                *("--octave-scale", "1.5", "--normalize", "l2", "--contrast", "0.5"),
                *("--parameterization", "pixel", "--bounds", "clip", "--border", "1"),
                *("--blur", "0.5", "--pad", "0", "--jitter", "1", "--scale", "1,1"),
                *("--rotate", "5"),
            ),
            recipe(
                "lucid", steps=7, step_size=0.5, optimizer="ascent", octaves=2, octave_scale=1.5,
                normalize="l2", contrast=0.5, parameterization="pixel", bounds="clip", border=1,
                blur=0.5, pad=0, jitter=1, scale=(1.0, 1.0), rotate=5.0,
            ),
        ),
    ],
)  # fmt: skip
def test_options_are_the_values_of_the_recipe(argv, expected):
    assert recipe_of(*argv) == expected


def test_the_spectrum_and_what_is_normal_are_those_of_a_folder_of_photos(shell, tiny, tmp_path):
    random = np.random.default_rng(0)
    photos = tmp_path / "photos"
    photos.mkdir()
    for number in range(20):
        shades = random.integers(0, 256, (5, 5, 3), dtype=np.uint8)
        Image.fromarray(shades).resize((40, 40)).save(photos / f"{number:02}.png")
    maco = ("--recipe", "maco", "--steps", "2", "--out", "out")
    code, out, err = shell("features", tiny, "out:1", *maco, "--samples", str(photos))
    assert (code, err) == (0, "")
    assert "on 20 samples (likeness to it in first predicts the unit by" in out
    assert "Note:" not in out
    assert names("out") == ["01-out_1.png", "curves.png"]


def test_samples_are_those_of_a_survey(shell, tiny, tmp_path):
    data = np.random.default_rng(0).uniform(size=(20, 20, 20, 3)).astype(np.float32)
    survey = str(tmp_path / "survey")
    ls.survey(load_model(tiny), data, to=survey, top=20, progress=False)
    maco = ("--recipe", "maco", "--steps", "1", "--samples", survey)
    code, out, err = shell("features", tiny, "out:1", *maco, "--out", "one")
    assert (code, err) == (0, "")
    assert "on 20 samples (likeness to it in first predicts the unit by" in out
    for _ in range(2):  # the second time nothing is made anew, as the survey is the same
        code, _, err = shell("features", tiny, "out", "--all", *maco, "--out", "all")
        assert code == 0
    assert "4 of 5 units" not in err
    Path(survey, "more.npy").write_bytes(b"")
    code, _, err = shell("features", tiny, "out", "--all", *maco, "--out", "all")
    assert code == 2
    assert "holds units that were made with" in err


def test_without_data_it_says_where_the_spectrum_comes_from(shell, tiny):
    code, out, _ = shell("features", tiny, "out:1", "--recipe", "maco", "--steps", "1")
    assert code == 0
    assert "Note: the magnitudes of the spectrum fall as 1/f" in out


def test_every_value_of_a_recipe_has_an_option_or_is_said_by_transforms():
    args = vars(command_parser().parse_args(["features", "model.keras", "conv2d"]))
    said_by_transforms = {"blur_falls", "pad_mode", "pad_until", "p"}
    of_the_recipe_itself = {"name", "meant_for", "given"}
    values = {*Recipe.__dataclass_fields__} - of_the_recipe_itself
    assert {*value_forms()} == values
    assert {name for name, form in value_forms().items() if not form.alone} == said_by_transforms
    assert values - said_by_transforms <= {*args}
    assert all(args[name] is None for name in values & {*args})  # the recipe's own


def test_the_options_are_described_as_the_values_of_the_recipe_are(capsys):
    with pytest.raises(SystemExit):
        command_parser().parse_args(["features", "--help"])
    text = " ".join(capsys.readouterr().out.split())
    for name, form in value_forms().items():
        if form.alone:
            assert form.help in text, name


def test_addresses_are_grouped_by_layer():
    groups = groups_of(["b:1", "a", "b:0@2,2", "odd:7", "b:5", "b:01"], ["a", "b", "odd:7"])
    assert [(group.addresses, list(group.units)) for group in groups] == [
        (["b:1", "b:5", "b:01"], [1, 5]),
        (["a"], []),
        (["b:0@2,2"], []),
        (["odd:7"], []),
    ]


def test_intermediate_images_and_a_film(shell, tiny):
    code, out, err = shell(
        *("features", tiny, "first:0", "first:1", "--recipe", "tutorial", "--steps", "10"),
        *("--every", "4", "--film", "making.webp", "--out", "out"),
    )
    assert (code, err) == (0, "")
    steps = sorted(name for name in names("out") if "step" in name)
    assert steps == [
        f"{name}-step-{step:02d}.png"
        for name in ("01-first_0", "02-first_1", "03-first")
        for step in (4, 8)
    ]
    with Image.open("making.webp") as film:
        assert film.n_frames == 3
    assert "Written to making.webp: 3 frames" in out


def test_every_unit_of_a_layer(shell, tiny):
    code, out, err = shell("features", tiny, "first", "--all", *FEW, "--at-once", "3", "--out", "o")
    assert (code, err) == (0, "first: 3 of 4 units\nfirst: 4 of 4 units\n")
    files = [f"first/{unit}.npz" for unit in range(4)]
    assert names("o") == ["first-curves.png", "first.png", *files]
    made = ls.features(
        load_model(tiny),
        ls.objectives.units("first", range(4)),
        recipe="tutorial",
        steps=3,
        at_once=3,
    )
    for unit in range(4):
        with np.load(f"o/first/{unit}.npz", allow_pickle=False) as file:
            assert json.loads(str(file["axes"])) == ["y", "x", "input"]
            np.testing.assert_allclose(file["image"], made.image(f"first:{unit}"), atol=1e-5)
            np.testing.assert_allclose(
                file["history"][:, 0], made.history.values[:, unit], atol=1e-4
            )
            (grade,) = json.loads(str(file["grades"]))
            assert grade["address"] == f"first:{unit}"
            assert json.loads(str(file["settings"]))["steps"] == "3"
    ls.sheet(made, "first").save("expected.png")
    np.testing.assert_allclose(pixels("o/first.png"), pixels("expected.png"), atol=1)
    assert [line.split(" ")[0] for line in out.splitlines() if " at the start" in line] == [
        f"first:{unit}:" for unit in range(4)
    ]


def test_stopped_it_says_how_to_go_on_and_goes_on(shell, tiny, calls):
    command = ("features", tiny, "first", "--all", *FEW, "--batch", "2", "--at-once", "4")
    assert shell(*command, "--out", "whole")[0] == 0
    calls.stopped = calls.count + 2
    code, out, err = shell(*command, "--out", "o")
    assert code == 130
    assert err == (
        "first: 2 of 4 units\n"
        "layerscope: stopped after 2 of 4 units of 'first'; the same command goes on, and the 2 "
        "begun are made anew.\n"
    )
    assert names("o") == ["first-curves.png", "first.png", "first/0.npz", "first/1.npz"]
    assert "first:1 [1]: " in out
    before = {name: Path("o", name).stat().st_mtime_ns for name in ("first/0.npz", "first/1.npz")}
    calls.count = 0
    code, out, err = shell(*command, "--out", "o")
    assert (code, err) == (0, "first: 4 of 4 units\n")
    assert calls.count == 1
    assert "2 of 4 units of first were there already." in out
    assert {name: Path("o", name).stat().st_mtime_ns for name in before} == before
    assert names("o") == names("whole")
    np.testing.assert_array_equal(pixels("o/first.png"), pixels("whole/first.png"))


def test_a_batch_that_was_stopped_is_made_anew(shell, tiny, calls):
    """Ctrl-C within a batch leaves images that are not finished: none of them is kept."""
    real, calls.real = calls.real, lambda *args, **kwargs: stopped(real(*args, **kwargs))

    def stopped(made):
        made.interrupted = True
        return made

    command = ("features", tiny, "first", "--all", *FEW, "--out", "o")
    code, _, err = shell(*command)
    assert code == 130
    assert err == (
        "layerscope: stopped after 0 of 4 units of 'first'; the same command goes on, and the 4 "
        "begun are made anew.\n"
    )
    assert not Path("o").exists()
    assert "and the 1 begun is made anew" in shell(*command, "--at-once", "1")[2]


def test_stopped_while_it_writes_the_units_that_are_written_count(shell, tiny, monkeypatch):
    write, written = UnitFiles.write, []

    def stopped(files, unit, made):
        if len(written) == 3:
            raise KeyboardInterrupt
        written.append(unit)
        write(files, unit, made)

    monkeypatch.setattr(UnitFiles, "write", stopped)
    code, _, err = shell("features", tiny, "first", "--all", *FEW, "--out", "o")
    assert code == 130
    assert "stopped after 3 of 4 units of 'first'; " in err
    assert "the 1 begun is made anew" in err
    assert names("o") == [
        "first-curves.png", "first.png", "first/0.npz", "first/1.npz", "first/2.npz"
    ]  # fmt: skip


def test_stopped_it_draws_what_there_is(shell, tiny, calls):
    real, calls.real = calls.real, lambda *args, **kwargs: stopped(real(*args, **kwargs))

    def stopped(made):
        made.interrupted = True
        return made

    code, out, err = shell("features", tiny, "first:0", "out:0", *FEW, "--out", "o")
    assert code == 130
    assert err == "layerscope: stopped after 3 steps; o/ has what there was then.\n"
    assert names("o") == ["01-first_0.png", "curves-1.png"]
    assert "first:0: " in out


def test_other_settings_replace_nothing_unless_forced(shell, tiny, calls):
    command = ("features", tiny, "first", "--all", "--recipe", "tutorial", "--out", "o")
    assert shell(*command, "--steps", "2")[0] == 0
    code, out, err = shell(*command, "--steps", "3")
    assert (code, out) == (2, "")
    assert err == (
        f"layerscope: error: The folder {str(Path('o/first'))!r} holds units that were made with "
        "steps 2, not 3: name another with --out, or pass --force to replace them.\n"
    )
    assert "seed 0, not 5" in shell(*command, "--steps", "2", "--seed", "5")[2]
    assert "shape 20×20×3, not 24×24×3" in shell(*command, "--steps", "2", "--size", "24")[2]
    assert shell(*command, "--steps", "3", "--force")[0] == 0
    with np.load("o/first/3.npz") as file:
        assert len(file["history"]) == 4
    calls.count = 0
    assert shell(*command, "--steps", "3", "--force")[0] == 0
    assert calls.count == 0


@pytest.mark.slow
def test_a_file_that_is_broken_is_made_anew(shell, tiny, calls):
    command = ("features", tiny, "first", "--all", *FEW, "--out", "o")
    assert shell(*command)[0] == 0
    whole = Path("o/first/2.npz").read_bytes()
    for content in (b"", whole[: len(whole) // 2]):
        Path("o/first/2.npz").write_bytes(content)
        calls.count = 0
        assert shell(*command)[0] == 0
        assert calls.count == 1
        with np.load("o/first/2.npz") as file:
            assert file["image"].shape == (20, 20, 3)


def test_other_samples_under_the_same_name_are_other_settings(shell, tiny, image, calls):
    command = ("features", tiny, "first", "--all", *FEW, "--samples", "photos", "--out", "o")
    Path("photos").mkdir()
    shutil.copy(image, "photos/a.png")
    assert shell(*command)[0] == 0
    calls.count = 0
    assert shell(*command)[0] == 0
    assert calls.count == 0
    Image.open(image).rotate(180).save("photos/a.png")
    code, out, err = shell(*command)
    assert (code, out) == (2, "")
    assert re.search(r"made with samples 1 file \(\w{12}\), not 1 file \(\w{12}\): name ano", err)
    shutil.copy(image, "photos/b.png")
    assert "not 2 files (" in shell(*command)[2]


def test_what_samples_hold_is_told_by_their_contents(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert samples_text(()) == "none"
    assert samples_text(("noise",)) == "noise"
    assert samples_text(("digits:7",)) == "digits:7"
    Path("photos").mkdir()
    np.save("photos/x.npy", np.zeros(4))
    np.savez("y.npz", a=np.zeros(4), b=np.ones(4))
    texts = [
        samples_text(given)
        for given in (("photos",), ("y.npz:a",), ("y.npz:b",), ("photos", "y.npz:a"))
    ]
    assert len(set(texts)) == len(texts)
    for same in ("photos/", "photos/*", "photos/x.npy", tmp_path / "photos"):
        assert samples_text((str(same),)) == texts[0]
    np.save("photos/x.npy", np.ones(4))
    assert samples_text(("photos",)) != texts[0]


def test_several_digits_are_samples(shell, tiny):
    pytest.importorskip("sklearn")
    argv = ("features", tiny, "first:1", *FEW, "--samples", "digits:1", "digits:2", "--out", "o")
    code, out, err = shell(*argv)
    assert (code, err) == (0, "")
    assert "samples' largest" in out


def test_units_are_counted_along_their_own_axis(shell, tmp_path):
    """Also where a sequence is longer than it has channels, and where classes are read."""
    import keras

    model = keras.Sequential(
        [
            keras.Input((12, 2)),
            keras.layers.Conv1D(3, 2, name="conv"),
            keras.layers.Flatten(),
            keras.layers.Dense(2),
            keras.layers.Softmax(name="classes"),
        ],
        name="sequences",
    )
    model.save(tmp_path / "sequences.keras")
    argv = ("--transforms", "none", "--steps", "2", "--no-decorrelate", "--out", "o")
    code, _, err = shell(
        "features", tmp_path / "sequences.keras", "conv", "classes", "--all", *argv
    )
    assert (code, err) == (0, "conv: 3 of 3 units\nclasses: 2 of 2 units\n")


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (("frist:1",), "There is no layer 'frist': did you mean 'first' or 'flat'?"),
        (("first:9",), "'first' has 4 along channel, counted from 0: 9 is not among them"),
        (("first:1@99,0",), "'first' has 18 along y, counted from 0: 99 is not among them"),
        (("first:1", "out:5"), "'out' has 5 along unit, counted from 0: 5 is not among them"),
        (("first:-1",), "':-1' is no unit of 'first': write 'first:3', a whole number from 0"),
        (("first:1@-1,2",), "':1@-1,2' is no unit of 'first'"),
        ((), "the following arguments are required: ADDRESS"),
        (("first:1", "--all"), "--all is for whole layers: write 'first', not 'first:1'."),
        (("first:1@2,2", "--all"), "--all is for whole layers: write 'first', not 'first:1@2,2'."),
        (("first", "--all", "--together"), "--together: not allowed with argument --all"),
        (("first", "--all", "--every", "2"), "--every is for single units: leave out --all."),
        (("first", "--all", "--film", "x.gif"), "--film is for single units: leave out --all."),
        (("first:1", "pool", "--film", "x.gif"), "A film is of one ADDRESS"),
        (("first:1", "--film", "x.png"), "'x.png' ends in none of .webp, .gif, .mp4"),
        (("first:1", "--film", "no/x.gif"), "'no/x.gif' can't be written"),
        (("first:1", "--recipe", "lucide"), "There is no recipe 'lucide' (did you mean 'lucid'?)"),
        (("first:1", "--optimizer", "sgd"), "optimizer='sgd': pass 'ascent' or 'adam'."),
        (("first:1", "--octave-scale", "0"), "'0': write a number above 0"),
        (("first:1", "--blur", "x"), "'x': write a number, 0 or more"),
        (("first:1", "--scale", "x"), "'x': write two numbers, such as 0.9,1.1"),
        (("first:1", "--size", "x"), "'x': write two whole numbers, such as 3,3"),
        (("first:1", "--transforms", "spin(3)"), "transforms='spin(3)' can't be read"),
        (
            ("first:1", "--transforms", "none", "--jitter", "3"),
            "--jitter and --transforms say the same: leave out --jitter",
        ),
        (("first:1", "--start", "gone.png"), "start=: There is no file 'gone.png'."),
        (
            ("first:1", "--start", "broken.png"),
            "start=: 'broken.png' is no image that opens: PNG, JPEG",
        ),
        (("first:1", "--start", "normale"), "start='normale': did you mean 'normal'?"),
        (("first:1", "--samples", "gone.png"), "There is no file 'gone.png'."),
        (
            ("first:1", "--samples", "zeros", "noise"),
            "--samples: 'zeros' is one sample and stands alone; a file of that name is './zeros'.",
        ),
        (("first:1", "--palette", "none"), "There is no palette 'none'"),
        (("first:1", "--reshape", "4,4"), "--reshape is for networks that take vectors"),
    ],
)
def test_nonsense_is_one_sentence(shell, tiny, argv, message):
    Path("broken.png").write_bytes(b"no image")
    code, out, err = shell("features", tiny, *argv)
    assert (code, out) == (2, "")
    assert message in err
    assert err.count("\n") == 1
    assert not Path("layerscope-tiny-features").exists()


def test_a_folder_that_is_not_empty(shell, tiny):
    Path("out").mkdir()
    Path("out/mine.txt").write_text("mine")
    for more in (("first:0",), ("first", "--all")):
        code, _, err = shell("features", tiny, *more, *FEW, "--out", "out")
        assert code == 2
        assert "The folder 'out' is not empty: name another with --out, or pass --force" in err
    assert shell("features", tiny, "first:0", *FEW, "--out", "out", "--force")[0] == 0
    assert names("out") == ["01-first_0.png", "curves.png", "mine.txt"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no full disk here")
def test_a_full_disk_is_one_sentence(shell, tiny, monkeypatch):
    def save(path, **arrays):
        with Path("/dev/full").open("w") as file:
            file.write("x" * 9999)

    monkeypatch.setattr(np, "savez", save)
    code, _, err = shell("features", tiny, "first", "--all", *FEW, "--out", "out")
    assert code == 2
    assert "0.npz' can't be written (No space left on device)." in err


@pytest.fixture(scope="module")
def mlp(tmp_path_factory):
    network = pytest.importorskip("sklearn.neural_network")
    skops = pytest.importorskip("skops.io")
    pytest.importorskip("keras")
    rng = np.random.default_rng(0)
    x, y = rng.uniform(size=(60, 16)), rng.integers(0, 3, 60)
    path = tmp_path_factory.mktemp("mlp") / "mlp.skops"
    model = network.MLPClassifier(6, random_state=0).partial_fit(x, y, classes=[0, 1, 2])
    skops.dump(model, path)
    return path


@pytest.mark.slow
@pytest.mark.side_by_side
def test_vectors_are_drawn_as_images_or_made_as_images(shell, mlp):
    hidden = ls.describe(load_model(mlp))[1].address
    for number, option in enumerate(("--reshape", "--size")):
        argv = (option, "4,4", "--transforms", "none", "--steps", "3", "--out", f"{number}")
        assert shell("features", mlp, f"{hidden}:2", *argv)[0] == 0
        assert pixels(f"{number}/01-{hidden}_2.png").ndim >= 2
    code, _, err = shell("features", mlp, f"{hidden}:2", "--reshape", "4,5", "--out", "other")
    assert code == 2
    assert "--reshape 4,5 is 20 values, and the network takes 16." in err


@pytest.mark.side_by_side
def test_onnx_gives_no_gradients(shell, tmp_path):
    pytest.importorskip("onnxruntime")
    onnx = pytest.importorskip("onnx")
    helper, kind = onnx.helper, onnx.TensorProto.FLOAT
    graph = helper.make_graph(
        [helper.make_node("Relu", ["x"], ["y"], name="relu")],
        "tiny",
        [helper.make_tensor_value_info("x", kind, [1, 4])],
        [helper.make_tensor_value_info("y", kind, [1, 4])],
    )
    opset = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=8), tmp_path / "x.onnx")
    code, out, err = shell("features", tmp_path / "x.onnx", "relu:1")
    assert (code, out) == (2, "")
    assert "computes no gradients, which features are made with: pass a Keras or" in err
    assert err.count("\n") == 1


@pytest.mark.slow
@pytest.mark.side_by_side
@pytest.mark.parametrize(
    ("said", "code", "message"),
    [
        ((), 0, ""),
        (("--backend", "jax"), 2, "a PyTorch model needs Keras on torch: set KERAS_BACKEND=torch"),
    ],
)
def test_keras_runs_on_torch_for_a_model_of_pytorch(tmp_path, said, code, message):
    """In the shell, a process of its own, where the user has not asked for another."""
    for package in ("torch", "jax"):
        pytest.importorskip(package)
    (tmp_path / "nets.py").write_text(
        "import torch\nnet = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.ReLU())\n"
    )
    environment = {k: v for k, v in os.environ.items() if k != "KERAS_BACKEND"}
    script = "from layerscope.interfaces.cli import run; run()"
    done = subprocess.run(
        [
            *(sys.executable, "-c", script, "features", "nets:net", "0:1", "--size", "12"),
            *("--steps", "2", *said),
        ],
        cwd=tmp_path,
        env={**environment, "KERAS_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == code, done.stderr
    assert message in done.stderr
    assert (tmp_path / "layerscope-Sequential-features/01-0_1.png").exists() == (code == 0)
