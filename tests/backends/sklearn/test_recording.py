"""An ordinary ``fit`` of scikit-learn's, recorded: nothing of the training changes."""

from __future__ import annotations

import pickle
import tracemalloc
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("sklearn")
pytest.importorskip("zarr")

from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from cases.amounts import examples
from layerscope.core.errors import InputError, ModelError
from layerscope.instruments.activations import activations
from layerscope.instruments.record.recorder import Recorder
from layerscope.recordings.run import open_run

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

X = load_digits().data[:200] / 16
Y = load_digits().target[:200]


def same(one: Any, other: Any) -> bool:
    arrays = zip(one.coefs_ + one.intercepts_, other.coefs_ + other.intercepts_, strict=True)
    return all(np.array_equal(a, b) for a, b in arrays)


def epochs(mlp: Any) -> list[int]:
    return list(range(mlp.n_iter_ + 1))


@settings(max_examples=examples(15))
@given(
    kind=st.sampled_from([MLPClassifier, MLPRegressor]),
    solver=st.sampled_from(["adam", "sgd"]),
    early=st.booleans(),
    rate=st.sampled_from(["constant", "invscaling", "adaptive"]),
    hidden=st.sampled_from([(6,), (16, 16)]),
    most=st.integers(1, 12),
    seed=st.integers(0, 9),
    warm=st.booleans(),
)
def test_coefficients_are_bit_identical(
    tmp_path_factory: pytest.TempPathFactory,
    kind: Any, solver: str, early: bool, rate: str, hidden: Any, most: int, seed: int, warm: bool,
) -> None:  # fmt: skip
    plain = kind(
        hidden_layer_sizes=hidden, solver=solver, early_stopping=early, learning_rate=rate,
        max_iter=most, random_state=seed, n_iter_no_change=2, warm_start=warm,
    )  # fmt: skip
    watched = clone(plain)
    plain.fit(X, Y)
    place = tmp_path_factory.mktemp("run") / "run.zarr"
    with Recorder(place, watched, probe=X[:5], quiet=True) as recorder:
        watched.fit(X, Y)
    assert recorder.closed
    assert same(plain, watched)
    assert plain.loss_curve_ == watched.loss_curve_
    assert vars(plain).keys() == vars(watched).keys()
    assert pickle.loads(pickle.dumps(watched)).n_iter_ == plain.n_iter_
    run = open_run(place)
    assert run.steps.tolist() == epochs(plain)
    assert run.epochs.tolist() == epochs(plain)
    np.testing.assert_array_equal(run.metrics["loss"][1:], plain.loss_curve_)
    if early:
        scores = run.metrics["validation_score"]
        np.testing.assert_array_equal(scores, [np.nan, *plain.validation_scores_])
    if not early:  # the last step is the network as it came out
        found = run.weights["coefs_0"].isel(step=-1).values
        np.testing.assert_array_equal(found, plain.coefs_[0].astype(np.float16))


def test_both_lessons_networks(tmp_path: Path) -> None:
    two = MLPClassifier((16, 16), max_iter=8, random_state=0)
    with Recorder(tmp_path / "two.zarr", two, probe=X[:16], quiet=True) as recorder:
        two.fit(X, Y)
    assert recorder.plan == "9 steps × 16 samples × 3 layers: 47.2 kB before compression"
    assert list(open_run(tmp_path / "two.zarr")) == ["hidden_0", "hidden_1", "output"]
    early = MLPClassifier((40,), early_stopping=True, max_iter=300, random_state=0)
    with Recorder(tmp_path / "early.zarr", early, probe=X[:16], quiet=True) as recorder:
        early.fit(X, Y)
    best = int(np.argmax(early.validation_scores_)) + 1
    assert early.n_iter_ < 300
    assert recorder.notes[-2:] == (
        f"the training stopped by itself after epoch {early.n_iter_}",
        f"early stopping then put back the weights of epoch {best}, whose validation score is the "
        f"best: {early.best_validation_score_:.4f}",
    )
    np.testing.assert_array_equal(
        open_run(tmp_path / "early.zarr").weights["coefs_0"].sel(epoch=best),
        early.coefs_[0].astype(np.float16),
    )


def test_a_pipeline_and_a_second_fit_goes_on(tmp_path: Path) -> None:
    def make() -> Any:
        return make_pipeline(StandardScaler(), MLPClassifier((5,), max_iter=3, random_state=0))

    plain, watched = make().fit(X, Y), make()
    with Recorder(tmp_path / "run.zarr", watched, probe=X[:4], quiet=True):
        watched.fit(X, Y)
        watched.fit(X, Y)
    assert same(plain[-1], watched[-1])
    run = open_run(tmp_path / "run.zarr")
    assert run.steps.tolist() == list(range(8))
    first = run.weights["coefs_0"].values
    np.testing.assert_array_equal(first[0], first[4])  # each fit draws the same new weights
    assert (first[0] != first[1]).any()
    assert list(run) == ["standardscaler", "hidden_0", "output"]


