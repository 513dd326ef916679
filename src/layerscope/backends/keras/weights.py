"""The weights of Keras models, with their axes named."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import keras

from layerscope.backends.keras import tree
from layerscope.backends.keras.einsum import Equation
from layerscope.backends.keras.engines import Engine
from layerscope.core.axes import NamedArray, named_axes

L = keras.layers
_SPACE = {1: ("position",), 2: ("y", "x"), 3: ("z", "y", "x")}
_CELLS = (L.SimpleRNNCell, L.GRUCell, L.LSTMCell)
#: What a recurrent cell computes side by side, in the order in which its units hold them.
_GATES = {
    L.GRUCell: ("update", "reset", "candidate"),
    L.LSTMCell: ("input", "forget", "candidate", "output"),
}
_OVER = ("position", "z", "y", "x")
_TABLES = ("embeddings", "reverse_embeddings")


def weights_of(model: Any, engine: Engine) -> Mapping[str, NamedArray]:
    """Return every parameter as a copy of its own, by key, in the order of the layers.

    Codes of four bits, which Keras packs two to a byte, are unpacked.
    """
    arrays = {}
    for owned in tree.owned_parameters(model, tree.addresses(model)):
        layer, name = owned.layer, owned.variable.name
        unpacked = _unpacked(layer, name, owned.variable.value)
        read, was = engine.read(owned.variable.value if unpacked is None else unpacked)
        values = read.copy()
        attrs: dict[str, Any] = {"dtype": was} if was else {}
        note = _note(layer, name, unpacked is not None)
        if note:
            attrs["note"] = note
        gates = next((names for kind, names in _GATES.items() if isinstance(layer, kind)), None)
        if gates:
            attrs["gates"] = gates
        axes = _axes(layer, name, values.shape)
        if isinstance(layer, L.EinsumDense) and name == "kernel_scale":
            # Keras writes it so that it broadcasts over what the kernel's result is.
            once = [i for i, axis in enumerate(axes) if axis in ("sample", *_OVER)]
            once = [i for i in once if values.shape[i] == 1 and len(axes) > 2]
            values = values.squeeze(tuple(once))
            axes = tuple(axis for i, axis in enumerate(axes) if i not in once)
        arrays[owned.parameter.key] = NamedArray(values, axes, attrs)
    return arrays


def _unpacked(layer: Any, name: str, value: Any) -> Any:
    """Return the codes of a layer of four bits, one to a cell; None for what is not packed."""
    if getattr(layer, "quantization_mode", None) != "int4" or name not in ("kernel", *_TABLES):
        return None
    if isinstance(layer, L.EinsumDense):
        length = layer._int4_unpacked_column_size
        return keras.ops.reshape(_unpack(value, length, -1), layer.original_kernel_shape)
    if isinstance(layer, L.Dense):
        return _unpack(value, layer.units, -1)
    # A table is packed along what each index stands for, which its reverse has first.
    reverse = name == "reverse_embeddings"
    return _unpack(value, layer.output_dim, 0 if reverse else -1)


def _unpack(value: Any, length: int, axis: int) -> Any:
    return keras.quantizers.unpack_int4(value, length, axis=axis)


def _note(layer: Any, name: str, unpacked: bool) -> str:
    """Return what to say of a parameter that is not the weight in use by itself; else nothing."""
    mode = getattr(layer, "quantization_mode", None)
    table = name if name in _TABLES else "kernel"
    stored = name in ("kernel", "embeddings")
    notes = []
    if unpacked:
        notes.append("codes of 4 bits, unpacked one to a cell")
    elif name == "quantized_kernel":
        notes.append(f"codes of {mode} as they are packed")
    elif mode == "int8" and (name == "kernel" or name in _TABLES):
        notes.append(f"codes of 8 bits: a weight is its code over {table}_scale")
    if stored and getattr(layer, "lora_enabled", False):
        notes.append(f"as stored, without the update lora_{name}_a · lora_{name}_b that is in use")
    return "; ".join(notes)


def _axes(layer: Any, name: str, shape: tuple[int, ...]) -> tuple[str, ...]:
    """Return the names of a parameter's axes."""
    rank = len(shape)
    if rank == 0:
        return ()
    around = _around_another(layer, name, shape)
    if around is not None and len(around) == rank:
        return around
    named = _of_layer(layer, name, shape)
    if named is not None and len(named) == rank:
        return named
    if rank == 1:
        is_unit = isinstance(layer, (L.Dense, L.RNN, *_CELLS))
        return ("unit",) if is_unit else ("channel",)
    return (*(f"axis{i}" for i in range(rank - 1)), "channel")


