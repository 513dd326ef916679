"""Edited values of perceptrons, alone and in pipelines."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import layerscope as ls


@pytest.mark.filterwarnings("ignore:Stochastic Optimizer")
def test_edits_are_what_the_weights_give() -> None:
    x, y = load_digits(return_X_y=True)
    model = make_pipeline(StandardScaler(), MLPClassifier((20, 10), max_iter=5, random_state=0))
    model.fit(x, y)
    x, mlp = x[:5], model[-1]
    before = model.predict_proba(x)
    hidden = np.array(ls.activations(model, x)["hidden_0"])
    hidden[:, 3] = 1
    expected = _rest(mlp, hidden)
    edits = {"hidden_0:3": 1}
    close: Any = {"rtol": 1e-5, "atol": 1e-7}
    np.testing.assert_allclose(ls.activations(model, x, edits=edits)["output"], expected, **close)
    with ls.edited(model, edits):
        np.testing.assert_allclose(model.predict_proba(x), expected, **close)
        np.testing.assert_allclose(ls.activations(model, x)["output"], expected, **close)
    np.testing.assert_array_equal(model.predict_proba(x), before)
    scaled = ls.activations(model, x, edits={"standardscaler:3": 5})
    assert (scaled["standardscaler"][:, 3] == 5).all()
    with ls.edited(model, {"standardscaler:3": 5}):
        np.testing.assert_allclose(model.predict_proba(x), scaled["output"], **close)
    both = {"standardscaler:3": 5, "hidden_0:3": 1}
    together = ls.activations(model, x, edits=both)["output"]
    with ls.edited(model, {"standardscaler:3": 5}):
        with ls.edited(model, edits):
            np.testing.assert_allclose(model.predict_proba(x), together, **close)
            np.testing.assert_allclose(ls.activations(model, x)["output"], together, **close)
        np.testing.assert_allclose(model.predict_proba(x), scaled["output"], **close)
    with pytest.raises(ZeroDivisionError), ls.edited(model, edits):
        raise ZeroDivisionError
    np.testing.assert_array_equal(model.predict_proba(x), before)
    assert not {"transform", "_forward_pass_fast", "_forward_pass"} & {*vars(model[0]), *vars(mlp)}


def _rest(mlp: Any, hidden: Any) -> Any:
    second = np.maximum(hidden @ mlp.coefs_[1] + mlp.intercepts_[1], 0)
    raised = np.exp(second @ mlp.coefs_[2] + mlp.intercepts_[2])
    return raised / raised.sum(axis=1, keepdims=True)
