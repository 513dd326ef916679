"""How the values that an ONNX node returns follow from those it receives."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from layerscope.backends.onnx.nodes import OnnxNode
from layerscope.core.layer_kinds import Kind
from layerscope.core.network import Parameter, Shape
from layerscope.core.reads import Move, Reads
from layerscope.core.windows import Border, Grid, Window

_BORDERS: dict[str, Border] = {
    "constant": "constant", "reflect": "reflect", "edge": "edge", "wrap": "wrap",
}  # fmt: skip
_GRIDS: dict[str, Grid] = {
    "half_pixel": "half_pixel", "pytorch_half_pixel": "half_pixel", "asymmetric": "asymmetric",
    "align_corners": "corners",
}  # fmt: skip
_ROUNDING: dict[str, Any] = {
    "round_prefer_floor": "half_down", "round_prefer_ceil": "half_up", "floor": "floor",
    "ceil": "ceil",
}  # fmt: skip


@dataclass(frozen=True)
class NodeCall:
    """A node, and what is known of one of the values that it returns."""

    node: OnnxNode
    parameters: Sequence[Parameter]
    received: Shape | None  #: of the first value that it takes, samples and all
    returned: Shape | None
    index: int  #: which of its values it is
    others: Sequence[Shape | None]  #: of all that it returns
    opset: int  #: of the standard's own operators

    def attribute(self, name: str, default: Any = None) -> Any:
        """Return an attribute of the node."""
        return self.node.attributes.get(name, default)

    def numbers(self, name: str, position: int) -> list[int] | None:
        """Return numbers that are an attribute, or constants among what the node takes."""
        value = self.node.attributes.get(name)
        if value is None and position in self.node.constants:
            value = self.node.constants[position]
        return None if value is None else [int(n) for n in value]


def reads_of(call: NodeCall, kind: Kind) -> Reads:
    """Return what the kind of a node leaves open."""
    if call.node.of_shapes or call.node.counts:
        return Reads(of_shapes=True)
    by_name = _NODES.get(call.node.op)
    if by_name is not None:
        return by_name(call)
    by_kind = _KINDS.get(kind)
    return Reads() if by_kind is None else by_kind(call)


def _windows(call: NodeCall) -> Reads:
    """Return the windows of a convolution or a pool; none of one that takes all positions."""
    sizes = call.attribute("kernel_shape")
    if sizes is None:
        kernels = [p.shape for p in call.parameters if len(p.shape) > 2 and not p.bias]
        sizes = kernels[0][2:] if kernels else None
    if sizes is None:
        return Reads()
    count = len(sizes)
    strides = call.attribute("strides") or [1] * count
    dilations = call.attribute("dilations") or [1] * count
    fronts: list[Any] = list((call.attribute("pads") or [0] * count)[:count])
    auto = call.attribute("auto_pad", "NOTSET")
    if auto in ("SAME_UPPER", "SAME_LOWER"):
        fronts = ["same" if auto == "SAME_UPPER" else "same_lower"] * count
    elif auto == "VALID":
        fronts = [0] * count
    transposed = call.node.op == "ConvTranspose"
    if transposed and call.attribute("output_shape") and auto == "NOTSET":
        return Reads()  # the padding follows from it
    windows = zip(sizes, strides, fronts, dilations, strict=True)
    return Reads(
        tuple(Window(*each, way="transposed" if transposed else "forward") for each in windows)
    )


def _padding(call: NodeCall) -> Reads:
    pads = call.numbers("pads", 1) or call.numbers("paddings", 1)
    border = _BORDERS.get(call.attribute("mode", "constant"))
    if pads is None or border is None or call.returned is None:
        return Reads()
    rank = len(call.returned)
    axes = call.numbers("axes", 3) or range(rank)
    fronts = [0] * rank
    for i, axis in enumerate(axes):
        fronts[axis] = pads[i]
    if border != "constant":
        positions = fronts[2:] if rank > 2 else fronts[1:]
        return Reads(tuple(Window(before=n, border=border) for n in positions))
    return _sliced(call, [(-front, 1) for front in fronts])


def _slice(call: NodeCall) -> Reads:
    starts, axes = call.numbers("starts", 1), call.numbers("axes", 3)
    ends, steps = call.numbers("ends", 2), call.numbers("steps", 4)
    if starts is None or ends is None or call.received is None:
        return Reads()
    rank = len(call.received)
    numbers = [(0, 1)] * rank
    for i, axis in enumerate(axes or range(len(starts))):
        length, step = call.received[axis], steps[i] if steps else 1
        if length is None:
            return Reads()
        start = min(max(starts[i] + (length if starts[i] < 0 else 0), 0), length - (step < 0))
        numbers[axis] = (start, step)
    return _sliced(call, numbers)


def _sliced(call: NodeCall, numbers: Sequence[tuple[int, int]]) -> Reads:
    """Return what starts and steps along all axes come to, where the samples stay."""
    if call.returned is None or numbers[0] != (0, 1):
        return Reads()
    flat = tuple(n for pair in numbers[1:] for n in pair)
    return Reads(moves=(Move("slice", numbers=flat),))


def _split(call: NodeCall) -> Reads:
    axis = int(call.attribute("axis", 0))
    shapes = [shape for shape in call.others[: call.index + 1] if shape is not None]
    if call.returned is None or len(shapes) != call.index + 1:
        return Reads()
    axis %= len(call.returned)
    lengths = [shape[axis] for shape in shapes]
    numbers = [(0, 1)] * len(call.returned)
    numbers[axis] = (sum(n or 0 for n in lengths[:-1]), 1)
    return Reads() if None in lengths else _sliced(call, numbers)


def _gather(call: NodeCall) -> Reads:
    """Return the places that are taken, where they are constant."""
    places = call.node.constants.get(1)
    if places is None or call.received is None or call.returned is None:
        return Reads()
    axis = int(call.attribute("axis", 0)) % len(call.received)
    length = call.received[axis]
    if axis == 0 or length is None or None in call.received[1:]:
        return Reads()
    taken = tuple(int(n) % length for n in places)
    lengths = [n or 0 for n in call.received[1:]]
    lengths[axis - 1] = len(taken)
    take = Move("take", tuple(lengths), (axis - 1, *taken))
    fewer = len(call.returned) < len(call.received)
    return Reads(moves=(take, Move("shape")) if fewer else (take,))


def _transpose(call: NodeCall) -> Reads:
    order = call.attribute("perm") or list(range(len(call.received or ())))[::-1]
    if not order or order[0] != 0:
        return Reads()
    return Reads(moves=(Move("order", numbers=tuple(int(axis) - 1 for axis in order[1:])),))


def _resize(call: NodeCall) -> Reads:
    mode = call.attribute("mode", "nearest")
    upsample = call.node.op == "Upsample"
    default = "asymmetric" if upsample else "half_pixel"
    grid = _GRIDS.get(call.attribute("coordinate_transformation_mode", default))
    if grid is None or call.attribute("antialias", 0) or call.attribute("exclude_outside", 0):
        return Reads()
    if mode == "nearest":
        stated = call.attribute("nearest_mode", "round_prefer_floor")
        rounding: Any = "floor" if upsample else _ROUNDING.get(stated)
        return (
            Reads()
            if rounding is None
            else Reads((Window(way="nearest", grid=grid, rounding=rounding),))
        )
    way: Any = "linear" if mode == "linear" else "cubic"
    return Reads((Window(way=way, grid=grid),))


def _space_to_depth(call: NodeCall) -> Reads:
    """Return what puts each of ``blocksize`` rows and columns into channels of its own."""
    size, shape = int(call.attribute("blocksize", 0)), call.received
    if not size or shape is None or len(shape) != 4 or None in shape[1:]:
        return Reads()
    channels, rows, columns = (n or 0 for n in shape[1:])
    apart = (channels, rows // size, size, columns // size, size)
    return Reads(
        moves=(Move("shape", apart), Move("order", numbers=(2, 4, 0, 1, 3)), Move("shape"))
    )


def _depth_to_space(call: NodeCall) -> Reads:
    size, shape = int(call.attribute("blocksize", 0)), call.received
    if not size or shape is None or len(shape) != 4 or None in shape[1:]:
        return Reads()
    channels, rows, columns = (n or 0 for n in shape[1:])
    fewer = channels // size**2
    if call.attribute("mode", "DCR") == "CRD":
        apart, order = (fewer, size, size, rows, columns), (0, 3, 1, 4, 2)
    else:
        apart, order = (size, size, fewer, rows, columns), (2, 3, 0, 4, 1)
    return Reads(moves=(Move("shape", apart), Move("order", numbers=order), Move("shape")))


def _reduced(call: NodeCall) -> Reads:
    axes = call.numbers("axes", 1)
    if axes is None and call.attribute("axis") is not None:
        axes = [int(call.attribute("axis"))]
    return Reads() if axes is None else Reads(mixes=tuple(axes))


def _softmax(call: NodeCall) -> Reads:
    """Return the axes that are mixed: before opset 13 the axis and all behind it."""
    rank = len(call.returned or ())
    axis = call.attribute("axis")
    if not rank:
        return Reads()
    if call.opset >= 13:
        return Reads(mixes=(-1 if axis is None else int(axis),))
    first = 1 if axis is None else int(axis) % rank
    return Reads(mixes=tuple(range(first, rank)))


def _layer_norm(call: NodeCall) -> Reads:
    rank = len(call.returned or ())
    first = int(call.attribute("axis", -1)) % rank if rank else 0
    return Reads(mixes=tuple(range(first, rank))) if rank else Reads()


def _concat(call: NodeCall) -> Reads:
    axis = call.attribute("axis")
    return Reads() if axis is None else Reads(joins=int(axis))


def _product(call: NodeCall) -> Reads:
    """Return that weights on the left mix another axis than the last."""
    return Reads() if call.node.inputs[:1] == (call.node.main,) else Reads(mixes=(-2,))


def _of_other(call: NodeCall) -> Reads:
    """Return those of what leaves the range of what it receives, and yet keeps to its places."""
    by_name = {"Pad": _padding, "Resize": _resize}.get(call.node.op)
    return Reads() if by_name is None else by_name(call)


_NODES: dict[str, Callable[[NodeCall], Reads]] = {
    "Slice": _slice, "Split": _split, "Gather": _gather, "Transpose": _transpose,
    "SpaceToDepth": _space_to_depth, "DepthToSpace": _depth_to_space,
    "LRN": lambda call: Reads(mixes=(1,)),
    "LpNormalization": lambda call: Reads(mixes=(int(call.attribute("axis", -1)),)),
    **dict.fromkeys(("LayerNormalization", "SimplifiedLayerNormalization", "RMSNormalization"),
                    _layer_norm),
    **dict.fromkeys(("Softmax", "LogSoftmax", "Hardmax"), _softmax),
    **dict.fromkeys(("MatMul", "Gemm"), _product),
}  # fmt: skip
_KINDS: dict[Kind, Callable[[NodeCall], Reads]] = {
    "conv": _windows, "conv_transpose": _windows, "pool": _windows, "pad": _padding,
    "resize": _resize, "other": _of_other,
    "reduce": _reduced, "concat": _concat,
}  # fmt: skip
