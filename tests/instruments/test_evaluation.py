"""What operations mean, by numbers that one can check by hand.

That they are what the frameworks compute is looked at where the backends are tested.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from layerscope.core.operations import FUNCTIONS, OPERATIONS, Operation, OperationGraph
from layerscope.instruments.evaluation import _COMPUTE, _FUNCTIONS, evaluate

ROWS = np.arange(6, dtype=np.float32).reshape(2, 3, 1)  # 0 1 2 / 3 4 5


def computed(
    kind: Any,
    shape: tuple[int, ...],
    settings: Any = None,
    *inputs: npt.NDArray[Any],
    **arrays: Any,
) -> Any:
    """The value of one operation on the first input, ``ROWS`` where there is none."""
    x, *others = inputs or (ROWS,)
    constants = [
        Operation(f"c{i}", "constant", (), other.shape, {}, {"value": other})
        for i, other in enumerate(others)
    ]
    given = {name: np.asarray(array, np.float32) for name, array in arrays.items()}
    names = ("x", *(each.address for each in constants))
    last = Operation("y", kind, names, shape, settings or {}, given)
    graph = OperationGraph("x", x.shape, "y", (*constants, last))
    value = evaluate(graph, np.stack([x, x]))["y"]
    assert value.dtype == np.float32
    assert value.shape in ((2, *shape), (1, *shape))
    return value[0].tolist()


def test_each_operation_and_each_function_has_a_meaning() -> None:
    assert set(_COMPUTE) == OPERATIONS
    assert set(_FUNCTIONS) == FUNCTIONS


VALID: dict[str, Any] = {"strides": [1, 1], "padding": [[0, 0], [0, 0]]}
ONE: dict[str, Any] = {**VALID, "dilation": [1, 1], "groups": 1}


def test_a_convolution_looks_through_a_window() -> None:
    kernel = np.array([[1, 10]]).reshape(1, 2, 1, 1)
    assert computed("conv2d", (2, 2, 1), ONE, kernel=kernel, bias=[100]) == [
        [[110], [121]],
        [[143], [154]],
    ]


def test_padding_is_before_and_after_and_counts_as_zero() -> None:
    kernel = np.array([[1, 10]]).reshape(1, 2, 1, 1)
    around = {**ONE, "padding": [[0, 0], [1, 0]], "strides": [2, 1]}
    assert computed("conv2d", (1, 3, 1), around, kernel=kernel) == [[[0], [10], [21]]]


def test_dilation_looks_at_what_is_apart() -> None:
    kernel = np.array([[1, 10]]).reshape(1, 2, 1, 1)
    apart = {**ONE, "dilation": [1, 2]}
    assert computed("conv2d", (2, 1, 1), apart, kernel=kernel) == [[[20]], [[53]]]


def test_a_group_sees_its_own_channels() -> None:
    x = np.array([[[1, 2, 3, 4]]], np.float32)
    kernel = np.array([[1, 10], [1, 10]]).reshape(1, 1, 2, 2)
    assert computed("conv2d", (1, 1, 2), {**ONE, "groups": 2}, x, kernel=kernel) == [[[3, 70]]]


def test_depthwise_each_channel_has_its_own_kernels_side_by_side() -> None:
    x = np.array([[[2, 3]]], np.float32)
    kernel = np.array([[1, 10], [100, 1000]]).reshape(1, 1, 2, 2)
    assert computed("depthwise_conv2d", (1, 1, 4), ONE, x, kernel=kernel) == [[[2, 20, 300, 3000]]]


def test_a_dense_layer_works_on_the_last_axis() -> None:
    kernel = [[1, 10], [100, 1000]]
    x = np.array([[1, 2], [3, 4]], np.float32)
    expected = [[201, 2011], [403, 4031]]
    assert computed("dense", (2, 2), {}, x, kernel=kernel, bias=[0, 1]) == expected


def test_pools() -> None:
    window: dict[str, Any] = {"size": [2, 2], "strides": [2, 2], "padding": [[0, 0], [0, 1]]}
    assert computed("max_pool", (1, 2, 1), window) == [[[4], [5]]]
    counting = {**window, "counts_padding": True}
    assert computed("average_pool", (1, 2, 1), counting) == [[[2], [1.75]]]
    assert computed("average_pool", (1, 2, 1), {**counting, "counts_padding": False}) == [
        [[2], [3.5]]
    ]
    assert computed("max_pool", (1, 2, 1), window, -1 - ROWS) == [[[-1], [-3]]]


def test_global_pools() -> None:
    assert computed("global_average_pool", (1,), {"axes": [0, 1]}) == [2.5]
    assert computed("global_max_pool", (2, 1, 1), {"axes": [1]}) == [[[2]], [[5]]]


def test_a_scale_and_a_shift() -> None:
    x = np.array([[1, 2]], np.float32)
    assert computed("rescale", (1, 2), {}, x, scale=[2], shift=[0, 5]) == [[2, 9]]


@pytest.mark.parametrize(
    ("kind", "expected"),
    [("add", [7, 9]), ("subtract", [3, 3]), ("multiply", [10, 18]), ("divide", [2.5, 2]),
     ("average", [3.5, 4.5]), ("maximum", [5, 6]), ("minimum", [2, 3])],
)  # fmt: skip
def test_several_values(kind: str, expected: list[float]) -> None:
    x, y = np.array([5, 6], np.float32), np.array([2, 3], np.float32)
    assert computed(kind, (2,), {}, x, y) == expected


def test_smaller_values_are_broadcast() -> None:
    small = np.array([[[10]]], np.float32)
    assert computed("add", (2, 3, 1), {}, ROWS, small) == (ROWS + 10).tolist()


def test_what_only_moves_values() -> None:
    around = {"padding": [[0, 0], [1, 0], [0, 0]]}
    padded = computed("pad", (2, 4, 1), {**around, "value": 7.0})
    assert padded == [[[7], [0], [1], [2]], [[7], [3], [4], [5]]]
    edges = computed("pad", (2, 4, 1), {**around, "value": None})
    assert edges == [[[0], [0], [1], [2]], [[3], [3], [4], [5]]]
    assert computed("crop", (1, 2, 1), {"cropping": [[1, 0], [0, 1], [0, 0]]}) == [[[3], [4]]]
    repeated = computed("upsample", (2, 6, 1), {"factors": [1, 2]})
    assert repeated[0] == [[0], [0], [1], [1], [2], [2]]
    assert computed("transpose", (3, 1, 2), {"order": [1, 2, 0]}) == [[[0, 3]], [[1, 4]], [[2, 5]]]
    assert computed("reshape", (6,)) == [0, 1, 2, 3, 4, 5]
    assert computed("identity", (2, 3, 1)) == ROWS.tolist()
    beside = computed("concat", (2, 4, 1), {"axis": 1}, ROWS, np.array([[[8]], [[9]]], np.float32))
    assert beside == [[[0], [1], [2], [8]], [[3], [4], [5], [9]]]


@pytest.mark.parametrize(
    ("function", "settings", "x", "expected"),
    [
        ("relu", {}, [-2, 0, 3], [0, 0, 3]),
        ("relu", {"slope": 0.5}, [-2, 3], [-1, 3]),
        ("relu", {"limit": 6.0}, [7, 5], [6, 5]),
        ("relu", {"threshold": 1.0, "slope": 0.5}, [0, 1, 2], [-0.5, 1, 2]),
        ("clip", {"low": -1.0}, [-2, 9], [-1, 9]),
        ("softmax", {}, [0, 0], [0.5, 0.5]),
        ("log_softmax", {}, [1000, 1000], [-np.log(2)] * 2),
        ("sigmoid", {}, [0, -1000], [0.5, 0]),
        ("softplus", {}, [0, 1000], [np.log(2), 1000]),
        ("hard_sigmoid", {}, [-9, 0, 3], [0, 0.5, 1]),
        ("hard_silu", {}, [-9, 3], [0, 3]),
        ("gelu", {}, [0, 1], [0, 0.841345]),
        ("gelu", {"approximate": True}, [0, 1], [0, 0.841192]),
        ("elu", {"alpha": 2.0}, [-1000, 1], [-2, 1]),
        ("celu", {"alpha": 2.0}, [-1000, 1], [-2, 1]),
        ("selu", {}, [1, -1000], [1.050701, -1.758099]),
        ("silu", {}, [0, 100], [0, 100]),
        ("mish", {}, [0, 100], [0, 100]),
        ("softsign", {}, [1, -3], [0.5, -0.75]),
        ("tanh", {}, [0, 100], [0, 1]),
        ("log_sigmoid", {}, [0, -1000], [-np.log(2), -1000]),
        ("exponential", {}, [0, 1], [1, np.e]),
        ("abs", {}, [-2, 3], [2, 3]),
        ("square", {}, [-2, 3], [4, 9]),
        ("sqrt", {}, [4, 9], [2, 3]),
    ],
)  # fmt: skip
def test_functions(function: str, settings: Any, x: Any, expected: Any) -> None:
    values = computed(
        "activation", (len(x),), {"function": function, **settings}, np.array(x, np.float32)
    )
    np.testing.assert_allclose(values, expected, rtol=1e-6, atol=1e-7)


def test_slopes_that_were_learned() -> None:
    x = np.array([-2, -2], np.float32)
    assert computed("activation", (2,), {"function": "prelu"}, x, slope=[0.5, 1]) == [-1, -2]
