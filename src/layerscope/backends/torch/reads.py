"""How the values that a module of PyTorch, or a function, returns follow from those it receives."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import nn

from layerscope.backends.torch import exported
from layerscope.core.layer_kinds import Kind
from layerscope.core.reads import Move, Reads
from layerscope.core.windows import ALL, Border, Way, Window

Settings = Callable[[str], Any]
_BORDERS: Mapping[str, Border] = {
    "zeros": "constant", "constant": "constant", "reflect": "reflect", "replicate": "edge",
    "circular": "wrap",
}  # fmt: skip
_RESIZING = {
    "nearest": Window(way="nearest"),
    "nearest-exact": Window(way="nearest", grid="half_pixel", rounding="half_up"),
    "area": Window(way="area"),
}
_LINEAR = ("linear", "bilinear", "trilinear")
_SPACE = re.compile(r"([123])d$")


def reads_of(module: nn.Module, kind: Kind) -> Reads:
    """Return what the kind of a module leaves open."""
    if exported.is_exported(module):
        known = exported.arguments(module)
        return _reads(exported.kind(module).__name__, kind, known.get) if known else Reads()
    name = exported.kind(module).__name__
    return _reads(name, kind, lambda setting: getattr(module, setting, None))


def reads_of_function(
    name: str, kind: Kind, args: Sequence[Any], kwargs: Mapping[str, Any]
) -> Reads:
    """Return what the kind of a function leaves open, called with these arguments."""
    bare = name.removesuffix("_with_indices").removeprefix("_")
    names = _PARAMETERS.get(bare) or _PARAMETERS.get(bare.rstrip("123d"), ())
    known = {**dict(zip(names, args, strict=False)), **kwargs}
    if "weight" in known and isinstance(known["weight"], torch.Tensor):
        known["kernel_size"] = tuple(known["weight"].shape[2:])
    value = known.get("input")
    if isinstance(value, torch.Tensor) and kind in ("resize", "pad", "other"):
        known["rank"] = value.ndim
    if bare in ("flip", "roll") and isinstance(args[0], torch.Tensor):
        return _around(bare, args[0].shape, *args[1:], **kwargs)
    return _reads(bare, kind, known.get)


def _around(name: str, shape: Sequence[int], *args: Any, **kwargs: Any) -> Reads:
    """Return what ``flip`` and ``roll`` do along axes that are named."""
    shifts = () if name == "flip" else kwargs.get("shifts", args[0] if args else ())
    if name == "flip" and len(args) > 1:
        args = (args,)
    axes = kwargs.get("dims", args[-1] if len(args) > (name == "roll") else None)
    axes = () if axes is None else tuple(a % len(shape) for a in _each(axes, 1))
    if not axes or 0 in axes:
        return Reads()
    if name == "flip":
        pairs = [(n - 1, -1) if i in axes else (0, 1) for i, n in enumerate(shape)]
        return Reads(moves=(Move("slice", numbers=tuple(n for p in pairs[1:] for n in p)),))
    moves = []
    for axis, shift in zip(axes, _each(shifts, len(axes)), strict=True):
        places = tuple((i - shift) % shape[axis] for i in range(shape[axis]))
        moves.append(Move("take", tuple(shape[1:]), (axis - 1, *places)))
    return Reads(moves=tuple(moves))


def _reads(name: str, kind: Kind, setting: Settings) -> Reads:
    """Return what the kind leaves open of what is so called, and has these settings."""
    if kind in ("conv", "conv_transpose"):
        return _convolution(kind, setting)
    if name.lower().startswith(("adaptive", "fractional", "maxunpool", "max_unpool")):
        area = name.lower().startswith("adaptive")
        count = _positions(name, setting)
        return Reads((Window(way="area") if area else ALL,) * count) if count else Reads()
    if kind in ("pool", "reduce") and setting("kernel_size") is not None:
        return _pool(name, setting)
    if setting("pad") is not None or (kind in ("pad", "other") and "Pad" in name):
        return _padding(name, setting)
    if kind in ("resize", "other") and ("psampl" in name or name == "interpolate"):
        return _resizing(setting)
    if name in ("PixelShuffle", "pixel_shuffle"):
        return Reads((Window(way="nearest"), Window(way="nearest")))
    if kind == "norm":
        return _norm(setting)
    if kind == "concat":
        axis = setting("dim")
        return Reads(joins=0 if axis is None else int(axis)) if name == "cat" else Reads()
    if name == "Softmax2d":
        return Reads(mixes=(-3,))
    axes = setting("dim")
    is_named = axes is not None and not hasattr(axes, "shape")  # torch.min(a, b) takes no axis
    if kind in ("reduce", "activation") and is_named:
        return Reads(mixes=tuple(axes) if isinstance(axes, tuple | list) else (int(axes),))
    return Reads()


def _positions(name: str, setting: Settings) -> int:
    """Return along how many axes it works, as its name says."""
    number = _SPACE.search(name)
    return int(number[1]) if number else 0


def _each(value: Any, count: int) -> tuple[Any, ...]:
    """Return a setting for each axis."""
    values = tuple(value) if isinstance(value, tuple | list) else (value,)
    return values * count if len(values) == 1 else values


def _convolution(kind: Kind, setting: Settings) -> Reads:
    sizes = setting("kernel_size")
    if sizes is None:
        return Reads()
    sizes = _each(sizes, 1)
    count = len(sizes)
    strides, dilations = (_each(setting(n) or 1, count) for n in ("stride", "dilation"))
    padding = setting("padding") or 0
    around = _each(0 if padding in ("valid", "same") else padding, count)
    if padding == "same":
        around = tuple(d * (k - 1) // 2 for d, k in zip(dilations, sizes, strict=True))
    border = _BORDERS.get(setting("padding_mode") or "zeros", "constant")
    way: Way = "transposed" if kind == "conv_transpose" else "forward"
    numbers = zip(sizes, strides, around, dilations, strict=True)
    return Reads(tuple(Window(*each, border=border, way=way) for each in numbers))


def _pool(name: str, setting: Settings) -> Reads:
    sizes = setting("kernel_size")
    count = _positions(name, setting) or len(_each(sizes, 1))
    sizes = _each(sizes, count)
    strides = _each(setting("stride") or sizes, count)
    around, dilations = (
        _each(setting("padding") or 0, count),
        _each(setting("dilation") or 1, count),
    )
    if not all(map(isinstance, sizes, [int] * count)) or len(sizes) != count:
        return Reads()
    return Reads(
        tuple(Window(*each) for each in zip(sizes, strides, around, dilations, strict=True))
    )


def _padding(name: str, setting: Settings) -> Reads:
    """Return windows along the axes of positions, of which the last comes first in ``padding``."""
    around = setting("pad") if setting("pad") is not None else setting("padding")
    if around is None:
        return Reads()
    modes = {"Reflection": "reflect", "Replication": "replicate", "Circular": "circular"}
    by_name = next((mode for start, mode in modes.items() if name.startswith(start)), "constant")
    border = _BORDERS.get(setting("mode") or by_name)
    around = _each(around, 2 * _positions(name, setting))
    fronts = [int(n) for n in around[::2]][::-1]
    if border is None:
        return Reads()
    rank = setting("rank")
    if border == "constant" and rank is not None:  # also along channels
        fronts = [0] * (rank - 1 - len(fronts)) + fronts
        return Reads(moves=(Move("slice", numbers=tuple(n for f in fronts for n in (-f, 1))),))
    return Reads(tuple(Window(before=n, border=border) for n in fronts))


def _resizing(setting: Settings) -> Reads:
    mode, rank = setting("mode") or "nearest", setting("rank")
    window = _RESIZING.get(mode)
    if mode in (*_LINEAR, "bicubic"):
        way: Way = "cubic" if mode == "bicubic" else "linear"
        window = Window(way=way, grid="corners" if setting("align_corners") else "half_pixel")
    if window is None or setting("antialias"):
        return Reads()
    scale = None if setting("recompute_scale_factor") else setting("scale_factor")
    count = 1 if rank is None else rank - 2
    if mode == "area" or window.grid == "corners":
        scale = None
    each = _each(scale, count)
    return Reads(tuple(replace(window, scale=None if s is None else float(s)) for s in each))


def _norm(setting: Settings) -> Reads:
    shape = setting("normalized_shape")
    if shape is not None:
        return Reads(mixes=tuple(range(-len(_each(shape, 1)), 0)))
    if setting("size") is not None or setting("k") is not None:
        return Reads(mixes=(1,))  # local response: of neighbouring channels
    return Reads()


#: The parameters of functions, in their order; those in one, two and three dimensions alike.
_PARAMETERS: Mapping[str, tuple[str, ...]] = {
    "conv": ("input", "weight", "bias", "stride", "padding", "dilation", "groups"),
    "conv_transpose": ("input", "weight", "bias", "stride", "padding", "output_padding", "groups",
                       "dilation"),
    "convolution": ("input", "weight", "bias", "stride", "padding", "dilation", "transposed",
                    "output_padding", "groups"),
    "max_pool": ("input", "kernel_size", "stride", "padding", "dilation", "ceil_mode"),
    "avg_pool": ("input", "kernel_size", "stride", "padding", "ceil_mode", "count_include_pad",
                 "divisor_override"),
    "lp_pool": ("input", "norm_type", "kernel_size", "stride", "ceil_mode"),
    "pad": ("input", "pad", "mode", "value"),
    "interpolate": ("input", "size", "scale_factor", "mode", "align_corners",
                    "recompute_scale_factor", "antialias"),
    "layer_norm": ("input", "normalized_shape"),
    "rms_norm": ("input", "normalized_shape"),
    "local_response_norm": ("input", "size"),
    **dict.fromkeys(("mean", "sum", "amax", "amin", "max", "min", "nansum", "nanmean", "softmax",
                     "log_softmax", "softmin", "normalize"), ("input", "dim")),
    "cat": ("tensors", "dim"),
}  # fmt: skip
