"""Native PyTorch modules."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import nn

from layerscope.axes import NamedArray, named_axes
from layerscope.backends import torch_tree as tree
from layerscope.backends.base import Run, Tap, Update
from layerscope.backends.torch_calculus import differentiated, keras_on_torch, on_tensors
from layerscope.backends.torch_calls import intercepted
from layerscope.backends.torch_exported import example as exported_example
from layerscope.backends.torch_exported import type_name
from layerscope.backends.torch_gradients import ValuePass
from layerscope.backends.torch_misfits import explain
from layerscope.backends.torch_tensors import Originals, is_value, lasting_tensors, read
from layerscope.backends.torch_untouched import Writes, inference, unchanged
from layerscope.backends.trace import PassComplete, Subject, Trace
from layerscope.backends.untouched import random_state_kept
from layerscope.errors import InputError, ModelError
from layerscope.network import InputSpec, Layer, Network
from layerscope.selection import Selection, select


class TorchBackend:
    """One ``torch.nn.Module``."""

    def __init__(self, model: Any) -> None:
        if isinstance(model, torch.jit.ScriptModule):
            raise ModelError(
                f"{type(model).__name__} is a scripted module, which hides its layers: pass the "
                "Python module that it was made from."
            )
        if not isinstance(model, nn.Module):
            raise ModelError(
                f"{type(model).__name__} is no module: pass a torch.nn.Module; of an exported "
                "program, torch.export.unflatten(program)."
            )
        # What torch.compile made of a module runs as one piece: look into the module itself.
        self._model: nn.Module = getattr(model, "_orig_mod", model)

    @property
    def framework(self) -> str:
        """``PyTorch 2.13.0``."""
        return f"PyTorch {torch.__version__.partition('+')[0]}"

    def describe(self) -> Network:
        """The modules in the order of their definition: a module does not know its own order.

        An exported program does, and which shapes it takes: it is run on zeros.
        """
        example = exported_example(self._model)
        if example:
            # Somebody else's graph, which may raise anything: then the modules are what is known.
            with suppress(Exception):
                return self.run(example, Selection(everything=True)).network
        return tree.describe(self._model, self.framework)

    def inputs(self) -> tuple[InputSpec, ...]:
        """What its first layers suggest; modules do not say what they expect."""
        return tree.input_specs(self._model)

    def select(self, layers: Any, executed: Iterable[Layer] | None = None) -> Selection:
        """Read ``layers=``, modules included."""
        known = tree.addresses(self._model)

        def address_of(thing: Any) -> str | None:
            if thing is self._model:
                return "output"
            if isinstance(thing, nn.Module) and id(thing) not in known:
                raise ModelError(f"This {type(thing).__name__} is not one of this model's modules.")
            return known[id(thing)][0] if id(thing) in known else None

        return select(layers, address_of, executed)

    def run(self, x: Any, selection: Selection) -> Run:
        """One forward pass in inference mode, without gradients."""
        return self._watched(x, selection)[0]

    def _watched(self, x: Any, selection: Selection) -> tuple[Run, Writes]:
        """The pass, and what it would have left changed."""
        args, kwargs = self._arguments(x)
        received = {**_named(args), **_flat(kwargs)}
        inputs = {
            name: tensor.clone() for name, tensor in received.items() if torch.is_tensor(tensor)
        }
        if not inputs:
            raise InputError("x holds no array: pass at least one.")
        values: dict[str, Any] = {}
        with random_state_kept(), torch.no_grad():
            self._materialize(args, kwargs)
            known = tree.subjects(self._model)
            with (
                Originals() as originals,
                unchanged(self._model, originals) as writes,
                inference(self._model),
            ):
                trace = Trace(
                    selection,
                    batch=next(iter(inputs.values())).shape[0] if inputs else None,
                    is_value=is_value,
                    default_layout="channels_first",
                    values=values,
                    keep=functools.partial(originals.watch, values),
                    may_stop=not any(_samples_second(s.layout) for s in known.values()),
                    version_of=originals.writes_to,
                )
                for name, tensor in received.items():
                    if torch.is_tensor(tensor):
                        trace.receive(name, tensor, listed=None)
                output, complete = self._call(trace, known, originals, args, kwargs)
                lasting = lasting_tensors(self._model)
                originals.detach_from([*writes.tensors, *lasting], only=values)
        return self._result(trace, inputs, output if complete else None), writes

    def weights(self) -> Mapping[str, NamedArray]:
        """Every parameter and floating buffer, a copy of each, by the names of ``state_dict``."""
        arrays = {}
        for key, tensor, axes in tree.named_weights(self._model):
            if nn.parameter.is_lazy(tensor):
                raise ModelError(
                    f"{key!r} has no shape yet: run the model once on an input, then look."
                )
            values, was = read(tensor.detach().clone())
            arrays[key] = NamedArray(values, axes, {"dtype": was} if was else {})
        return arrays

    def digest(self) -> str:
        """SHA-256 over the names and values of the parameters and buffers."""
        digest = hashlib.sha256()
        for key, tensor, _ in tree.named_weights(self._model):
            digest.update(key.encode())
            digest.update(np.ascontiguousarray(read(tensor)[0]).data)
        return digest.hexdigest()

    @property
    def ops(self) -> Any:
        """``keras.ops``, with Keras on PyTorch."""
        return keras_on_torch().ops

    def values(
        self, taps: Sequence[Tap], embedding: str | None = None
    ) -> Callable[[Any], dict[Tap, Any]]:
        """A forward pass that stops after the last tap.

        Modules have no activations fused into them: what goes into one is a value of its own.
        """
        return ValuePass(self._model, self._watched, self._call, taps, embedding)

    def gradient(self, function: Callable[..., Any]) -> Callable[..., tuple[Any, Any]]:
        """By ``torch.autograd.grad``; no tensor but the result gets a gradient."""
        return differentiated(function)

    def compiled(
        self, function: Callable[..., Any], key: Hashable, *, network: bool
    ) -> Callable[..., Any]:
        """The function itself, given tensors: PyTorch is run eagerly, and nothing is remembered."""
        return on_tensors(function)

    def optimizer(self, which: Any, params: Any) -> Update:
        """One of Keras' own, on PyTorch."""
        keras_on_torch()
        # Imports Keras, which only whoever asks for gradients needs.
        from layerscope.backends.keras_calculus import calculus, optimizer_of

        with torch.inference_mode(False):  # what it counts is written to outside of it, too
            return calculus().update(optimizer_of(which), params)

    def _arguments(self, x: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Positional and keyword arguments: a list or tuple is several inputs, a dict keywords."""
        if isinstance(x, dict):
            return (), {str(name): self._tensors(value) for name, value in x.items()}
        if isinstance(x, list | tuple):
            return tuple(self._tensors(value) for value in x), {}
        return (self._tensors(x),), {}

    def _tensors(self, value: Any) -> Any:
        """An argument with its arrays made tensors, in whatever structure they are."""
        if isinstance(value, dict):
            return {key: self._tensors(item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return type(value)(self._tensors(item) for item in value)
        return self._tensor(value)

    def _tensor(self, value: Any) -> Any:
        """An array as a tensor of the model's type, on its device, that the model may write to."""
        floating = (p for p in self._model.parameters() if p.is_floating_point())
        like = next(floating, torch.empty(0))
        if isinstance(value, torch.Tensor):
            return value.detach().clone().to(like.device)
        if not isinstance(value, np.ndarray):
            return value
        tensor = torch.from_numpy(np.array(value))
        # Bytes are pixels: no module that has weights of floating numbers takes them as they are.
        is_pixels = tensor.dtype is torch.uint8 and like.numel() > 0
        cast = tensor.is_floating_point() or is_pixels
        return tensor.to(like.device, like.dtype if cast else None)

    def _materialize(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Let lazy modules find their shapes, as their first call would."""
        if any(nn.parameter.is_lazy(p) for p in self._model.parameters()):
            try:
                self._model(*(a.clone() if torch.is_tensor(a) else a for a in args), **kwargs)
            except Exception as error:
                explain(self._model, args, kwargs, error)
                raise

    def _call(
        self,
        trace: Trace,
        known: dict[nn.Module, Subject],
        originals: Originals,
        args: Any,
        kwargs: Any,
    ) -> tuple[Any, bool]:
        root = known[self._model]
        library = {s.address for module, s in known.items() if tree.is_library(module)}

        def prefix_of() -> str | None:
            subject = trace.inside()
            if subject is None or subject.address in library:
                return None
            return "" if subject is root else subject.address + "."

        try:
            with intercepted(trace, known, prefix_of, originals):
                return self._model(*args, **kwargs), True
        except PassComplete:
            return None, False
        except Exception as error:
            explain(self._model, args, kwargs, error)
            raise

    def _uncalled(self, trace: Trace) -> list[str]:
        """The modules with parameters of their own that the pass did not call."""
        seen = {layer.address.partition("#")[0] for layer in trace.layers}
        seen |= {alias.partition("#")[0] for alias in trace.aliases} | set(trace.left_out)
        seen |= set(trace.in_threads)
        subjects = tree.subjects(self._model)
        found = (
            subjects[m].address for m in subjects if subjects[m].parameters and m is not self._model
        )
        return [address for address in found if address not in seen]

    def _result(self, trace: Trace, inputs: Mapping[str, Any], output: Any) -> Run:
        network = trace.network(
            type_name(self._model), self.framework, tree.parameters(self._model)
        )
        scripted = [
            address
            for address, module in tree.addresses(self._model).values()
            if isinstance(module, torch.jit.ScriptModule)
        ]
        if scripted:
            note = f"left out, because scripted modules hide their calls: {', '.join(scripted)}"
            network = replace(network, notes=(*network.notes, note))
        uncalled = self._uncalled(trace) if output is not None else []
        if uncalled:
            shown = ", ".join(uncalled[:8]) + (", …" if len(uncalled) > 8 else "")
            network = replace(network, notes=(*network.notes, f"defined, but not called: {shown}"))
        axes = {layer.address: layer.axes for layer in trace.layers}
        axes |= {alias: axes.get(of) for alias, of in trace.aliases.items()}
        return Run(
            network,
            {address: _array(value, axes[address]) for address, value in trace.values.items()},
            {name: _array(value, trace.input_axes[name]) for name, value in inputs.items()},
            trace.aliases,
            _to_arrays(output),
        )


def _samples_second(layout: Any) -> bool:
    """Whether a layer takes its samples along the second axis, as ``batch_first=False`` says."""
    return isinstance(layout, tuple) and layout[:2] == ("position", "sample")


def _named(args: tuple[Any, ...]) -> dict[str, Any]:
    return _flat({"input" if i == 0 else f"input_{i}": value for i, value in enumerate(args)})


def _flat(named: dict[str, Any]) -> dict[str, Any]:
    """Inputs by name, those in structures by their names inside."""
    flat: dict[str, Any] = {}
    for name, value in named.items():
        if isinstance(value, dict):
            flat |= _flat({f"{name}.{key}": item for key, item in value.items()})
        elif isinstance(value, list | tuple):
            flat |= _flat({f"{name}.{i}": item for i, item in enumerate(value)})
        else:
            flat[name] = value
    return flat


def _array(value: Any, axes: tuple[str, ...] | None) -> NamedArray:
    values, was = read(value)
    return NamedArray(values, axes or named_axes(values.shape), {"dtype": was} if was else {})


def _to_arrays(output: Any) -> Any:
    if isinstance(output, torch.Tensor):
        return read(output)[0]
    if isinstance(output, dict):
        return {key: _to_arrays(value) for key, value in output.items()}
    if isinstance(output, tuple | list):
        return [_to_arrays(value) for value in output]
    return output
