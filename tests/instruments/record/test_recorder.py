"""What a recorder says, keeps and refuses, whatever it records."""

from __future__ import annotations

import copy
import pickle
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("keras")
pytest.importorskip("zarr")

import keras

from cases.forked_runs import Program
from layerscope.backends.training import training_of
from layerscope.core.errors import InputError, LayerscopeError, ModelError, OutputError
from layerscope.instruments.record.checkpoints import record_checkpoints
from layerscope.instruments.record.recorder import Recorder
from layerscope.recordings.run import open_run
from layerscope.recordings.store.writer import Writer

X = np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32)


@pytest.fixture(scope="module")
def model() -> Any:
    return keras.Sequential(
        [keras.Input((3,)), keras.layers.Dense(5, name="hidden"), keras.layers.Dense(2, name="out")]
    )


def recorder(place: Path, model: Any, **options: Any) -> Recorder:
    return Recorder(place, model, **{"probe": X, "quiet": True, **options})


def test_it_says_what_it_will_take(
    tmp_path: Path, model: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    with Recorder(tmp_path / "run.zarr", model, probe=X, steps=40) as rec:
        rec.snap(0)
    said = "40 steps × 4 samples × 2 layers: 13.0 kB before compression"
    assert rec.plan == said
    assert capsys.readouterr().err == f"layerscope records {said}.\n"
    assert open_run(tmp_path / "run.zarr").network.name == model.name


def test_it_says_what_overwriting_has_left(
    tmp_path: Path, model: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run.zarr"
    with recorder(run, model) as rec:
        rec.snap(0)
    for i in range(12):
        (run / f"notes {i:02}\n.txt").write_text("mine")
    capsys.readouterr()
    with recorder(run, model, overwrite=True) as rec:
        rec.snap(0)
    said = f"layerscope: left in {run}, which a recorder has not written: 'notes 00\\n.txt', 'notes"
    assert said in capsys.readouterr().err  # also where its size is not to be said
    assert len(list(run.glob("notes*"))) == 12


def test_steps(tmp_path: Path, model: Any) -> None:
    rec = recorder(tmp_path / "run.zarr", model, every=3)
    assert [rec.snap(step) for step in range(8)] == [True, False, False] * 2 + [True, False]
    with pytest.raises(InputError, match="step 6 does not come after the last one recorded, 6"):
        rec.snap(6)
    with pytest.raises(InputError, match=r"snap\(-1\): pass the number of the step or epoch"):
        rec.snap(-1)
    with pytest.raises(InputError, match=r"snap\(9223372036854775808\): steps are numbered up to"):
        rec.snap(2**63)
    rec.close()
    rec.close()
    with pytest.raises(InputError, match=r"is closed: a new Recorder with resume=True goes on"):
        rec.snap(9)
    run = open_run(tmp_path / "run.zarr")
    assert run.steps.tolist() == [0, 3, 6]
    assert np.isnan(run.epochs).all()


@pytest.mark.slow
def test_a_place_that_is_taken(tmp_path: Path, model: Any) -> None:
    place = tmp_path / "run.zarr"
    with recorder(place, model) as rec:
        rec.snap(0)
        rec.snap(1)
    with pytest.raises(OutputError, match=r"There is something at .*resume=True to go on with it"):
        recorder(place, model)
    with recorder(place, model, resume=True) as rec:
        assert not rec.snap(1)  # there already
        assert rec.snap()
    assert open_run(place).steps.tolist() == [0, 1, 2]
    with (
        pytest.raises(OutputError, match="can't be gone on with: values of 'hidden' is float16"),
        recorder(place, model, resume=True, dtype="float32") as rec,
    ):
        rec.snap()
    with recorder(place, model, overwrite=True) as rec:
        rec.snap(7)
    assert open_run(place).steps.tolist() == [7]


def test_a_thinned_recording_goes_on_thinned(tmp_path: Path, model: Any) -> None:
    place = tmp_path / "run.zarr"
    with recorder(place, model, budget=20_000) as rec:
        rec.snap(0)
    assert open_run(place)["hidden"].shape == (1, 1, 5)
    assert "of 4 samples one is stored" in rec.notes
    with recorder(place, model, resume=True) as rec:
        rec.snap(1)
    assert open_run(place)["hidden"].shape == (2, 1, 5)


@pytest.fixture
def slow_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Steps are still waiting to be written when the next thing happens."""
    append = Writer.append

    def slowly(*args: Any, **kwargs: Any) -> int:
        time.sleep(0.05)
        return append(*args, **kwargs)

    monkeypatch.setattr(Writer, "append", slowly)


@pytest.mark.slow
@pytest.mark.usefixtures("slow_disk")
@pytest.mark.parametrize("written", ["run.zarr", "./sub/../run.zarr"])
def test_going_on_in_the_same_process_loses_nothing(
    tmp_path: Path, model: Any, written: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sub").mkdir()
    interrupted = recorder(Path("run.zarr"), model)
    for step in range(3):
        interrupted.snap(step)
    with Recorder(written, model, probe=X, quiet=True, resume=True) as rec:
        rec.snap(3)
        with pytest.raises(OutputError, match="has ended, with every step it had: another one"):
            interrupted.snap(4)
        interrupted.close()
        rec.snap(4)
    assert open_run(tmp_path / "run.zarr").steps.tolist() == [0, 1, 2, 3, 4]


@pytest.mark.usefixtures("slow_disk")
def test_replacing_what_is_still_recorded(tmp_path: Path, model: Any) -> None:
    before = recorder(tmp_path / "run.zarr", model)
    before.snap(0)
    before.snap(1)
    with pytest.raises(OutputError, match="There is something at"):
        recorder(tmp_path / "run.zarr", model)
    assert before.snap(2)  # one that was refused ends nothing
    with recorder(tmp_path / "run.zarr", model, overwrite=True) as rec:
        rec.snap(7)
    before.close()
    assert open_run(tmp_path / "run.zarr").steps.tolist() == [7]


def test_a_recording_goes_on_with_the_same_probe_only(tmp_path: Path, model: Any) -> None:
    place = tmp_path / "run.zarr"
    with recorder(place, model, samples=2) as rec:
        rec.snap(0)
    for probe in (X + 1, np.concatenate([X[:2], X[2:] + 1])):  # the statistics are of all samples
        with pytest.raises(OutputError, match="its probe holds other values than this one") as said:
            Recorder(place, model, probe=probe, samples=2, resume=True, quiet=True).snap(1)
        assert "\n" not in str(said.value)
    with recorder(place, model, samples=2, resume=True) as rec:
        rec.snap(1)
    assert open_run(place).steps.tolist() == [0, 1]


@pytest.mark.parametrize("steps", [40, None])
def test_a_budget_that_does_not_hold_one_step_is_refused_at_once(
    tmp_path: Path, model: Any, steps: int | None
) -> None:
    with pytest.raises(InputError, match=r"The budget, 100 B, does not hold one step") as e:
        recorder(tmp_path / "run.zarr", model, steps=steps, budget=100)
    assert "\n" not in str(e.value)
    assert not (tmp_path / "run.zarr").exists()
    with recorder(tmp_path / "run.zarr", model, steps=steps, budget=1000) as rec:
        assert rec.snap(0)
    assert open_run(tmp_path / "run.zarr").steps.tolist() == [0]


def test_which_samples_and_weights(tmp_path: Path, model: Any) -> None:
    options = {"samples": [3, 1], "weights": "*/kernel", "dtype": "float32", "layers": "hidden"}
    with recorder(tmp_path / "run.zarr", model, **options) as rec:
        rec.snap(0)
    run = open_run(tmp_path / "run.zarr")
    assert list(run) == ["hidden"]
    assert list(run.weights) == ["hidden/kernel", "out/kernel"]
    kernel, bias = (np.asarray(w) for w in model.layers[0].weights)
    np.testing.assert_allclose(run["hidden"][0], (X @ kernel + bias)[[3, 1]], atol=1e-5)
    figures = run.statistics("hidden")
    np.testing.assert_allclose(figures["mean"][0], (X @ kernel + bias).mean(axis=0), atol=1e-5)
    assert run.weights.statistics("out/bias")["norm"].shape == (1,)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"every": 0}, "every=0: pass 'epoch', a number of steps above 0, or a function"),
        ({"every": "batch"}, "every='batch': pass 'epoch'"),
        ({"dtype": "int4"}, "dtype='int4': values are stored as 'float16', 'float32' or 'uint8'"),
        ({"budget": "much"}, "budget='much': pass a number of bytes"),
        ({"samples": [9]}, "the probe has 4 samples"),
        ({"weights": "kernels/*"}, "weights= asks for 'kernels/\\*'"),
        ({"weights": 3}, "weights=3: pass True, False, or a glob"),
        ({"layers": "hiden"}, "did you mean 'hidden'"),
        ({"steps": 0}, "steps=0: pass how many steps"),
        ({"classes": "ab"}, "classes='ab': pass the names"),
        ({"classes": ["a", "a"]}, "names a class twice"),
        ({"classes": ["a"]}, "classes= names 1, and the model's output is of shape"),
        ({"resume": True, "overwrite": True}, "resume=True goes on .* overwrite=True replaces"),
        ({"probe": X[:, :2]}, "the model expects"),
        ({"probe": "nowhere.png"}, "There is no file 'nowhere.png'"),
    ],
)
def test_nonsense_is_one_sentence(
    tmp_path: Path, model: Any, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(LayerscopeError, match=message) as raised:
        recorder(tmp_path / "run.zarr", model, **{"steps": 5, **options})
    assert "\n" not in str(raised.value)
    assert not (tmp_path / "run.zarr").exists()
    with pytest.raises(ModelError, match="can't look into a str"):
        recorder(tmp_path / "run.zarr", "model")
    with pytest.raises(InputError, match="pass the name of a folder to record into"):
        Recorder(3, model, probe=X)  # type: ignore[arg-type]


def test_a_disk_that_fails_leaves_what_was_there_and_may_be_mended(
    tmp_path: Path, model: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    rec = recorder(tmp_path / "run.zarr", model, steps=9)
    rec.snap(0)
    rec.flush()

    def full(*args: Any, **kwargs: Any) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(Writer, "append", full)
        rec.snap(1)
        with pytest.raises(OutputError, match=r"No space left on device.*step 1 will be tried"):
            rec.flush()
        with pytest.raises(OutputError, match=r"No space left on device.*step 1 will be tried"):
            rec.snap(2)
    rec.snap(3)  # there is room again
    rec.flush()
    assert open_run(tmp_path / "run.zarr").steps.tolist() == [0, 1, 3]

    monkeypatch.setattr(Writer, "append", full)
    rec.snap(4)
    with pytest.raises(OutputError, match=r"No space left on device.*step 4 was lost"):
        rec.close()
    assert open_run(tmp_path / "run.zarr").steps.tolist() == [0, 1, 3]

    failing = recorder(tmp_path / "other.zarr", model, steps=9)

    def trains() -> None:
        with failing:
            failing.snap(0)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError) as raised:  # what went wrong first
        trains()
    assert "step 0 was lost" in raised.value.__notes__[0]


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, pickle.dumps])
def test_it_stays_in_its_process(tmp_path: Path, model: Any, copied: Any) -> None:
    with recorder(tmp_path / "run.zarr", model) as rec:
        with pytest.raises(TypeError, match="it stays in the process that made it"):
            copied(rec)
        rec.snap(0)


#: How a script has a network to record: in a process of its own this is the quickest to import.
NETWORK = """
import sys, numpy as np
from sklearn.neural_network import MLPRegressor
model = MLPRegressor(hidden_layer_sizes=(2,)).partial_fit(np.eye(3), [0, 1, 2])
"""


@pytest.mark.slow
def test_a_script_that_ends_in_an_error_keeps_its_steps(scripts: Program, tmp_path: Path) -> None:
    script = f"""{NETWORK}
from layerscope.instruments.record.recorder import Recorder
rec = Recorder(sys.argv[1], model, probe=np.ones((1, 3), np.float32), quiet=True)
for step in range(30):
    rec.snap(step)
raise SystemExit(5)
"""
    place = str(tmp_path / "run.zarr")
    done = scripts.run(script, place)
    assert done.returncode == 5, done.stderr
    assert "Traceback" not in done.stderr
    assert open_run(place).steps.tolist() == list(range(30))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("takes_over", "said"),
    [
        ("other = Recorder(place, model, probe=x, quiet=True, resume=True); other.snap(9)", 0),
        ("other = Writer.resume(place)", 1),
    ],
)
def test_one_that_was_taken_over_ends_without_a_traceback(
    scripts: Program, tmp_path: Path, takes_over: str, said: int
) -> None:
    script = f"""{NETWORK}
from layerscope.instruments.record.recorder import Recorder
from layerscope.recordings.store.writer import Writer
place, x = sys.argv[1], np.ones((1, 3), np.float32)
rec = Recorder(place, model, probe=x, quiet=True)
rec.snap(0)
rec.flush()
{takes_over}
"""
    place = str(tmp_path / "run.zarr")
    done = scripts.run(script, place)
    assert done.returncode == 0
    assert "Traceback" not in done.stderr
    assert done.stderr.count("another recorder has taken it over") == said


def test_checkpoints_become_a_recording(tmp_path: Path) -> None:
    keras.utils.set_random_seed(0)
    paths, outputs = [], []
    for epoch in (2, 10, 1):
        network = keras.Sequential(
            [keras.Input((3,)), keras.layers.Dense(2, activation="softmax", name="out")]
        )
        outputs.append((epoch, keras.ops.convert_to_numpy(network(X))))
        paths.append(tmp_path / f"net.{epoch:02d}-0.{epoch}5.keras")
        network.save(paths[-1])
    np.save(tmp_path / "x.npy", X)
    options: dict[str, Any] = {"classes": ["no", "yes"], "dtype": "float32", "quiet": True}
    watched: list[Any] = []
    said = record_checkpoints(
        tmp_path / "run.zarr", paths, tmp_path / "x.npy", watch=lambda *a: watched.append(a[1:]),
        **options,
    )  # fmt: skip
    assert said.startswith("3 steps × 4 samples × 1 layer: ")
    assert watched == [(1, 3), (2, 3), (3, 3)]
    run = open_run(tmp_path / "run.zarr")
    assert run.steps.tolist() == run.epochs.tolist() == [1, 2, 10]
    np.testing.assert_array_equal(run.metrics["monitor"], [0.15, 0.25, 0.105])
    outputs.sort(key=lambda pair: pair[0])
    np.testing.assert_allclose(run["out"], [output for _, output in outputs], rtol=1e-5)
    expected = [output[:, 1].mean() for _, output in outputs]
    np.testing.assert_allclose(run.metrics["P(yes)"], expected, rtol=1e-5)


def test_checkpoints_of_one_architecture_are_recorded_with_one_model(tmp_path: Path) -> None:
    def net(activation: str, seed: int) -> Any:
        keras.utils.set_random_seed(seed)
        out = keras.layers.Dense(2, activation=activation, name="out")
        norm = keras.layers.BatchNormalization(name="norm")
        return keras.Sequential([keras.Input((3,)), norm, out], name="net")

    first, second, other = net("relu", 0), net("relu", 1), net("tanh", 2)
    second.get_layer("norm").moving_mean.assign([1.0, 2.0, 3.0])
    before = [keras.ops.convert_to_numpy(v) for v in first.variables]
    assert not training_of(first).take_weights(other)
    for variable, was in zip(first.variables, before, strict=True):
        np.testing.assert_array_equal(keras.ops.convert_to_numpy(variable), was)
    assert training_of(first).take_weights(second)
    answers = [keras.ops.convert_to_numpy(model(X)) for model in (first, second)]
    np.testing.assert_allclose(*answers, rtol=1e-6)

    # One whose weights can't be handed over is followed by itself, and so are those after it.
    paths, outputs = [], []
    for epoch, model in enumerate([net("relu", 3), net("tanh", 4), net("relu", 5), net("relu", 6)]):
        paths.append(tmp_path / f"w{epoch}.keras")
        outputs.append(keras.ops.convert_to_numpy(model(X)))
        model.save(paths[-1])
    record_checkpoints(tmp_path / "run.zarr", paths, X, dtype="float32", quiet=True)
    np.testing.assert_allclose(open_run(tmp_path / "run.zarr")["out"], outputs, rtol=1e-5)


def test_checkpoints_of_different_networks(tmp_path: Path) -> None:
    for epoch, units in ((1, 2), (2, 3)):
        keras.Sequential([keras.Input((3,)), keras.layers.Dense(units, name="out")]).save(
            tmp_path / f"w{epoch}.keras"
        )
    paths = sorted(tmp_path.glob("*.keras"))
    with pytest.raises(ModelError, match=r"w2.keras' holds another network.*'out' is a Dense"):
        record_checkpoints(tmp_path / "run.zarr", paths, X, quiet=True)
    with pytest.raises(InputError, match="There is no checkpoint to record"):
        record_checkpoints(tmp_path / "none.zarr", [], X)


@pytest.mark.slow
def test_the_emotion_checkpoints(tmp_path: Path, real: Path) -> None:
    from PIL import Image

    face = Image.open(real / "images/astronaut.png").convert("L").crop((130, 0, 330, 200))
    face.resize((64, 64)).save(tmp_path / "face.png")
    classes = ["angry", "disgust", "fear", "happy", "sad", "surprise", "neutral"]
    record_checkpoints(
        tmp_path / "run.zarr", (real / "emotion_checkpoints").glob("*.hdf5"),
        tmp_path / "face.png", input_range=(-1, 1), classes=classes, layers=["conv2d*", -1],
        quiet=True,
    )  # fmt: skip
    run = open_run(tmp_path / "run.zarr")
    assert run.epochs.tolist() == [0, 5, 15, 43, 110]
    assert run.samples == ("face.png",)
    np.testing.assert_array_equal(run.metrics["monitor"], [0.47, 0.56, 0.60, 0.64, 0.65])
    assert run.metrics["P(happy)"][-1] > 0.85
    total = sum(run.metrics[f"P({name})"] for name in classes)
    np.testing.assert_allclose(total, 1, rtol=1e-3)
