"""PyTorch modules as trees: addresses, settings, layouts, parameters and their axes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import torch
from torch import nn

from layerscope.backends.torch import exported
from layerscope.backends.torch.kinds import kind_of
from layerscope.backends.torch.quantized import is_bookkeeping, packed_weights
from layerscope.backends.torch.reads import reads_of
from layerscope.backends.trace import Subject
from layerscope.core.axes import Layout
from layerscope.core.network import InputSpec, Network, Parameter, Shape

_RECURRENT = (nn.RNNBase, nn.RNNCellBase)
_SPATIAL = re.compile(r"(Conv|ConvTranspose|Pool|Norm|Pad|Upsample|Dropout|Unpool)\D*([123])d$")
_SPACE = {1: ("position",), 2: ("y", "x"), 3: ("z", "y", "x")}


def plain(name: str) -> str:
    """Return a dotted name without what ``torch.compile`` and ``torch.export`` put into it.

    ``relu@1`` is the second call of ``relu``, which an exported program keeps as a module.
    """
    name = re.sub(r"@\d+(?=\.|$)", "", name)
    return re.sub(r"(^|\.)_orig_mod(?=\.|$)", "", name).lstrip(".")


def addresses(model: nn.Module) -> dict[int, tuple[str, nn.Module]]:
    """Return address and module by ``id(module)``, of everything in the model, parents first."""
    known: dict[int, tuple[str, nn.Module]] = {}
    scripted: tuple[str, ...] = ()
    for name, module in model.named_modules():  # each once, under the first of its names
        hidden = (scripted and name.startswith(scripted)) or is_bookkeeping(module)
        if module is not model and not hidden:
            known[id(module)] = (plain(name), module)
        if isinstance(module, torch.jit.ScriptModule):
            scripted = (*scripted, name + ".")  # it hides its layers, and is looked at as one
    return known


def is_library(module: nn.Module) -> bool:
    """Return whether PyTorch wrote it: the functions that it calls are its own affair."""
    return exported.kind(module).__module__.startswith("torch.nn.")


def is_sealed(module: nn.Module) -> bool:
    """Return whether what it calls is always its own affair: PyTorch's, with nothing inside."""
    return (
        type(module).__module__.startswith("torch.nn.")
        and not module._modules
        and not module._forward_hooks  # of the user's own, which may do anything
        and not module._forward_pre_hooks
        and not isinstance(module, torch.jit.ScriptModule)
    )


def may_stop(known: Iterable[Subject]) -> bool:
    """Return whether a pass may end early: no later layer tells that samples are the second axis.

    So says ``batch_first=False``.
    """
    layouts = [subject.layout for subject in known]
    return not any(isinstance(one, tuple) and one[:2] == ("position", "sample") for one in layouts)


def subjects(model: nn.Module) -> dict[nn.Module, Subject]:
    """Return what is known of each module, the model too, before it is called, parents first."""
    seen: set[int] = set()
    known = {}
    for module, address in [(model, "output"), *((m, a) for a, m in addresses(model).values())]:
        kind, activation = kind_of(module)
        known[module] = Subject(
            address,
            exported.type_name(module),
            layout=_layout(module),
            part_layouts=_part_layouts(module),
            settings=_settings(module),
            parameters=tuple(_own_parameters(module, "" if module is model else address, seen)),
            # Of a module without layers, somebody's own activation or norm, its name says more.
            listed=False if any(True for _ in module.children()) else "operations",
            kind=kind,
            activation=activation,
            reads=reads_of(module, kind),
        )
    return known


def parameters(model: nn.Module) -> tuple[Parameter, ...]:
    """Return all parameters, each once."""
    return (
        *(_parameter(plain(name), p) for name, p in model.named_parameters()),
        *(p for name, module in model.named_modules() for p in _packed(module, name)),
    )


def describe(model: nn.Module, framework: str) -> Network:
    """Return the modules that compute, in the order of their definition."""
    rows = []
    for module, subject in subjects(model).items():
        address = subject.address
        is_leaf = all(is_bookkeeping(part) or _is_list(part) for part in module.children())
        within_attention = address.endswith(".out_proj") or address == "out_proj"
        computes = is_leaf and not within_attention and (module is not model or is_library(model))
        computes = computes and not _is_list(module)
        if computes or subject.parameters:
            rows.append(subject.row(address, parameters=subject.parameters))
    notes: tuple[str, ...] = ()
    if rows:
        notes = (
            "layers in the order of their definition: pass an input to see the order of execution",
        )
    elif not is_library(model):
        notes = ("no modules that compute, so pass an input to see the functions that it calls",)
    return Network(exported.type_name(model), framework, tuple(rows), parameters(model), notes)


