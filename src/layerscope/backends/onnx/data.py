"""The tensors of ONNX files: checked before they are read, and read from where they are kept.

A tensor says how many values it has, and holds their bytes, or names a file beside the model that
does. Both are claims of a stranger: none is believed before it was compared with what is there.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto

from layerscope.backends.onnx.model import OnnxModel
from layerscope.core.errors import ModelError
from layerscope.core.files import kind_of

#: The types of which several values share a byte, and how many bits each takes.
_BITS = {
    getattr(TensorProto, name): bits
    for name, bits in (("INT4", 4), ("UINT4", 4), ("FLOAT4E2M1", 4), ("INT2", 2), ("UINT2", 2))
    if hasattr(TensorProto, name)
}


_MOST_AXES = 32


def all_tensors(graph: Any) -> Iterator[Any]:
    """Yield every tensor in a graph: initializers, attributes, and those of graphs inside."""
    yield from graph.initializer
    for sparse in graph.sparse_initializer:
        yield from (sparse.values, sparse.indices)
    yield from node_tensors(graph.node)


def node_tensors(nodes: Any) -> Iterator[Any]:
    """Yield every tensor in the attributes of these nodes, and in graphs inside them."""
    for node in nodes:
        for attribute in node.attribute:
            if attribute.HasField("t"):
                yield attribute.t
            yield from attribute.tensors
            if attribute.HasField("sparse_tensor"):
                yield from (attribute.sparse_tensor.values, attribute.sparse_tensor.indices)
        for graph in graphs_of(node):
            yield from all_tensors(graph)


def graphs_of(node: Any) -> list[Any]:
    """Return the graphs that a node runs: a loop's body, a condition's branches."""
    graphs = [attribute.g for attribute in node.attribute if attribute.HasField("g")]
    return graphs + [graph for attribute in node.attribute for graph in attribute.graphs]


def is_external(tensor: Any) -> bool:
    """Return whether the values are kept in another file."""
    return bool(tensor.data_location == TensorProto.EXTERNAL)


def type_name(data_type: int) -> str:
    """Return a type's name: ``float32`` for FLOAT, ``bfloat16`` for BFLOAT16."""
    names = {TensorProto.FLOAT: "float32", TensorProto.DOUBLE: "float64"}
    if data_type not in TensorProto.DataType.values():
        return "unknown"
    return names.get(data_type) or str(TensorProto.DataType.Name(data_type)).lower()


def nbytes_of(tensor: Any) -> int:
    """Return what the values take in memory, as the tensor claims."""
    count: int = math.prod(tensor.dims)
    if tensor.data_type in _BITS:
        bits: int = _BITS[tensor.data_type]
        return (count * bits + 7) // 8
    itemsize: int = onnx.helper.tensor_dtype_to_np_dtype(tensor.data_type).itemsize
    return count * itemsize


def check_tensor(tensor: Any, model: OnnxModel) -> None:
    """Raise ModelError unless the tensor holds as many values as it claims."""
    name = f"{model.label} is damaged: its tensor {tensor.name!r}"
    if tensor.data_type not in onnx.helper.get_all_tensor_dtypes():
        raise ModelError(f"{name} has no type that ONNX knows ({tensor.data_type}).")
    if any(length < 0 for length in tensor.dims):
        raise ModelError(f"{name} has a negative length, {list(tensor.dims)}.")
    if len(tensor.dims) > _MOST_AXES:
        raise ModelError(f"{name} has {len(tensor.dims):,} axes, and up to {_MOST_AXES} are read.")
    if math.prod(length or 1 for length in tensor.dims) >= 2**59:  # also of an empty one
        raise ModelError(f"{name} has the shape {list(tensor.dims)}, which no array can have.")
    if is_external(tensor):
        data_file(tensor, model)
        return
    if tensor.HasField("raw_data"):
        held, claimed, unit = len(tensor.raw_data), nbytes_of(tensor), "bytes"
    else:
        field = onnx.helper.tensor_dtype_to_field(tensor.data_type)
        packed = tensor.data_type in _BITS
        held = len(getattr(tensor, field))
        claimed = nbytes_of(tensor) if packed else math.prod(tensor.dims)
        claimed *= 2 if tensor.data_type in (TensorProto.COMPLEX64, TensorProto.COMPLEX128) else 1
        unit = "values"
    if held != claimed:
        raise ModelError(
            f"{name} of shape {list(tensor.dims)} should hold {claimed:,} {unit}, and holds "
            f"{held:,}."
        )


def data_file(tensor: Any, model: OnnxModel) -> tuple[Path, int]:
    """Return the file that holds an external tensor, and where in it.

    Raises ModelError when that file is outside the model's own folder, is not there or too short.
    """
    says = {entry.key: entry.value for entry in tensor.external_data}
    location = says.get("location", "")
    name = f"tensor {tensor.name!r}"
    if model.path is None:
        raise ModelError(
            f"This ONNX model keeps its {name} in the file {location!r}, and does not know in "
            "which folder: pass the path of the model to load_model."
        )
    parts = {*PurePosixPath(location).parts, *PureWindowsPath(location).parts}
    absolute = location.startswith(("/", "\\")) or PureWindowsPath(location).drive
    file = model.path.parent / location if not absolute and "\0" not in location else Path("/")
    # Beside the name that was given, or beside the file that a link of that name leads to.
    folders = (model.path.parent.resolve(), model.path.resolve().parent)
    inside = any(file.resolve().is_relative_to(folder) for folder in folders)
    if not location or absolute or ".." in parts or not inside:
        raise ModelError(
            f"{model.label} wants its {name} from {location!r}: only files in the model's own "
            "folder are read."
        )
    if kind_of(file) != "file":
        raise ModelError(
            f"{model.label} keeps its {name} in {location!r}, which is not there: put that file "
            "beside it."
        )
    nbytes = nbytes_of(tensor)
    try:
        offset, length = int(says.get("offset", 0)), int(says.get("length", nbytes))
    except ValueError:
        offset, length = -1, -1
    if offset < 0 or length != nbytes or offset + nbytes > file.stat().st_size:
        raise ModelError(
            f"{model.label} needs {nbytes:,} bytes of {location!r} for its {name}: that file is "
            "truncated, or belongs to another model."
        )
    return file, offset


def array_of(tensor: Any, model: OnnxModel) -> npt.NDArray[Any]:
    """Return the values of a checked tensor; those in another file are mapped, not loaded."""
    if not is_external(tensor):
        return np.asarray(onnx.numpy_helper.to_array(tensor))
    if tensor.data_type in _BITS:
        return np.asarray(onnx.numpy_helper.to_array(inlined(tensor, model)))
    file, offset = data_file(tensor, model)
    dtype = onnx.helper.tensor_dtype_to_np_dtype(tensor.data_type)
    shape = tuple(tensor.dims)
    if not math.prod(shape):
        return np.zeros(shape, dtype)
    return np.memmap(file, dtype, "r", offset, shape)


def inlined(tensor: Any, model: OnnxModel) -> Any:
    """Return the same tensor, holding its values itself."""
    copy = TensorProto()
    copy.CopyFrom(tensor)
    if is_external(tensor):
        file, offset = data_file(tensor, model)
        with file.open("rb") as data:
            data.seek(offset)
            copy.raw_data = data.read(nbytes_of(tensor))
        del copy.external_data[:]
        copy.ClearField("data_location")
    return copy
