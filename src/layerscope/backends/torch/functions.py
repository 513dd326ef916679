"""Functions of PyTorch's tensors: which of them are steps of a network, and what they are called.

A step makes a new value of floating numbers out of what layers returned. What only moves, casts or
copies a value is none, nor is arithmetic with a plain number: of these a value keeps where it comes
from, and the network's notes name those that compute.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

import torch

#: What gives a tensor's memory to others, who may write to it unseen.
ESCAPES = frozenset({
    "numpy", "__array__", "__dlpack__", "data_ptr", "untyped_storage", "storage",
})  # fmt: skip

#: Functions that make no new numbers: they move, cast or copy what is there, or begin anew.
_NO_STEPS = frozenset({
    "view", "reshape", "view_as", "reshape_as", "contiguous", "clone", "detach", "to", "type",
    "type_as", "float", "half", "double", "bfloat16", "cpu", "cuda", "getitem", "get", "setitem",
    "set", "copy", "fill", "zero", "requires_grad", "dropout", "dropout1d", "dropout2d",
    "dropout3d", "alpha_dropout", "feature_alpha_dropout", "deepcopy", "pin_memory", "flatten",
    "unflatten", "resize", "resize_as", "index_put", "ravel",
    "empty_like", "zeros_like", "ones_like", "full_like", "rand_like", "randn_like",
    "randint_like", "new_zeros", "new_ones", "new_empty", "new_full", "new_tensor", "normal",
    "uniform", "bernoulli", "squeeze", "unsqueeze", "transpose", "permute", "movedim", "moveaxis",
    "swapaxes", "swapdims", "t", "expand", "expand_as", "split", "chunk", "unbind",
    "tensor_split", "narrow", "select", "parameters_to_vector",
    "multi_head_attention_forward", "checkpoint", "pack_padded_sequence",
    "pad_packed_sequence", "to_dense", "to_sparse", "resolve_conj",
    "resolve_neg", "real", "imag", "view_as_real", "view_as_complex", "rename", "refine_names",
    "align_to", "is_pinned", "lift_fresh", "as_tensor", "backward", "grad",
})  # fmt: skip

#: Functions whose result has the shape of an argument, and nothing else of it.
FRESH = frozenset({
    "empty_like", "zeros_like", "ones_like", "full_like", "rand_like", "randn_like", "randint_like",
    "new_zeros", "new_ones", "new_empty", "new_full", "new_tensor",
})  # fmt: skip

_ARITHMETIC = frozenset({"add", "sub", "mul", "div", "matmul", "rsub", "pow"})
_WITH_NUMBERS = _ARITHMETIC - {"matmul", "pow"}
_SIGNS = frozenset({"neg", "negative", "pos", "positive"})
_SPELLINGS = {
    "truediv": "div", "true_divide": "div", "divide": "div", "multiply": "mul", "subtract": "sub",
    "concat": "cat", "concatenate": "cat", "clip": "clamp", "absolute": "abs", "float_power": "pow",
    "rsub": "sub",
}  # fmt: skip

LAYOUTS: dict[str, Any] = {
    "linear": "channels_last", "layer_norm": "channels_last", "rms_norm": "channels_last",
    "embedding": "channels_last", "scaled_dot_product_attention": "default", "matmul": "default",
    "bmm": "default", "mm": "default", "addmm": "default", "baddbmm": "default",
    "einsum": "default", "tensordot": "default", "stack": "default",
}  # fmt: skip

#: Products of queries with keys, where both are activations.
PRODUCTS = frozenset({"matmul", "bmm", "baddbmm", "einsum"})

#: What scores go through between a product and a softmax.
KEEPS_SCORES = frozenset({
    "add", "sub", "mul", "div", "masked_fill", "where", "clamp", "tanh", "to", "type", "type_as",
    "float", "half", "bfloat16", "double", "contiguous", "getitem", "softcap", "minimum", "maximum",
    "view", "reshape", "squeeze",
})  # fmt: skip


def plain_name(func: Any) -> str:
    """Return the function's own name, ``add`` also for ``aten.add.Tensor`` of exported programs."""
    name: str = getattr(func, "__name__", "")
    return name.partition(".")[0] if isinstance(func, torch._ops.OpOverload) else name


def bare_name(func: Any) -> str:
    """Return ``add`` for ``add``, ``add_``, ``__add__``, ``__radd__`` and ``__iadd__`` alike."""
    name = plain_name(func)
    bare = name.strip("_")
    if name.startswith("__") and bare[:1] in "ir" and bare[1:] in _ARITHMETIC | {"truediv"}:
        bare = bare[1:]
    return _SPELLINGS.get(bare, bare)


def step_name(func: Any, args: tuple[Any, ...]) -> str | None:
    """Return the name to report a call by; None for one that can be no step of a network."""
    bare = bare_name(func)
    if bare in ("view", "reshape", "flatten"):
        return "flatten"
    if bare in _NO_STEPS or not bare or bare.startswith(("is_", "has_", "requires")):
        return None
    if is_scaling(bare, args):
        return None
    return bare


def is_scaling(bare: str, args: tuple[Any, ...]) -> bool:
    """Return whether it is arithmetic with a plain number, which is no step of its own."""
    if bare in _SIGNS:
        return True
    if bare == "matmul":
        return not all(isinstance(a, torch.Tensor) and a.ndim for a in args[:2])
    return bare in _WITH_NUMBERS and not all(
        isinstance(a, torch.Tensor) and a.ndim for a in args[:2]
    )


