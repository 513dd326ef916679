"""What an ONNX operator is, and which function it applies."""

from __future__ import annotations

from collections.abc import Mapping

from layerscope.backends.onnx.nodes import OnnxNode
from layerscope.core.layer_kinds import Kind, activation_name
from layerscope.core.type_names import by_type_name

#: Operators whose name means something else than elsewhere, or nothing elsewhere.
_KINDS: Mapping[str, Kind] = {
    **dict.fromkeys(("Sum", "Mean", "QLinearAdd"), "add"),
    **dict.fromkeys(("Max", "Min", "QLinearMul"), "merge"),
    **dict.fromkeys(("ReduceL1", "LpPool", "GlobalLpPool"), "reduce"),
    **dict.fromkeys(("LRN", "LpNormalization", "MeanVarianceNormalization"), "norm"),
    **dict.fromkeys(("Pow", "Neg", "Log", "Reciprocal", "Sin", "Cos", "Sign", "Floor", "Ceil",
                     "Round"), "elementwise"),
    **dict.fromkeys(("DepthToSpace", "SpaceToDepth", "ReverseSequence", "Compress"), "rearrange"),
    **dict.fromkeys(("QLinearConcat", "SequenceConstruct"), "concat"),
    "Normalizer": "norm", "Scaler": "standardize", "CenterCropPad": "crop",
    "BitCast": "quantize", "RotaryEmbedding": "merge", "QLinearConcat": "concat",
    "SkipLayerNormalization": "norm", "BiasGelu": "activation",
}  # fmt: skip
_FUNCTIONS = {"BiasGelu": "gelu", "FastGelu": "gelu", "Hardmax": "hardmax"}


def kind_of(node: OnnxNode, *, has_weights: bool) -> tuple[Kind, str | None]:
    """Return what a node is, and the function that it applies, or None.

    A product is a dense layer where it ``has_weights`` of its own, and rows that are taken of such
    are an embedding.
    """
    kind, function = by_type_name(node.op)
    kind = _KINDS.get(node.op, kind)
    looks_up = has_weights and node.main != node.inputs[0]
    if node.op == "Gather" and looks_up and not node.attributes.get("axis", 0):
        kind = "embedding"
    if kind in ("dense", "matmul") and node.op != "Einsum":
        kind = "dense" if has_weights else "matmul"
    if kind == "pad" and node.attributes.get("value"):
        kind = "other"
    if kind == "resize" and node.attributes.get("mode") == "cubic":
        kind = "other"
    fused = node.attributes.get("activation")
    if isinstance(fused, str):
        function = activation_name(fused)
    return kind, _FUNCTIONS.get(node.op, function)
