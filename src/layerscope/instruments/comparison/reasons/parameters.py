"""Causes that the weights show: transposed, in another order, swapped, not loaded, rounded."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from layerscope.core.axes import NamedArray
from layerscope.core.text import quoted
from layerscope.instruments.comparison.families import family
from layerscope.instruments.comparison.reasons.chain import Chain, distance
from layerscope.instruments.comparison.reasons.roles import roles, unflattened_kernel

Values = npt.NDArray[np.float64]

SAME = 1e-6  #: the distance of weights that are the same but for a rounding
_LEVELS = 256  #: so many different values are those of a quantized kernel
_VALUES = 4096  #: fewer weights than this may take few values by chance


def of_parameters(one: Chain, other: Chain) -> list[str]:
    """Return what the weights of both cores have to do with one another, where they differ."""
    first, second = roles(one.core, one.parameters), roles(other.core, other.parameters)
    if not first or not second or family(one.core.kind) != family(other.core.kind):
        return []
    if one.about is not None:  # a norm is folded into the weights of one of both
        return []
    name = quoted(other.core.address)
    if {"mean", "variance"} <= set(first) & set(second):
        statistics = _statistics(first, second, name)
        if statistics:
            return statistics
    whole = [r for r in first if r in second and second[r].attrs["whole"]]
    if whole and not any(first[role].attrs["whole"] for role in whole):
        verb = "are" if len(whole) > 1 else "is"
        names = " and the ".join(whole)
        return [f"the {names} of {name} {verb} quantized in the other, to whole numbers"]
    words = []
    for role in first:
        if role not in second:
            if role in ("bias", "shift", "scale") and not _is_neutral(first[role], role):
                words.append(f"{name} of the other has no {role}")
            continue
        words += _differing(role, first[role], second[role], name)
    return words


def _differing(role: str, one: NamedArray, other: NamedArray, name: str) -> Iterator[str]:
    """Yield what is known of one weight that differs."""
    if role == "kernel" and _dense(one) and _dense(other):
        first, second = unflattened_kernel(one), unflattened_kernel(other)
    else:
        first, second = one.values, other.values
    if distance(first, second) <= SAME:
        return
    if role == "kernel":
        known = _flatten_order(one, other, first) or _rearranged(one, first, second)
        if known:
            yield f"{known.format(name)}"
            return
    if first.shape != second.shape:
        yield f"the {role} of {name} is {second.shape} in the other and {first.shape} in the one"
    elif first.any() != second.any():
        side = "one" if second.any() else "other"
        yield f"the {role} of {name} is 0 throughout in the {side}, as where it was not loaded"
    elif _is_quantized(second) and not _is_quantized(first):
        levels = len(np.unique(second))
        yield (
            f"the {role} of {name} is quantized in the other: {levels} different values, apart "
            f"from the one's by {distance(first, second):.1e}"
        )
    else:
        yield (
            f"the {role} of {name} is another in the other: apart from the one's by "
            f"{distance(first, second):.1e}"
        )


def _dense(kernel: NamedArray) -> bool:
    return set(kernel.axes) == {"input", "unit"}


def _flatten_order(one: NamedArray, other: NamedArray, first: Values) -> str:
    """Return words where the kernel is right for what was flattened in the other's order."""
    if not _dense(one) or one.values.shape != other.values.shape:
        return ""
    if distance(one.values, other.values) > SAME:
        return ""
    if distance(first, unflattened_kernel(other)) <= SAME:
        return ""
    orders = [
        "channels last" if array.attrs.get("input_axes", ())[-1:] == ("channel",) else
        "channels first"
        for array in (one, other)
    ]  # fmt: skip
    return (
        f"the order of flattening: the kernel of {{}} is for {orders[0]}, as in the one, and the "
        f"other flattens its maps {orders[1]}"
    )


def _rearranged(kernel: NamedArray, first: Values, second: Values) -> str:
    """Return words where one kernel is the other transposed, turned, or in another order."""
    axes = kernel.axes
    if second.ndim == first.ndim == 2 and distance(first.T, second) <= SAME:
        return "the kernel of {} is transposed: inputs and units are swapped in the other"
    if not {"y", "x"} <= set(axes) or first.ndim != second.ndim:
        return ""
    y, x = axes.index("y"), axes.index("x")
    if distance(np.swapaxes(first, y, x), second) <= SAME:
        return "the kernel of {} is transposed: y and x are swapped in the other"
    if distance(np.flip(first, (y, x)), second) <= SAME:
        return "the kernel of {} is turned by 180° in the other, as a true convolution has it"
    if {"input", "channel"} <= set(axes):
        i, c = axes.index("input"), axes.index("channel")
        if distance(np.swapaxes(first, i, c), second) <= SAME:
            return "the kernel of {} is transposed: inputs and channels are swapped in the other"
        if distance(np.flip(first, i), second) <= SAME:
            return "the inputs of the kernel of {} are in reverse order in the other, as BGR is"
    return ""


def _statistics(
    first: dict[str, NamedArray], second: dict[str, NamedArray], name: str
) -> list[str]:
    """Return what is known of a batch norm's mean and variance that differ."""
    mean, variance = first["mean"].values, first["variance"].values
    other_mean, other_variance = second["mean"].values, second["variance"].values
    if distance(mean, other_mean) <= SAME and distance(variance, other_variance) <= SAME:
        return []
    if distance(mean, other_variance) <= SAME and distance(variance, other_mean) <= SAME:
        return [f"the statistics of {name} are swapped: its mean is the one's variance"]
    for side, m, v in (("other", other_mean, other_variance), ("one", mean, variance)):
        if not m.any() and (v == 1).all():
            return [
                f"the statistics of {name} were not loaded in the {side}: mean 0 and variance 1 "
                "throughout"
            ]
    return [
        f"the statistics of {name} are others: their means are apart by "
        f"{distance(mean, other_mean):.1e}, their variances by "
        f"{distance(variance, other_variance):.1e}"
    ]


def _is_neutral(array: NamedArray, role: str) -> bool:
    return bool((array.values == (1 if role == "scale" else 0)).all())


def _is_quantized(values: Values) -> bool:
    """Return whether each channel takes few values only."""
    if values.size < _VALUES:
        return len(np.unique(values)) < values.size // 2
    channels = values.reshape(-1, values.shape[-1])
    return len(np.unique(channels[:, 0])) <= min(_LEVELS, len(channels) // 2)
