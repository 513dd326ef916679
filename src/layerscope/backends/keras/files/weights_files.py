"""The weights in HDF5 files as Keras 2 laid them out, matched with a model's variables.

Each layer is a group that names its arrays in order. Nothing outside the file is followed, and no
array is read before its shape is known to fit.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count, takewhile
from pathlib import Path
from typing import Any, Protocol

from numpy.typing import NDArray

from layerscope.backends.keras.files.hdf5_contents import Hdf5Array, Hdf5Group
from layerscope.backends.keras.files.kernels import flipped, from_cudnn, is_cudnn
from layerscope.core.errors import ModelError

Shape = tuple[int, ...]
_TURNED = ("Conv1D", "Conv2D", "Conv3D", "Conv2DTranspose", "ConvLSTM2D")


class StoredArray(Protocol):
    """An array in a file: its shape, and its values when asked for."""

    @property
    def shape(self) -> Shape:
        """How long its axes are."""

    def read(self) -> NDArray[Any]:
        """Return its values."""


@dataclass(frozen=True)
class Stored:
    """One layer's arrays in the file."""

    layer: str
    arrays: tuple[tuple[str, StoredArray], ...]  #: by their names, in the file's order


def texts(group: Hdf5Group, name: str) -> list[str]:
    """Return a list of texts beside a group; Keras wrote long ones in numbered parts."""
    parts = [name]
    if name not in group.texts:
        numbered = (f"{name}{part}" for part in count())
        parts = list(takewhile(group.texts.__contains__, numbered))
    held = [group.texts.get(part, []) for part in parts]
    return [one for part in held for one in ([part] if isinstance(part, str) else part)]


def text(group: Hdf5Group, name: str) -> str:
    """Return one text beside a group; empty where there is none."""
    return str(group.texts.get(name, ""))


def stored_layers(group: Hdf5Group, path: Path) -> list[Stored]:
    """Return the layers with weights in a group, in the file's order.

    Raises ModelError where the group names what it does not hold.
    """
    layers = []
    for name in [*texts(group, "layer_names"), "top_level_model_weights"]:
        layer = group.group(name)
        if layer is None:
            if name == "top_level_model_weights":
                continue
            raise ModelError(f"{str(path)!r} is damaged: the weights of {name!r} are missing.")
        arrays = []
        for weight in texts(layer, "weight_names"):
            array = layer.get(weight)
            if not isinstance(array, Hdf5Array) or not array.is_numeric:
                what = "is missing" if array is None else "is no array"
                raise ModelError(f"{str(path)!r} is damaged: {weight!r} in it {what}.")
            arrays.append((weight, array))
        if arrays:
            layers.append(Stored(name, tuple(arrays)))
    return layers


@dataclass(frozen=True)
class Assignment:
    """Arrays of the file for variables of the model, and what has to be done to them."""

    layer: str
    variables: tuple[Any, ...]
    arrays: tuple[StoredArray, ...]
    change: str | None = None  #: a key of keras_repairs.SAID

    def values(self) -> tuple[NDArray[Any], ...]:
        """Return the arrays as the variables take them."""
        read = tuple(array.read() for array in self.arrays)
        if self.change == "gates":
            return from_cudnn(*read)
        return tuple(map(flipped, read)) if self.change == "theano" else read


def assignments(model: Any, stored: list[Stored], path: Path, backend: str) -> list[Assignment]:
    """Return which array goes to which variable: by the names of the layers, else in their order.

    Raises ModelError where they do not fit.
    """
    layers = [layer for layer in model.layers if legacy_order(layer)]
    of_model = [one for one in stored if one.layer == "top_level_model_weights"]
    named = {one.layer.replace("/", "_"): one for one in stored if one not in of_model}
    rest = list(named.values())
    if len(rest) != len(layers):
        raise ModelError(
            f"The weights in {str(path)!r} don't fit: it holds those of {len(rest)} layers, and "
            f"the architecture has {len(layers)} layers with weights."
        )
    if {layer.name for layer in layers} == set(named):
        pairs = [(layer, named[layer.name]) for layer in layers]
    else:
        pairs = list(zip(layers, rest, strict=True))
    assignments = [one for layer, held in pairs for one in of_layer(layer, held, path, backend)]
    for held in of_model:
        variables = [*model._trainable_variables, *model._non_trainable_variables]
        assignments += in_order(model.name, variables, held, path, {}, backend)
    return assignments


