"""Pipelines that take tables by their columns, words as categories, or texts."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytest.importorskip("sklearn")
pd = pytest.importorskip("pandas")

from sklearn.compose import make_column_transformer
from sklearn.feature_extraction.text import CountVectorizer, HashingVectorizer, TfidfVectorizer
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline, make_union
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, OrdinalEncoder, StandardScaler

import layerscope as ls
from layerscope.core.errors import InputError

# How far a perceptron is trained is not what is tested.
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

COUNT = 12
TABLE = pd.DataFrame(
    {
        "city": ["a", "b", "c"] * 4,
        "age": np.linspace(20, 70, COUNT),
        "pay": np.sin(np.arange(COUNT)),
    }
)
TEXTS = ["a cat sat", "hello there you", "good day to you"] * 4
ANSWERS = [0, 1, 0] * 4


def perceptron() -> Any:
    return MLPClassifier((5, 3), solver="lbfgs", max_iter=20, random_state=0)


def by_name() -> Any:
    return make_column_transformer((OneHotEncoder(), ["city"]), (StandardScaler(), ["age", "pay"]))


PIPELINES = {
    "columns by name": (lambda: make_pipeline(by_name(), perceptron()), TABLE),
    "columns, then a scaler": (
        lambda: make_pipeline(by_name(), StandardScaler(with_mean=False), perceptron()), TABLE),
    "columns in a pipeline": (lambda: make_pipeline(make_pipeline(by_name()), perceptron()), TABLE),
    "words": (lambda: make_pipeline(OneHotEncoder(), perceptron()), TABLE[["city"]]),
    "words as an array": (
        lambda: make_pipeline(OrdinalEncoder(), perceptron()), TABLE[["city"]].to_numpy()),
    "texts": (lambda: make_pipeline(TfidfVectorizer(), perceptron()), TEXTS),
    "hashed texts": (lambda: make_pipeline(HashingVectorizer(n_features=8), perceptron()), TEXTS),
    "a column of texts": (lambda: make_pipeline(CountVectorizer(), perceptron()), pd.Series(TEXTS)),
    "a union": (
        lambda: make_pipeline(make_union(CountVectorizer(), TfidfVectorizer()), perceptron()),
        TEXTS),
}  # fmt: skip


@pytest.mark.parametrize("name", PIPELINES)
def test_values_are_those_of_the_pipeline(name: str) -> None:
    make, x = PIPELINES[name]
    pipeline = make().fit(x, ANSWERS)
    acts = ls.activations(pipeline, x)
    value = x
    for address, step in pipeline.steps[:-1]:
        value = step.transform(value)
        dense = value.toarray() if hasattr(value, "toarray") else value
        np.testing.assert_array_equal(acts[address], np.asarray(dense, float))
    np.testing.assert_allclose(acts["output"][:, 0], pipeline.predict_proba(x)[:, 1], rtol=1e-12)
    for size in (1, 5):
        some = ls.activations(pipeline, x, batch_size=size, samples=7)
        for address in acts:
            np.testing.assert_allclose(some[address], acts[address][:7], rtol=1e-12)
    assert acts.provenance["input"]


@pytest.mark.parametrize("name", PIPELINES)
def test_what_is_known_without_data_pushes_none_through(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    make, x = PIPELINES[name]
    pipeline = make().fit(x, ANSWERS)
    acts = ls.activations(pipeline, x)

    def refuse(*_: Any) -> Any:
        raise AssertionError("a step was run")

    for _, step in pipeline.steps[:-1]:
        monkeypatch.setattr(type(step), "transform", refuse)
    network = ls.describe(pipeline)
    assert [layer.address for layer in network] == list(acts)
    assert [layer.shape for layer in network] == [layer.shape for layer in acts.network]
    assert set(ls.weights(pipeline)) == {f"{kind}_{i}" for kind in ("coefs", "intercepts")
                                         for i in range(3)}  # fmt: skip
    ls.diagram(pipeline)


def test_numbers_are_taken_as_before() -> None:
    x = TABLE[["age", "pay"]].to_numpy()
    pipeline = make_pipeline(StandardScaler(), FunctionTransformer(np.abs), perceptron())
    pipeline.fit(x, ANSWERS)
    acts = ls.activations(pipeline, x.tolist())
    np.testing.assert_allclose(acts["output"][:, 0], pipeline.predict_proba(x)[:, 1])
    assert [layer.shape for layer in ls.describe(pipeline)][:2] == [(None, 2), (None, 2)]


def test_what_it_does_not_take_is_one_sentence() -> None:
    pipeline = make_pipeline(by_name(), perceptron()).fit(TABLE, ANSWERS)
    for x in ("noise", 3, [1, 2]):
        with pytest.raises(InputError, match="takes a DataFrame with the columns that it was"):
            ls.activations(pipeline, x)


@pytest.mark.parametrize(
    ("x", "words"),
    [
        (
            TABLE.rename(columns={"city": "town"}),
            r"columns are missing: \{'city'\} \(it was fitted",
        ),
        (TABLE[["city", "age"]], r"columns are missing: \{'pay'\} .*'city', 'age', 'pay'\)"),
        (TABLE.assign(city="z"), "Found unknown categories"),
        (TABLE.to_numpy(), "only supported for dataframes"),
    ],
    ids=["renamed", "fewer", "unknown word", "an array"],
)
def test_what_a_step_refuses_is_said_in_one_sentence(x: Any, words: str) -> None:
    model = make_pipeline(by_name(), perceptron()).fit(TABLE, ANSWERS)
    with pytest.raises(InputError, match="The step ColumnTransformer can't take what") as caught:
        ls.activations(model, x)
    assert caught.match(words)
    assert str(caught.value).count("\n") == 0


@pytest.mark.parametrize("mark", [",", ";", "\t"])
def test_a_table_may_be_a_file(tmp_path: Any, mark: str) -> None:
    model = make_pipeline(by_name(), perceptron()).fit(TABLE, ANSWERS)
    path = tmp_path / ("rows.tsv" if mark == "\t" else "rows.csv")
    TABLE.to_csv(path, index=False, sep=mark, decimal="," if mark == ";" else ".")
    acts = ls.activations(model, path)
    np.testing.assert_allclose(acts["output"], ls.activations(model, TABLE)["output"])
    assert acts.notes[0] == f"{path.name}: 12 rows as samples, columns 'city', 'age', 'pay'"
    path.write_text("")
    with pytest.raises(InputError, match="can't be read as a table"):
        ls.activations(model, path)
    path.write_text("city,age,pay\n")
    with pytest.raises(InputError, match="holds no rows"):
        ls.activations(model, path)
    with pytest.raises(InputError, match="There is no file"):
        ls.activations(model, tmp_path / "other.csv")


def test_texts_may_be_the_column_of_a_file(tmp_path: Any) -> None:
    model = make_pipeline(CountVectorizer(), perceptron()).fit(TEXTS, ANSWERS)
    pd.DataFrame({"text": TEXTS}).to_csv(tmp_path / "texts.csv", index=False)
    acts = ls.activations(model, str(tmp_path / "texts.csv"))
    np.testing.assert_allclose(acts["output"], ls.activations(model, TEXTS)["output"])
    pd.DataFrame({"n": range(12), "text": TEXTS}).to_csv(tmp_path / "two.csv", index=False)
    with pytest.raises(InputError, match="columns 'n', 'text', and the step CountVectorizer takes"):
        ls.activations(model, tmp_path / "two.csv")
    with pytest.raises(InputError, match="pass the column that holds them"):
        ls.activations(model, TABLE)
