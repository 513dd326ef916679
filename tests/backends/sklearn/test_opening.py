"""What scikit-learn saved opens: skops files safely, pickles where they are trusted."""

from __future__ import annotations

import io
import json
import os
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

pytest.importorskip("sklearn")

import sklearn
from sklearn.base import BaseEstimator
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

import layerscope as ls
from cases.amounts import examples
from layerscope.backends.opening import load_model
from layerscope.backends.origin import origin_of
from layerscope.core.errors import LayerscopeError, MissingDependencyError, ModelError

X = np.random.default_rng(0).normal(2.0, 3.0, size=(30, 4))
Y = np.arange(30) % 3


def fitted(model: Any) -> Any:
    last = model.steps[-1][1] if hasattr(model, "steps") else model
    last.set_params(tol=1e9, random_state=0)  # it has converged after a few steps
    return model.fit(X, Y)


def mlp(**settings: Any) -> Any:
    return fitted(MLPClassifier((5,), **settings))


@pytest.fixture
def skops() -> Any:
    return pytest.importorskip("skops.io")


def refused(path: Path, **how: Any) -> str:
    with pytest.raises(ModelError) as caught:
        load_model(path, **how)
    message = str(caught.value)
    assert "\n" not in message
    assert str(path) in message
    return message


@pytest.mark.parametrize(
    "make",
    [
        mlp,
        lambda: mlp(solver="sgd", early_stopping=True, validation_fraction=0.3),
        lambda: mlp(solver="lbfgs"),
        lambda: fitted(MLPRegressor(hidden_layer_sizes=(5,))),
        lambda: MLPClassifier((5,), tol=1e9, random_state=0).fit(X, np.array(list("abc"))[Y]),
        lambda: MLPClassifier((5,), tol=1e9, random_state=np.random.RandomState(1)).fit(X, Y),
        lambda: fitted(make_pipeline(StandardScaler(), MLPClassifier((5,)))),
    ],
    ids=["adam", "early stopping", "lbfgs", "regressor", "words", "random state", "pipeline"],
)
def test_a_skops_file_of_a_perceptron_opens_without_trust(
    skops: Any, tmp_path: Path, make: Callable[[], Any]
) -> None:
    model, path = make(), tmp_path / "m.skops"
    skops.dump(model, path)
    opened = load_model(path)
    np.testing.assert_array_equal(opened.predict(X), model.predict(X))
    expected, found = ls.activations(model, X), ls.activations(opened, X)
    for address, array in found.items():
        np.testing.assert_array_equal(array, expected[address])
    origin = ls.describe(opened).origin
    assert str(origin) == (
        f"Opened from {path} (skops, written by scikit-learn {sklearn.__version__})"
    )


class Tripwire(BaseEstimator):
    """Unpickling this leaves a mark; skops would import its module."""

    def __init__(self, mark: str = "") -> None:
        self.mark = mark

    def __reduce__(self) -> Any:
        return os.mkdir, (self.mark,)


def test_other_types_in_a_skops_file_are_named(skops: Any, tmp_path: Path) -> None:
    path = tmp_path / "m.skops"
    skops.dump(make_pipeline(FunctionTransformer(os.path.join), mlp()), path)
    message = refused(path)
    assert "holds types that are not known to be safe (posixpath.join): pass --trust" in message
    assert load_model(path, trust=True).steps[-1][1].coefs_


def changed(path: Path, edit: Callable[[dict[str, Any]], None]) -> Path:
    """A copy of a skops file with its description changed."""
    target = path.with_name("changed.skops")
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(target, "w") as new:
        for name in old.namelist():
            content = old.read(name)
            if name == "schema.json":
                described = json.loads(content)
                edit(described)
                content = json.dumps(described).encode()
            new.writestr(name, content)
    return target


