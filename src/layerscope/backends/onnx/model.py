"""ONNX models as ``load_model`` returns them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from layerscope.core.table import shape_text


@dataclass(frozen=True, eq=False, repr=False)
class OnnxModel:
    """An ONNX model and the file that it was read from.

    ``proto`` is the ``onnx.ModelProto``, for all that the onnx package does; it is not to be
    changed. A ModelProto itself can be neither hashed nor referred to weakly, and does not know
    which folder its external data are in: so where it came from, and the sessions that were made
    for it, could not be remembered with it.
    """

    proto: Any
    path: Path | None = None

    @property
    def name(self) -> str:
        """The file's name, or the graph's."""
        return self.path.stem if self.path is not None else self.proto.graph.name or "ModelProto"

    @property
    def label(self) -> str:
        """What an error calls it."""
        return repr(self.name if self.path is None else str(self.path))

    def __repr__(self) -> str:
        graph = self.proto.graph
        held = {tensor.name for tensor in graph.initializer}
        takes = ", ".join(_value(v) for v in graph.input if v.name not in held)
        gives = ", ".join(_value(v) for v in graph.output)
        return (
            f"<OnnxModel {self.name!r}: opset {opset_of(self.proto)}, {len(graph.node)} nodes, "
            f"{takes or 'no input'} → {gives or 'no output'}>"
        )


def opset_of(proto: Any) -> int:
    """Return the version of ONNX' operators that the model is written in; 0 for none."""
    return next((o.version for o in proto.opset_import if o.domain in ("", "ai.onnx")), 0)


def _value(value: Any) -> str:
    kind = value.type.WhichOneof("value")
    if kind != "tensor_type" or not value.type.tensor_type.HasField("shape"):
        return str(value.name)
    dims = value.type.tensor_type.shape.dim
    return f"{value.name} {shape_text(tuple(_length(dim) for dim in dims))}"


def _length(dim: Any) -> int | None:
    return dim.dim_value if dim.HasField("dim_value") else None