def test_after_an_error_or_ctrl_c_all_is_as_before(tmp_path: Path) -> None:
    class Stopped(Exception):
        pass

    mlp = MLPClassifier((5,), max_iter=20, random_state=0)
    before = set(vars(mlp))
    recorder = Recorder(tmp_path / "a.zarr", mlp, probe=X[:4], quiet=True)

    def stopped() -> None:
        with recorder:
            mlp.fit(X, Y)
            raise Stopped

    with pytest.raises(Stopped):
        stopped()
    assert recorder.closed
    assert "_fit_stochastic" not in vars(mlp)
    assert before <= set(vars(mlp))

    class Interrupts(MLPClassifier):
        def _update_no_improvement_count(self, *args: Any) -> None:
            super()._update_no_improvement_count(*args)
            if self.n_iter_ == 3:
                raise KeyboardInterrupt

    mlp = Interrupts((5,), max_iter=20, random_state=0)
    with (
        Recorder(tmp_path / "b.zarr", mlp, probe=X[:4], quiet=True),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore")  # scikit-learn says that it was interrupted
        mlp.fit(X, Y)
    assert not {"_fit_stochastic", "_update_no_improvement_count"} & set(vars(mlp))
    assert open_run(tmp_path / "b.zarr").steps.tolist() == [0, 1, 2]


def test_partial_fit_is_a_loop_of_ones_own(tmp_path: Path) -> None:
    mlp = MLPClassifier((5,), random_state=0)
    with Recorder(tmp_path / "run.zarr", mlp, probe=X[:4], quiet=True) as recorder:
        for epoch in range(3):
            mlp.partial_fit(X, Y, classes=np.arange(10))
            assert recorder.snap(epoch, loss=mlp.loss_)
    assert open_run(tmp_path / "run.zarr").steps.tolist() == [0, 1, 2]


def test_lbfgs_has_no_epochs(tmp_path: Path) -> None:
    mlp = MLPClassifier((5,), solver="lbfgs", random_state=0)
    with (
        pytest.raises(ModelError, match="solver='lbfgs' has no epochs that could be recorded"),
        Recorder(tmp_path / "run.zarr", mlp, probe=X[:4]),
    ):
        mlp.fit(X, Y)


def test_a_probe_that_does_not_fit_is_said_before_it_trains(tmp_path: Path) -> None:
    mlp = MLPClassifier((5,), random_state=0)
    with (
        pytest.raises(InputError, match="64"),
        Recorder(tmp_path / "run.zarr", mlp, probe=X[:4, :9], quiet=True),
    ):
        mlp.fit(X, Y)
    assert not hasattr(mlp, "loss_")


@pytest.mark.parametrize("dtype", ["float16", "float32", "uint8"])
def test_many_layers_take_little_more_than_their_activations(tmp_path: Path, dtype: str) -> None:
    mlp = MLPClassifier((24,) * 100, max_iter=1).fit(X[:, :24], Y)
    probe = np.tile(X[:, :24], (12, 1))
    look = activations(mlp, probe).nbytes
    assert look > 40_000_000  # of which there is one at once
    with Recorder(tmp_path / "warm.zarr", mlp, probe=probe[:2], steps=1, quiet=True) as recorder:
        recorder.snap(0)  # imports
    tracemalloc.start()
    try:
        with Recorder(
            tmp_path / "run.zarr", mlp, probe=probe, steps=3, dtype=dtype, quiet=True
        ) as recorder:
            for step in range(3):
                recorder.snap(step)
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert most < 2 * look, most / look


def test_the_step_that_killed_a_unit_is_named(tmp_path: Path) -> None:
    mlp = MLPClassifier((5, 4), solver="sgd", learning_rate_init=1e-9, random_state=0)
    mlp.partial_fit(X, Y, classes=range(10))
    mlp.coefs_[0][:] = np.abs(mlp.coefs_[0])
    mlp.intercepts_[0][:] = [0, 0, -1000, 0, 0]
    with Recorder(tmp_path / "run", mlp, probe=X, dtype="float32", quiet=True) as recorder:
        recorder.snap(0)
        for step in range(1, 6):
            mlp.partial_fit(X, Y)
            if step == 2:
                mlp.intercepts_[0][3] = -1000
            if step == 4:
                mlp.intercepts_[0][2] = 1000
            recorder.snap(step)
    fates = open_run(tmp_path / "run").fate()
    (first, _) = fates
    assert [unit.words for unit in fates.units() if unit.layer == first] == [
        "fires at each of 6 steps",
        "fires at each of 6 steps",
        "born silent, woke in epoch 4",
        "fires from the start, died in epoch 2",
        "fires at each of 6 steps",
    ]


def test_the_fates_of_an_ordinary_fit(tmp_path: Path) -> None:
    mlp = MLPClassifier((12,), max_iter=4, random_state=0)
    with Recorder(tmp_path / "run", mlp, probe=X[:50], quiet=True):
        mlp.fit(X, Y)
    (layer,) = open_run(tmp_path / "run").fate().values()
    assert (layer.units, layer.n, layer.untrained) == (12, 50, True)
    assert sum(layer.counts.values()) == 12