def test_a_skops_file_that_would_run_code_runs_none(skops: Any, tmp_path: Path) -> None:
    path, mark = tmp_path / "m.skops", tmp_path / "mark"
    skops.dump(mlp(), path)

    def call(described: dict[str, Any]) -> None:
        described["content"]["content"]["alpha"] = {
            "__class__": "mkdir",
            "__module__": "os",
            "__loader__": "ObjectNode",
            "__reduce__": {"args": [str(mark)]},
            "content": {"__class__": "str", "__module__": "builtins", "__loader__": "JsonNode",
                        "content": f'"{mark}"', "is_json": True},
        }  # fmt: skip

    def optimizer(described: dict[str, Any]) -> None:
        described["__class__"], described["__module__"] = "mkdir", "os"

    for edit in (call, optimizer):
        assert "os.mkdir" in refused(changed(path, edit))
        assert not mark.exists()


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (lambda d: d.clear(), "can't be opened as a .skops file"),
        (lambda d: d.update(content=3), "can't be opened as a .skops file"),
        (lambda d: d.update(__loader__="NoNode"), "can't be opened as a .skops file"),
        (lambda d: d.update(protocol=10**9), "can't be opened as a .skops file"),
    ],
    ids=["nothing", "a number", "an unknown node", "a later protocol"],
)
def test_a_damaged_skops_file_is_one_sentence(
    skops: Any, tmp_path: Path, edit: Callable[[dict[str, Any]], None], said: str
) -> None:
    skops.dump(mlp(), tmp_path / "m.skops")
    assert said in refused(changed(tmp_path / "m.skops", edit))


@pytest.mark.parametrize("suffix", [".skops", ".pkl", ".pickle", ".joblib"])
@pytest.mark.parametrize("content", [b"", b"hello", b"PK\x03\x04" + bytes(40), bytes(300)])
def test_what_is_no_file_of_scikit_learn(tmp_path: Path, suffix: str, content: bytes) -> None:
    path = tmp_path / f"m{suffix}"
    path.write_bytes(content)
    message = refused(path, trust=True)
    assert any(
        word in message
        for word in ("is empty", "is no .skops", "truncated", "can't be opened as a")
    )