def input_specs(model: nn.Module) -> tuple[InputSpec, ...]:
    """Return what the input must look like, guessed from the layers; of no shape where none tells.

    Modules do not say what they expect, so arrays are not held against this; exported ones do.
    """
    if exported.is_exported(model):
        return exported.input_specs(model)
    telling = hints(model)
    if not telling:
        return (_spec(None, "channels_first"),)
    images = [module for module in telling if isinstance(module, nn.Conv2d)]
    if images:
        return (_spec((None, _image_channels(images), None, None), "channels_first"),)
    return (_hinted(telling[0]),)


def hints(model: nn.Module) -> list[nn.Module]:
    """Return the modules that tell what the input is: the first that may, or all convolutions."""
    telling = (module for module in model.modules() if isinstance(module, _HINTS))
    first = next(telling, None)
    if first is None:
        return []
    if isinstance(first, nn.Embedding):
        return [first]
    images = (module for module in (first, *telling) if isinstance(module, nn.Conv2d))
    return [*images] or [first]


#: Layers of which the first tells something about the network's input.
_HINTS = (
    nn.modules.conv._ConvNd, nn.Linear, nn.Bilinear, nn.Embedding, nn.RNNBase, nn.RNNCellBase,
    nn.MultiheadAttention,
)  # fmt: skip


def _spec(shape: Shape | None, layout: Layout, dtype: str = "float32") -> InputSpec:
    return InputSpec("input", shape, dtype, layout, certain=False)


def _image_channels(convolutions: Sequence[nn.Conv2d]) -> int | None:
    """Return how many channels the network's first convolution takes: that which is declared first.

    Unless another puts out as many, which it then follows, and there is one that follows none and
    takes fewer: images have few channels. None where it is lazy.
    """
    first, *_ = convolutions

    def follows(module: nn.Conv2d) -> bool:
        others = (each for each in convolutions if each is not module)
        return any(each.out_channels == module.in_channels for each in others)

    if first.in_channels and follows(first):
        begin = [m.in_channels for m in convolutions if m.in_channels and not follows(m)]
        return min([first.in_channels, *begin])
    return first.in_channels or None


def _hinted(module: nn.Module) -> InputSpec:
    """Return what a network takes that begins with this layer."""
    if isinstance(module, nn.Conv1d):
        shape: Shape = (None, module.in_channels or None, None)
        return _spec(shape, ("sample", "channel", "position"))
    if isinstance(module, nn.Conv3d):
        return _spec((None, module.in_channels or None, None, None, None), "channels_first")
    if isinstance(module, nn.Embedding):
        return _spec((None, None), "channels_last", "int64")
    if isinstance(module, nn.RNNBase | nn.MultiheadAttention):
        width = module.input_size if isinstance(module, nn.RNNBase) else module.embed_dim
        order = ("sample", "position") if module.batch_first else ("position", "sample")
        return _spec((None, None, width), (*order, "channel"))
    # A map that is flattened, or a sequence, may come before it: an array tells.
    if isinstance(module, nn.Linear) and module.in_features:
        return _spec((None, module.in_features), "channels_first")
    return _spec(None, "channels_first")


def named_weights(model: nn.Module) -> Iterator[tuple[str, torch.Tensor, tuple[str, ...]]]:
    """Yield key, tensor and axes of every parameter and floating buffer, as in ``state_dict``."""
    for prefix, module in model.named_modules(remove_duplicate=False):
        tensors = {**module._parameters, **module._buffers, **dict(packed_weights(module))}
        for name, tensor in tensors.items():
            if tensor is None or name in module._non_persistent_buffers_set:
                continue
            counted = tensor.is_floating_point() or tensor.is_quantized
            if counted or isinstance(tensor, nn.Parameter):
                key = plain(f"{prefix}.{name}" if prefix else name)
                yield key, tensor, _weight_axes(module, name, tensor.ndim)