def _around_another(layer: Any, name: str, shape: tuple[int, ...]) -> tuple[str, ...] | None:
    """Return the axes of what quantization and LoRA keep beside a kernel or a table."""
    if name.endswith("_amax_history"):
        return ("axis0",)
    table = next((t for t in ("reverse_embeddings", "embeddings") if t in name), "kernel")
    if name == "g_idx":
        return ("channel",) if isinstance(layer, L.Embedding) else ("input",)
    lora = name.startswith("lora_")
    if not lora and not name.endswith(("_scale", "_zero")):
        return None
    base = _of_layer(layer, table, ()) or ("input", "unit")
    if lora:
        return (*base[:-1], "rank") if name.endswith("_a") else ("rank", base[-1])
    if len(shape) == 1:
        return ("input",) if table in _TABLES else base[-1:]
    if len(shape) == 2 and isinstance(layer, (L.Dense, L.EinsumDense)):
        return ("group", base[-1] if isinstance(layer, L.Dense) else "unit")
    if len(shape) == 2:
        return ("group", "input") if table == "reverse_embeddings" else ("input", "group")
    if isinstance(layer, L.EinsumDense):  # laid out as the result is, which it is multiplied with
        return Equation.read(layer.equation).output
    return None


def _of_layer(layer: Any, name: str, shape: tuple[int, ...]) -> tuple[str, ...] | None:
    """Return the axes as the layer documents them; None where it does not."""
    kind, rank = type(layer).__name__, len(shape)
    if isinstance(layer, L.EinsumDense):
        equation = Equation.read(layer.equation)
        return equation.kernel if name == "kernel" else equation.output[-rank:]
    if isinstance(layer, _CELLS) and name == "bias" and rank == 2:
        return ("source", "unit")  # of what comes in, and of the state
    if "Conv" in kind and name == "bias":
        return ("channel",)
    if "Conv" in kind and hasattr(layer, "kernel_size"):
        return _of_convolution(layer, name, kind)
    if isinstance(layer, L.Embedding):
        return ("channel", "input") if name == "reverse_embeddings" else ("input", "channel")
    if isinstance(layer, L.PReLU):
        return named_axes(shape, has_samples=False)
    if isinstance(layer, L.LayerNormalization) and rank > 1:
        return _of_normalization(layer, shape)
    if isinstance(layer, (L.Dense, *_CELLS)) and (rank == 2 or name == "kernel"):
        return ("input", "unit")
    if isinstance(layer, L.SpectralNormalization) and name == "vector_u":
        inner = _axes(layer.layer, "kernel", tuple(layer.kernel.shape))
        return ("axis0", "channel" if "channel" in inner else "unit")
    return None


def _of_convolution(layer: Any, name: str, kind: str) -> tuple[str, ...]:
    space = _SPACE[getattr(layer, "rank", len(layer.kernel_size))]
    if kind.startswith("Depthwise") or name == "depthwise_kernel":
        return (*space, "channel", "multiplier")
    if kind.endswith("Transpose"):
        return (*space, "channel", "input")
    return (*space, "input", "channel")


def _of_normalization(layer: Any, shape: tuple[int, ...]) -> tuple[str, ...] | None:
    """Return the axes of the input along which a layer normalizes."""
    axes = [layer.axis] if isinstance(layer.axis, int) else list(layer.axis)
    built = (layer.get_build_config() or {}).get("input_shape")
    if built is None:
        return None
    first = len(built) >= 4 and keras.config.image_data_format() == "channels_first"
    names = named_axes(tuple(built), layout="channels_first" if first else "channels_last")
    axis_names = tuple(names[axis] for axis in axes)
    return axis_names if math.prod(built[axis] or 0 for axis in axes) == math.prod(shape) else None