def legacy_order(layer: Any) -> list[Any]:
    """Return a layer's variables as Keras 2 ordered them."""
    return [*layer.trainable_weights, *layer.non_trainable_weights]


def of_layer(layer: Any, held: Stored, path: Path, backend: str) -> Iterator[Assignment]:
    """Yield which of the arrays stored for a layer goes to which of its variables."""
    owners = {
        id(variable): type(one).__name__
        for one in layer._flatten_layers()
        for variable in (*one._trainable_variables, *one._non_trainable_variables)
    }
    yield from in_order(layer.name, legacy_order(layer), held, path, owners, backend)


def in_order(
    name: str, variables: list[Any], held: Stored, path: Path, owners: dict[int, str], backend: str
) -> list[Assignment]:
    """Return which array goes to which variable: by their names, else in their order.

    Raises ModelError where they do not fit; ``owners`` are the classes of the variables' layers.
    """
    arrays = [array for _, array in held.arrays]
    if len(arrays) != len(variables):
        raise ModelError(
            f"The weights in {str(path)!r} don't fit: it holds {len(arrays)} arrays for {name!r}, "
            f"and the architecture has {len(variables)}."
        )
    arrays = _by_name(variables, held) or arrays
    assignments: list[Assignment] = []
    at = 0
    while at < len(variables):
        three = slice(at, at + 3)
        shapes = [array.shape for array in arrays[three]]
        old = len(shapes) == 3 and is_cudnn(*shapes)
        if old and [v.name for v in variables[three]] == ["kernel", "recurrent_kernel", "bias"]:
            of_three = tuple(variables[three])
            one = Assignment(name, of_three, tuple(arrays[three]), "gates")
            kernel, recurrent, bias = shapes
            gates = recurrent[1] // recurrent[0]
            biases = (bias[0] // 2,) if gates == 4 else (2, bias[0] // 2)
            expected = [kernel, recurrent, biases]
            at += 3
        else:
            turned = backend == "theano" and owners.get(id(variables[at])) in _TURNED
            change = "theano" if turned and variables[at].name != "bias" else None
            one = Assignment(name, (variables[at],), (arrays[at],), change)
            expected = [arrays[at].shape]
            at += 1
        _check_shapes(one, expected, path)
        assignments.append(one)
    return assignments


def _by_name(variables: list[Any], held: Stored) -> list[StoredArray] | None:
    """Return the arrays by the last two parts of their names; None where two are alike."""

    def ends(path: str) -> str:
        return "/".join(path.partition(":")[0].split("/")[-2:])

    named = {ends(name): array for name, array in held.arrays}
    wanted = [ends(variable.path) for variable in variables]
    if len(named) == len(held.arrays) and len(set(wanted)) == len(wanted) == len(named):
        return [named[one] for one in wanted] if set(wanted) == set(named) else None
    return None


def _check_shapes(one: Assignment, stored: list[Shape], path: Path) -> None:
    for variable, shape in zip(one.variables, stored, strict=True):
        if tuple(variable.shape) != shape:
            raise ModelError(
                f"The weights in {str(path)!r} don't fit: for {one.layer!r} it holds a "
                f"{variable.name} of {shape}, and the architecture has {tuple(variable.shape)}."
            )


def assign(assignments: list[Assignment]) -> list[tuple[str, str]]:
    """Read the arrays into the variables; returns what was done to them, for ``in_words``."""
    done: dict[tuple[str, str], None] = {}
    for one in assignments:
        for variable, value in zip(one.variables, one.values(), strict=True):
            variable.assign(value)
        if one.change is not None:
            done[one.change, one.layer] = None
    return list(done)
