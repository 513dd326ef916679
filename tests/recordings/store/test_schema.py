from __future__ import annotations

import json

import pytest

from layerscope.core.errors import OutputError
from layerscope.recordings.store import ArrayGroup, Schema, Variable


def schema(**values: Variable) -> Schema:
    return Schema((ArrayGroup("activations", "a/b", values, {"role": 1}),), ("x",), {"n": [1, 2.5]})


def test_a_schema_comes_back_from_json() -> None:
    whole = schema(
        values=Variable(("sample", "unit"), (1, 4), "uint8", True, {"units": "volts"}),
        mean=Variable((), (), "float64"),
    )
    assert Schema.from_json(json.loads(json.dumps(whole.to_json()))) == whole


@pytest.mark.parametrize("dtype", ["bfloat16", "float8_e4m3fn"])
def test_types_that_zarr_lacks_become_float32_and_are_named(dtype: str) -> None:
    variable = Variable(("unit",), (3,), dtype)
    assert variable.dtype == "float32"
    assert variable.attrs == {"recorded_dtype": dtype}


def test_variables_that_make_no_sense_are_refused() -> None:
    with pytest.raises(OutputError, match="do not name a shape of"):
        Variable(("x",), (1, 2), "float32")
    with pytest.raises(OutputError, match="without its axis 'step'"):
        Variable(("step",), (1,), "float32")
    with pytest.raises(OutputError, match="scaled to uint8, not to float16"):
        Variable(("x",), (1,), "float16", scaled=True)
    with pytest.raises(OutputError, match="'a/b': its name is a word"):
        ArrayGroup("weights", "k", {"a/b": Variable((), (), "float32")})
    with pytest.raises(OutputError, match="'values_low': its name"):
        ArrayGroup("weights", "k", {"values_low": Variable((), (), "float32")})
    with pytest.raises(OutputError, match="kind 'gradients': a group is one of activations"):
        ArrayGroup("gradients", "k", {})
    with pytest.raises(OutputError, match="activations of 'a' are described twice"):
        Schema((ArrayGroup("activations", "a", {}), ArrayGroup("activations", "a", {})))
    with pytest.raises(OutputError, match="is not JSON"):
        Schema((), attrs={"model": object()}).to_json()


def test_the_first_difference_is_named() -> None:
    one = schema(values=Variable(("sample", "unit"), (1, 4), "float32"))
    assert one.difference(Schema.from_json(one.to_json())) is None
    wide = schema(values=Variable(("sample", "unit"), (1, 5), "float16"))
    assert one.difference(wide) == ("values of 'a/b' is float32 1 × 4 there and float16 1 × 5 now")
    assert one.difference(schema(mean=Variable((), (), "float32"))) == (
        "values of 'a/b' is float32 1 × 4 there and absent now"
    )
    assert one.difference(Schema(())) == (
        "it holds activations of 'a/b', which are not asked for now"
    )
    assert Schema(()).difference(one) == "it holds no activations of 'a/b'"
    assert one.difference(Schema(one.groups, ("y",))) == ("its samples are others (1 there, 1 now)")
