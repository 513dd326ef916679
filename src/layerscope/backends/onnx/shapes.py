"""What ONNX works out of the shapes in a graph."""

from __future__ import annotations

from typing import Any

import onnx


def inferred(proto: Any) -> Any:
    """Return the graph of a model that was checked, with the shapes that can be inferred.

    It is C++ that infers: where it fails, the graph is as it was, and a pass will show the shapes.
    """
    try:
        # Without propagating data: a tensor declared to have 10**12 values would be computed.
        return onnx.shape_inference.infer_shapes(proto).graph
    except Exception:  # noqa: BLE001  # of any kind, and none of it is the user's to mend
        return proto.graph
