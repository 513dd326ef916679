"""How the values of an ONNX graph are laid out: the names of their axes.

The standard says it for convolutions and recurrent layers; from there the names travel, back to
the inputs and on to the outputs, through transpositions and whatever keeps the axes as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from layerscope.backends.onnx.nodes import OnnxNode
from layerscope.core.axes import named_axes
from layerscope.core.network import Shape

Axes = tuple[str, ...]

#: Operators that take and return maps with the channels first.
MAPS = frozenset({
    "Conv", "ConvTranspose", "ConvInteger", "QLinearConv", "DeformConv", "MaxPool", "AveragePool",
    "LpPool", "GlobalAveragePool", "GlobalMaxPool", "GlobalLpPool", "QLinearAveragePool",
    "QLinearGlobalAveragePool", "BatchNormalization", "InstanceNormalization",
    "GroupNormalization", "LRN", "DepthToSpace", "SpaceToDepth", "MaxUnpool", "FusedConv",
})  # fmt: skip
RECURRENT = frozenset({"LSTM", "GRU", "RNN"})
#: What may stand between the scores of attention and their softmax.
_SCORING = frozenset({"Div", "Mul", "Add", "Sub", "Where", "Cast", "Dropout", "Identity"})
_RESHAPING = frozenset({"Reshape", "Expand", "Einsum", "Tile", "GatherND", "ScatterND", "Shape",
                        "NonZero", "TopK", "OneHot", "Gather", "MatMul", "Gemm",
                        "Flatten"})  # fmt: skip

_BY_HEAD: Axes = ("sample", "head", "position", "channel")
_KEYS: Axes = ("sample", "head", "channel", "position")
_SCORES: Axes = ("sample", "head", "query", "key")


def sample_axes(
    inputs: Mapping[str, tuple[Shape | None, Sequence[str]]],
) -> dict[str, int | None]:
    """Return which axis of each input counts the samples; None where none does.

    It is the first of the main input: of the first one that takes any number of samples, or one. A
    state that goes in beside it may have layers or directions first: then its first length is
    fixed, and another axis is called as the main input's first, is open, or has its length.
    """
    known = {name: (shape, names) for name, (shape, names) in inputs.items() if shape}
    free = next((name for name, (shape, _) in known.items() if shape and shape[0] in (None, 1)), "")
    main = free or next(iter(known), "")
    batch, called = (known[main][0][0], known[main][1][0]) if main else (None, "")
    return {
        name: 0
        if name == main or name not in known
        else _sample_axis(known[name][0] or (), known[name][1], batch, called)
        for name in inputs
    }


def _sample_axis(
    shape: Shape, symbols: Sequence[str], batch: int | None, called: str
) -> int | None:
    if shape[0] is None or (batch is not None and shape[0] == batch):
        return 0
    others = range(1, len(shape))
    alike = [i for i in others if called and symbols[i] == called]
    open_ones = [i for i in others if batch is None and shape[i] is None]
    same = [i for i in others if batch is not None and shape[i] == batch]
    candidates = alike or open_ones or same
    if candidates:
        return candidates[0]
    # One sample at a time, beside data of any number of samples.
    return 0 if shape[0] == 1 and len(shape) > 1 else None


def value_axes(
    nodes: Sequence[OnnxNode],
    inputs: Mapping[str, Shape | None],
    shapes: Mapping[str, Shape],
    samples: Mapping[str, int | None],
) -> dict[str, Axes]:
    """Return the axes' names of every value of known rank, by the value's name.

    ``samples`` says which axis of an input counts the samples, as far as its shape tells.
    """
    axes: dict[str, Axes] = {}
    makers = {name: node for node in nodes for name in node.outputs}
    for node in nodes:
        _state(node, makers, shapes, axes)
    for node in reversed(nodes):
        _back(node, shapes, axes)
    # A graph may contradict itself; then the number of axes decides.
    axes = {
        name: named for name, named in axes.items() if len(shapes.get(name, named)) == len(named)
    }
    batch = None
    for i, (name, shape) in enumerate(inputs.items()):
        if shape is not None and name not in axes:
            axes[name] = _of_input(shape, samples.get(name, 0))
        if i == 0 and axes.get(name, ("",))[:1] == ("sample",):
            batch = (shape or (None,))[0]
    for node in nodes:
        _on(node, shapes, axes, batch)
    return axes


def _state(
    node: OnnxNode,
    makers: Mapping[str, OnnxNode],
    shapes: Mapping[str, Shape],
    axes: dict[str, Axes],
) -> None:
    """Name what the operator itself says how it is laid out."""
    if node.op in MAPS:
        for name in (node.main, *node.outputs):
            if name in shapes and len(shapes[name]) >= 3:
                axes[name] = named_axes(shapes[name], layout="channels_first")
    elif node.op in RECURRENT:
        first = ("sample", "position") if node.attributes.get("layout") else ("position", "sample")
        state = ("direction", "sample", "unit")
        if node.attributes.get("layout"):
            axes |= dict.fromkeys(node.outputs[1:], ("sample", "direction", "unit"))
            axes[node.outputs[0]] = ("sample", "position", "direction", "channel")
        else:
            axes |= dict.fromkeys(node.outputs[1:], state)
            axes[node.outputs[0]] = ("position", "direction", "sample", "channel")
        axes[node.main] = (*first, "channel")
        axes |= {name: axes[node.outputs[-1]] for name in node.inputs[5:7] if name in shapes}
    elif node.op == "MatMul" and len(node.sources) == 2:
        scores = _scores(node.sources[0], makers)
        if scores is not None and len(shapes.get(node.outputs[0], ())) == 4:
            chain, product = scores
            axes |= dict.fromkeys(chain, _SCORES)
            axes |= {node.outputs[0]: _BY_HEAD, node.sources[1]: _BY_HEAD}
            axes |= dict(zip(product.sources, (_BY_HEAD, _KEYS), strict=True))


def _scores(name: str, makers: Mapping[str, OnnxNode]) -> tuple[list[str], OnnxNode] | None:
    """Return the values from a product of queries and keys to this one, by way of a softmax."""
    chain, softmax = [], False
    while (node := makers.get(name)) is not None:
        chain.append(name)
        if node.op == "MatMul" and softmax and len(node.sources) == 2:
            return chain, node
        if node.op != "Softmax" and node.op not in _SCORING:
            return None
        softmax = softmax or node.op == "Softmax"
        name = node.main
    return None


def _back(node: OnnxNode, shapes: Mapping[str, Shape], axes: dict[str, Axes]) -> None:
    """Name what goes in as what comes out is named."""
    out = axes.get(node.outputs[0])
    if out is None or node.op in MAPS or node.op in RECURRENT:
        return
    order = _order(node, len(out))
    for name in node.sources:
        if name in axes or len(shapes.get(name, ())) != len(out):
            continue
        if order is not None:
            axes[name] = tuple(out[order.index(i)] for i in range(len(out)))
        elif node.op not in _RESHAPING:
            axes[name] = out


def _on(
    node: OnnxNode, shapes: Mapping[str, Shape], axes: dict[str, Axes], batch: int | None
) -> None:
    """Name what comes out."""
    for i, name in enumerate(node.outputs):
        shape = shapes.get(name)
        if shape is None or name in axes:
            continue
        named = None if i and node.op in _RESHAPING else _passed_on(node, shape, shapes, axes)
        if named is None or len(named) != len(shape):
            samples = not node.counts and bool(shape) and shape[0] in (None, batch)
            layout: Any = "channels_first" if len(shape) >= 4 else "channels_last"
            named = named_axes(shape, layout=layout, has_samples=samples)
        axes[name] = named


def _passed_on(
    node: OnnxNode, shape: Shape, shapes: Mapping[str, Shape], axes: Mapping[str, Axes]
) -> Axes | None:
    """Return the axes of a value as they follow from the node's inputs; None if they don't."""
    rule = _RULES.get(node.op)
    source = axes.get(node.main)
    if rule is not None and source is not None and node.sources:
        return rule(node, source, shape, shapes.get(node.main, ()))
    if node.op in _RESHAPING:
        return None
    return next((axes[s] for s in node.sources if len(axes.get(s, ())) == len(shape)), None)


def _order(node: OnnxNode, rank: int) -> list[int] | None:
    if node.op != "Transpose":
        return None
    order = list(node.attributes.get("perm") or range(rank)[::-1])
    return order if sorted(order) == list(range(rank)) else None


def _transpose(node: OnnxNode, source: Axes, shape: Shape, _: Shape) -> Axes | None:
    order = _order(node, len(source))
    return tuple(source[i] for i in order) if order else None


def _product(node: OnnxNode, source: Axes, shape: Shape, _: Shape) -> Axes | None:
    """Return the axes of what a dense layer returns: the last is one of units."""
    if len(shape) != len(source) or len(shape) < 2 or len(node.sources) > 1:
        return None
    return (*source[:-1], "unit" if len(shape) == 2 else "channel")


def _flatten(node: OnnxNode, source: Axes, shape: Shape, _: Shape) -> Axes | None:
    return ("sample", "unit") if source[:1] == ("sample",) else None


def _reshape(node: OnnxNode, source: Axes, shape: Shape, before: Shape) -> Axes | None:
    """Return the names of the axes in front that keep their lengths; the rest may be merged."""
    if shape == before and None not in shape[1:]:
        return source
    if len(shape) == 2 and source[:1] == ("sample",):
        return ("sample", "unit")
    kept = len(shape) - 1
    to = node.constants.get(1)
    copied = to is not None and len(to) == len(shape) and not any(to[:kept])
    same = all(one == other for one, other in zip(shape[:kept], before, strict=False))
    if 0 < kept < len(source) - 1 and (copied or (same and None not in shape[:kept])):
        return (*source[:kept], source[-1])
    return None


def _gather(node: OnnxNode, source: Axes, shape: Shape, before: Shape) -> Axes | None:
    """Return the axes of a slice of the first input, or of a table looked up by numbers."""
    axis = int(node.attributes.get("axis", 0))
    if node.main != node.inputs[0]:  # the table is constant: an embedding
        named = tuple("position" if name in ("unit", "channel") else name for name in source)
        return (*named, "channel") if axis == 0 else None
    if len(shape) == len(source) - 1:
        axis %= len(source)
        return _shortened((*source[:axis], *source[axis + 1 :]))
    return source if len(shape) == len(source) else None


def _squeeze(node: OnnxNode, source: Axes, shape: Shape, before: Shape) -> Axes | None:
    """Return the axes without those that were named, or without all of length 1."""
    named = node.attributes.get("axes") or node.constants.get(1)
    gone = {int(i) % len(source) for i in named} if named is not None and source else None
    if gone is None:
        gone = {i for i, length in enumerate(before) if length == 1}
    if len(shape) == len(source):
        return source
    if node.op == "Squeeze" or gone:
        return _shortened(tuple(name for i, name in enumerate(source) if i not in gone))
    return None


def _unsqueeze(node: OnnxNode, source: Axes, shape: Shape, before: Shape) -> Axes | None:
    if node.counts or len(shape) < 3:
        return None
    return named_axes(shape, layout="channels_last", has_samples=source[:1] == ("sample",))


def _shortened(axes: Axes) -> Axes:
    """Return the axes with a vector's named ``unit``, whatever map it was the channels of."""
    if len(axes) == 2 and axes[0] == "sample":
        return ("sample", "unit")
    return axes


_RULES: dict[str, Callable[[OnnxNode, Axes, Shape, Shape], Axes | None]] = {
    "Transpose": _transpose, "MatMul": _product, "Gemm": _product, "Flatten": _flatten,
    "Reshape": _reshape, "Gather": _gather, "Squeeze": _squeeze, "Unsqueeze": _unsqueeze,
    **dict.fromkeys(("ReduceMean", "ReduceMax", "ReduceSum", "ReduceMin", "ReduceL2", "ArgMax",
                     "ArgMin"), _squeeze),
}  # fmt: skip


def _of_input(shape: Shape, samples: int | None) -> Axes:
    """Return the axes of an input that no layer tells of: images as in PyTorch, or as in Keras."""
    if samples is None:
        return named_axes(shape, has_samples=False)
    if samples:
        rest = named_axes((*shape[:samples], *shape[samples + 1 :]), has_samples=False)
        return (*rest[:samples], "sample", *rest[samples:])
    if len(shape) >= 4:
        colours = (1, 3, 4)
        last = shape[1] not in colours and shape[-1] in colours
        return named_axes(shape, layout="channels_last" if last else "channels_first")
    return named_axes(shape, has_samples=len(shape) > 1 or shape in ((None,), (1,)))