def is_new(args: tuple[Any, ...], kwargs: dict[str, Any], result: Any, func: Any) -> bool:
    """Return whether a call has made floating numbers that no argument held before."""
    values = list(tensors_in(result))
    if not any(v.is_floating_point() or v.is_complex() for v in values):
        return False
    if is_in_place(func, args, kwargs, result):
        return True
    given = {storage_of(a) for a in tensors_in([args, kwargs])}
    return not any(storage_of(value) in given for value in values)


def is_in_place(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any], result: Any) -> bool:
    """Return whether a call returns an argument that it has written to."""
    if kwargs.get("out") is not None or kwargs.get("inplace") is True:
        return True
    if not args or result is not args[0]:
        return False
    name = plain_name(func)
    return name.endswith("_") and (not name.startswith("__") or name.startswith("__i"))


def is_over_batch(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    """Return whether a batch norm takes the statistics of the batch, rather than those it keeps."""
    if getattr(func, "__name__", "") != "batch_norm":
        return False
    return bool(kwargs.get("training", args[5] if len(args) > 5 else False))


def gives_memory(func: Any) -> bool:
    """Return whether a function gives a tensor's memory to others, who may write to it unseen."""
    name = getattr(func, "__name__", "")
    return name in ESCAPES or (name in ("__get__", "__set__") and _attribute(func) == "data")


def sets_memory(func: Any) -> bool:
    """Return whether a call gives a tensor other memory: ``tensor.data = …``."""
    return getattr(func, "__name__", "") == "__set__" and _attribute(func) == "data"


def writes_unseen(func: Any) -> bool:
    """Return whether a tensor may be written to after this call in no way that is dispatched."""
    return gives_memory(func) and getattr(func, "__name__", "") != "__get__"


def kind(func: Any, steps: Collection[Any], met: Collection[Any]) -> str:
    """Return what a replay has to do about a function.

    ``"step"``, ``"writing step"``: it is among the calls of the plan; ``"foreign"``: it gives
    memory to others, or may be a step, and was not ``met`` in the watched pass; ``"writes"``: it
    may write to its arguments; ``"plain"``: nothing.
    """
    name, writes = plain_name(func), writes_by_name(func)
    if func in steps:
        return "writing step" if writes else "step"
    if gives_memory(func):
        return "foreign"
    normalizes = name in ("batch_norm", "instance_norm")
    if func not in met and not normalizes and _may_be_step(func):
        return "foreign"
    return "writes" if writes else "plain"


def writes_by_name(func: Any) -> bool:
    """Return whether a function of this name may write to its arguments."""
    name = plain_name(func)
    return (
        (name.endswith("_") and not name.startswith("__"))
        or (name.startswith("__i") and name not in ("__index__", "__int__", "__invert__"))
        or name in ("__setitem__", "__set__", "batch_norm", "instance_norm")
    )


def _may_be_step(func: Any) -> bool:
    name = step_name(func, ())
    return name is not None and name != "flatten" and bare_name(func) not in _WITH_NUMBERS


def written_by(
    func: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> Iterator[torch.Tensor]:
    """Yield the tensors among its arguments that a function may write to."""
    if bare_name(func) in ("batch_norm", "instance_norm"):
        if kwargs.get("training", kwargs.get("use_input_stats", (*args, *(True,) * 6)[5])):
            yield from tensors_in(
                [args[1:3], kwargs.get("running_mean"), kwargs.get("running_var")]
            )
        return
    yield from tensors_in(args[:1])
    yield from tensors_in(kwargs.get("out"))


def _attribute(func: Any) -> str:
    """Return the name of the attribute that a getter or a setter is of."""
    return str(getattr(getattr(func, "__self__", None), "__name__", ""))


def tensors_in(value: Any) -> Iterator[torch.Tensor]:
    """Yield the tensors in arguments or results, through lists, tuples and dicts."""
    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, list | tuple):
        for item in value:
            yield from tensors_in(item)
    elif isinstance(value, dict):
        for item in value.values():
            yield from tensors_in(item)


def storage_of(tensor: torch.Tensor) -> int:
    """Return what identifies the memory of a tensor; of one without any, the tensor itself."""
    if tensor.layout is not torch.strided or torch._C._functorch.is_functorch_wrapped_tensor(
        tensor
    ):
        return id(tensor)
    return int(tensor.untyped_storage()._cdata)


def moved_axes(func: Any, args: tuple[Any, ...], rank: int) -> list[int] | None:
    """Return in which order a function puts the axes of its argument; None where it keeps them."""
    name = plain_name(func)
    places = [p for p in args[1:] if isinstance(p, int)]
    order = list(range(rank))
    if name in ("transpose", "swapaxes", "swapdims") and len(places) == 2:
        one, other = (place % rank for place in places)
        order[one], order[other] = order[other], order[one]
        return order
    if name == "permute":
        listed = args[1] if len(args) > 1 and isinstance(args[1], tuple | list) else places
        return [place % rank for place in listed] if len(listed) == rank else None
    return None


def flattens(before: Any, after: Any) -> bool:
    """Return whether maps became vectors: ``x.view(n, -1)`` is a flatten, other views are not."""
    return isinstance(after, torch.Tensor) and after.ndim == 2 and before.ndim > 2