def _weight_axes(module: nn.Module, name: str, rank: int) -> tuple[str, ...]:
    kind = exported.kind(module)
    vector_layers = (nn.Linear, nn.Bilinear, nn.MultiheadAttention, *_RECURRENT)
    if rank == 0:
        return ()
    if rank == 1:
        return ("unit",) if issubclass(kind, vector_layers) else ("channel",)
    if issubclass(kind, nn.modules.conv._ConvNd) and rank > 2:
        transposed = issubclass(kind, nn.modules.conv._ConvTransposeNd)
        order = ("input", "channel") if transposed else ("channel", "input")
        return (*order, *_SPACE[rank - 2])
    if issubclass(kind, nn.Embedding | nn.EmbeddingBag):
        return ("input", "channel")
    if issubclass(kind, nn.LayerNorm | nn.RMSNorm):  # it normalizes along the last axes
        ahead = {2: ("position", "channel"), 3: ("channel", "y", "x")}
        return ahead.get(rank, (*(f"axis{i}" for i in range(rank - 1)), "channel"))
    if issubclass(kind, nn.Bilinear) and rank == 3:
        return ("unit", "input", "axis0")
    if issubclass(kind, nn.MultiheadAttention) and rank == 3:  # bias_k, bias_v: one key more
        return ("axis0", "axis1", "unit")
    if rank == 2:
        return ("unit", "input")
    return (*(f"axis{i}" for i in range(rank - 1)), "channel")


def _own_parameters(module: nn.Module, address: str, seen: set[int]) -> Iterator[Parameter]:
    # Attention uses its output projection's weights without calling it as a module.
    recurse = issubclass(exported.kind(module), nn.MultiheadAttention)
    for name, parameter in module.named_parameters(prefix=address, recurse=recurse):
        if id(parameter) not in seen:
            seen.add(id(parameter))
            yield _parameter(plain(name), parameter)
    for name, part in module.named_children():
        if _is_list(part):
            yield from _own_parameters(part, f"{address}.{name}" if address else name, seen)
    yield from _packed(module, address)


def _is_list(module: nn.Module) -> bool:
    """Return whether it is never called, and only lists parameters of the module that it is in."""
    return isinstance(module, nn.ParameterList | nn.ParameterDict)


def _packed(module: nn.Module, address: str) -> Iterator[Parameter]:
    """Yield the weights that a quantized module keeps packed, none of which can be trained."""
    for name, tensor in packed_weights(module):
        yield _parameter(plain(f"{address}.{name}" if address else name), tensor)


def _parameter(key: str, parameter: torch.Tensor) -> Parameter:
    uninitialized = nn.parameter.is_lazy(parameter)
    shape: tuple[int, ...] = (0,) if uninitialized else tuple(parameter.shape)
    nbytes = 0 if uninitialized else parameter.numel() * parameter.element_size()
    is_bias = "bias" in key.rpartition(".")[2]
    dtype = str(parameter.dtype).removeprefix("torch.")
    return Parameter(key, shape, dtype, parameter.requires_grad, is_bias, nbytes)


def _layout(module: nn.Module) -> Any:
    kind = exported.kind(module)
    if issubclass(kind, nn.RNNBase | nn.MultiheadAttention):
        # Attention is exported in pieces, none of which says where its samples are.
        known = exported.arguments(module) if exported.is_exported(module) else vars(module)
        if "batch_first" not in known:
            return "channels_last"
        order = ("sample", "position") if known["batch_first"] else ("position", "sample")
        return (*order, "channel")
    if issubclass(kind, nn.Linear | nn.LayerNorm | nn.Embedding):
        return "channels_last"
    if _SPATIAL.search(kind.__name__) or issubclass(kind, nn.GroupNorm):
        return "channels_first"
    if issubclass(kind, nn.Unflatten):
        return "default"
    return "inherit"


def _part_layouts(module: nn.Module) -> dict[int, Layout]:
    kind = exported.kind(module)
    if issubclass(kind, nn.MultiheadAttention):
        return {1: "attention"}
    if issubclass(kind, nn.RNNBase):
        state: Layout = ("layer", "sample", "unit")
        return {1: state, 2: state}
    return {}


_SETTINGS = {
    "kernel_size": "kernel", "stride": "stride", "padding": "padding", "dilation": "dilation",
    "groups": "groups", "p": "rate", "num_heads": "heads", "num_layers": "layers",
    "negative_slope": "slope", "output_size": "to", "scale_factor": "scale",
    "bidirectional": "bidirectional",
}  # fmt: skip
_SILENT = {"dilation": 1, "groups": 1, "bidirectional": False, "layers": 1, "padding": 0}


def _settings(module: nn.Module) -> dict[str, Any]:
    """Return the settings that matter to what a module computes, less defaults that say nothing."""
    settings: dict[str, Any] = {}
    if not is_library(module):
        return settings
    known = exported.arguments(module) if exported.is_exported(module) else None
    for attribute, name in _SETTINGS.items():
        value = getattr(module, attribute, None) if known is None else known.get(attribute)
        if value is None or isinstance(value, torch.Tensor | nn.Module):
            continue
        values = value if isinstance(value, tuple | list) else (value,)
        if name in _SILENT and all(v == _SILENT[name] for v in values):
            continue
        settings[name] = value
    return settings