def test_archives_that_would_do_harm(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "bomb.skops", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("schema.json", bytes(300_000_000))
    assert "would unpack to 300,000,000" in refused(tmp_path / "bomb.skops")
    with zipfile.ZipFile(tmp_path / "path.skops", "w") as archive:
        archive.writestr("../schema.json", b"{}")
    assert "outside the folder" in refused(tmp_path / "path.skops")


@pytest.mark.parametrize("change", ["missing", "fewer", "other", "swapped", "none"])
def test_coefficients_that_do_not_fit_each_other(skops: Any, tmp_path: Path, change: str) -> None:
    model = mlp()
    if change == "missing":
        del model.intercepts_
    elif change == "fewer":
        model.intercepts_ = model.intercepts_[:1]
    elif change == "other":
        model.coefs_[0] = model.coefs_[0].T
    elif change == "swapped":
        model.intercepts_ = model.intercepts_[::-1]
    else:
        model.coefs_ = None
    path = tmp_path / "m.skops"
    skops.dump(model, path)
    message = refused(path)
    assert "is damaged: the coefficients of its MLPClassifier do not fit each other" in message


@pytest.mark.parametrize("shape", [(10**12,), (10**6, 10**6)])
def test_an_array_in_a_skops_file_is_not_believed(
    skops: Any, tmp_path: Path, shape: tuple[int, ...]
) -> None:
    path = tmp_path / "m.skops"
    head = f"{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}}}\n".encode()
    claim = b"\x93NUMPY\1\0" + len(head).to_bytes(2, "little") + head
    with zipfile.ZipFile(io.BytesIO(_whole(skops))) as old, zipfile.ZipFile(path, "w") as new:
        for name in old.namelist():
            new.writestr(name, claim if name.endswith(".npy") else old.read(name))
    assert "it promises 1,000,000,000,000 values of float64, and holds 0 bytes" in refused(path)


def saved(model: Any, path: Path) -> Path:
    if path.suffix == ".joblib":
        pytest.importorskip("joblib").dump(model, path)
    else:
        path.write_bytes(pickle.dumps(model))
    return path


@pytest.mark.parametrize("suffix", [".pkl", ".pickle", ".joblib"])
def test_a_pickle_opens_only_where_it_is_trusted(tmp_path: Path, suffix: str) -> None:
    mark = tmp_path / "mark"
    trap = saved(Tripwire(str(mark)), tmp_path / f"trap{suffix}")
    assert "a pickle can run any code when it is opened: pass --trust" in refused(trap)
    assert not mark.exists()
    assert "holds a NoneType, no estimator of scikit-learn" in refused(trap, trust=True)
    assert mark.exists()  # the trap works
    model = mlp()
    opened = load_model(saved(model, tmp_path / f"m{suffix}"), trust=True)
    np.testing.assert_array_equal(opened.predict_proba(X), model.predict_proba(X))
    assert str(origin_of(opened)).endswith(
        f"(pickle, written by scikit-learn {sklearn.__version__})"
    )


@pytest.mark.parametrize("suffix", [".pkl", ".joblib", ".skops"])
def test_another_version_is_said(
    tmp_path: Path, suffix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, path = mlp(), tmp_path / f"m{suffix}"
    with monkeypatch.context() as patch:
        patch.setattr("sklearn.base.__version__", "1.2.0")
        if suffix == ".skops":
            pytest.importorskip("skops.io").dump(model, path)
        else:
            saved(model, path)
    origin = origin_of(load_model(path, trust=suffix != ".skops"))
    assert origin is not None
    assert origin.written_by == "scikit-learn 1.2.0"
    assert origin.repairs == (
        f"saved by scikit-learn 1.2.0, opened with {sklearn.__version__}: its numbers may differ "
        "from then",
    )


def test_a_perceptron_from_before_features_were_counted(tmp_path: Path) -> None:
    model = mlp()
    del model.n_features_in_
    opened = load_model(saved(model, tmp_path / "m.pkl"), trust=True)
    assert ls.activations(opened, X)["output"].shape == (30, 3)
    assert "the number of features (4) was read off the coefficients" in str(origin_of(opened))


def test_a_pickle_of_a_module_that_is_not_there(tmp_path: Path) -> None:
    path = tmp_path / "m.pkl"
    path.write_bytes(b"ca_package_nobody_has\nThing\n.")
    with pytest.raises(MissingDependencyError, match="needs the module 'a_package_nobody_has'"):
        load_model(path, trust=True)
    path.write_bytes(b"csklearn.neural_network\nThing\n.")
    assert "has no attribute 'Thing'" in refused(path, trust=True)


@settings(max_examples=examples(150), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_damage_to_a_skops_file_is_one_sentence(
    skops: Any, tmp_path: Path, data: st.DataObject
) -> None:
    content = bytearray(_whole(skops))
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(content) - 1))
        kind = data.draw(st.sampled_from(["flip", "cut", "insert", "remove"]))
        if kind == "flip":
            content[place] ^= data.draw(st.integers(1, 255))
        elif kind == "cut":
            del content[place + 1 :]
        elif kind == "insert":
            content[place:place] = data.draw(st.binary(min_size=1, max_size=8))
        else:
            del content[place : place + data.draw(st.integers(1, 8))]
        content = content or bytearray(b"x")
    path = tmp_path / "fuzzed.skops"
    path.write_bytes(content)
    said = ""
    try:
        assert isinstance(load_model(path), BaseEstimator)
    except LayerscopeError as error:
        said = str(error)
    assert "\n" not in said


def _whole(skops: Any) -> bytes:
    buffer = io.BytesIO()
    skops.dump(mlp(), buffer)
    return buffer.getvalue()
