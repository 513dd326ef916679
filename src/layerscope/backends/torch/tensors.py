"""PyTorch's tensors: what a layer returned, kept from being overwritten, and read by NumPy.

An in-place ReLU writes into the tensor that the convolution before it returned. Cloning every
output costs up to 1.6 × the pass; so each operation is watched as it is dispatched, and a tensor is
cloned only when one is about to write into its storage. Nothing escapes this: aliases, views,
``.data`` and ``out=`` all end in a dispatched operation whose schema says what it writes.
"""

from __future__ import annotations

import operator
from collections.abc import Collection, Hashable, Iterable, Iterator, MutableMapping
from typing import Any

import numpy.typing as npt
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from layerscope.backends.torch.sharded import whole
from layerscope.core.errors import ModelError


class Originals(TorchDispatchMode):
    """While active, keeps the tensors that it watches from changing: copy on write."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._by_storage: dict[int, list[tuple[MutableMapping[str, Any], str]]] = {}
        self._writes: dict[int, int] = {}  #: how often each storage was written to
        self._copied: set[tuple[int, str]] = set()
        self._given_away: set[int] = set()  #: storages that others may write to unseen

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        # PyTorch would import its compiler, some seconds and 100 MB, to keep it away from us; while
        # we watch, nothing is compiled.
        return False

    def watch(self, values: MutableMapping[str, Any], key: str, tensor: torch.Tensor) -> Any:
        """Keep this tensor under this key; it is replaced there by a copy before it is written to.

        Returns the tensor.
        """
        values[key] = tensor
        if tensor.layout is not torch.strided:
            values[key] = tensor.clone()  # it has no one storage to be watched
            return tensor
        storage = _storage(tensor)
        if storage in self._given_away:
            values[key] = tensor.clone()
            self._copied.add((id(values), key))
        else:
            self._by_storage.setdefault(storage, []).append((values, key))
        return tensor

    def copied(self, values: MutableMapping[str, Any]) -> set[str]:
        """Return the keys of those of these values that were copied."""
        return {key for owner, key in self._copied if owner == id(values)}

    def give_away(self, tensors: Iterable[torch.Tensor]) -> None:
        """Note that from now on others may write to the memory of these tensors unseen.

        What shares it is copied, now and when it is kept later on.
        """
        for tensor in tensors:
            if tensor.layout is torch.strided:
                self._copy(_storage(tensor))
                self._given_away.add(_storage(tensor))

    def sees_everything(self) -> bool:
        """Return whether no tensor's memory was given away, to come back as another's."""
        return not self._given_away

    def detach_from(
        self, tensors: Iterable[torch.Tensor], only: MutableMapping[str, Any] | None = None
    ) -> None:
        """Copy what shares memory with tensors that may be written to later on.

        ``only`` where that matters to what is kept in these values alone.
        """
        for tensor in tensors:
            if tensor.layout is torch.strided:
                self._copy(_storage(tensor), only)

    def version_of(self, tensor: torch.Tensor) -> Hashable:
        """Return what is another value once a tensor's memory was, or may have been, written to.

        By whatever name: views, ``.data`` and ``out=`` too. PyTorch's own count of versions leaves
        out ``.data``.
        """
        if tensor.layout is not torch.strided:
            return 0
        storage = _storage(tensor)
        if storage in self._given_away:
            return object()
        return storage, self._writes.get(storage, 0)

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        if func._schema.is_mutable:
            self._write(_written(func._schema, args, kwargs))
        elif func.overloadpacket in _UPDATES_STATISTICS:
            self._write(_statistics(func._schema, args, kwargs))
        return func(*args, **kwargs)

    def _write(self, tensors: Iterable[torch.Tensor]) -> None:
        for tensor in tensors:
            if tensor.layout is torch.strided:
                storage = _storage(tensor)
                self._copy(storage)
                self._writes[storage] = self._writes.get(storage, 0) + 1

    def _copy(self, storage: int, only: MutableMapping[str, Any] | None = None) -> None:
        watched = self._by_storage.pop(storage, [])
        for values, key in watched:
            if key in values and (only is None or values is only):
                values[key] = values[key].clone()
                self._copied.add((id(values), key))
        if only is not None and watched:
            self._by_storage[storage] = [entry for entry in watched if entry[0] is not only]


def _storage(tensor: torch.Tensor) -> int:
    return int(tensor.untyped_storage()._cdata)


#: Operators whose schema does not say that they write to running statistics.
_UPDATES_STATISTICS = frozenset({
    torch.ops.aten.native_batch_norm, torch.ops.aten.cudnn_batch_norm,
    torch.ops.aten.miopen_batch_norm,
})  # fmt: skip


def _statistics(
    schema: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Iterable[torch.Tensor]:
    """Yield the running statistics that an operator updates, where it does."""
    names = [argument.name for argument in schema.arguments]
    given = {**dict(zip(names, args, strict=False)), **kwargs}
    if given.get("training", given.get("train", False)):
        for name in ("running_mean", "running_var"):
            if isinstance(given.get(name), torch.Tensor):
                yield given[name]


def _written(schema: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Iterable[torch.Tensor]:
    for index, argument in enumerate(schema.arguments):
        if argument.alias_info is None or not argument.alias_info.is_write:
            continue
        value = args[index] if index < len(args) else kwargs.get(argument.name)
        for tensor in value if isinstance(value, list | tuple) else (value,):
            if isinstance(tensor, torch.Tensor):
                yield tensor


def lasting_tensors(module: torch.nn.Module) -> Iterator[torch.Tensor]:
    """Yield the tensors that a module holds on to after a pass, and may write to in the next."""
    for part in module.modules():
        if isinstance(part, torch.jit.ScriptModule):
            yield from part.parameters(recurse=False)
            yield from part.buffers(recurse=False)
            continue
        for held in (part._parameters, part._buffers, vars(part)):
            tensors = (value for value in held.values() if isinstance(value, torch.Tensor))
            # What is never called has weights without a shape, which nothing writes to.
            yield from (t for t in tensors if not torch.nn.parameter.is_lazy(t))


def is_value(value: Any) -> bool:
    """Return whether it is a tensor of the pass itself: of no vmap, and on a real device."""
    return (
        isinstance(value, torch.Tensor)
        and not torch._C._functorch.is_functorch_wrapped_tensor(value)
        and value.device.type != "meta"
    )


#: What NumPy has, too.
_READABLE = frozenset({
    torch.float32, torch.float64, torch.float16, torch.int64, torch.int32, torch.uint8, torch.bool,
})  # fmt: skip


def is_readable(tensor: torch.Tensor) -> bool:
    """Return whether NumPy can read a tensor's memory as it is, now and later on."""
    return (
        type(tensor) is torch.Tensor
        and tensor.dtype in _READABLE
        and tensor.is_cpu
        and tensor.layout is torch.strided
        and not (tensor.requires_grad or tensor.is_conj() or tensor.is_neg() or tensor.is_nested)
    )


def are_plain(values: Collection[Any]) -> bool:
    """Return whether all of these are tensors on the CPU, of types that NumPy has.

    Asked of hundreds at once, without code of Python's own that runs for each.
    """
    return (
        {torch.Tensor}.issuperset(map(type, values))
        and _READABLE.issuperset(map(operator.attrgetter("dtype"), values))
        and {torch.strided}.issuperset(map(operator.attrgetter("layout"), values))
        and all(map(operator.attrgetter("is_cpu"), values))
    )


def read(tensor: torch.Tensor) -> tuple[npt.NDArray[Any], str | None]:
    """Read the tensor's own memory where it is on the CPU, and the type it had if that changed.

    Types that NumPy lacks become float32. Raises ModelError where it has no values.
    """
    if is_readable(tensor):
        return tensor.numpy(), None
    tensor = whole(tensor.detach())
    if tensor.is_meta:
        raise ModelError(
            "The model is on the meta device, where tensors have shapes and no values: load its "
            "weights onto another, such as model.to_empty(device='cpu')."
        )
    if tensor.layout is not torch.strided:
        tensor = tensor.to_dense()
    was = None
    if tensor.is_quantized:
        was, tensor = str(tensor.dtype), tensor.dequantize()
    elif tensor.dtype is torch.bfloat16 or (
        tensor.dtype.itemsize == 1 and tensor.is_floating_point()
    ):
        was, tensor = str(tensor.dtype), tensor.float()
    values = tensor.resolve_conj().resolve_neg().cpu().numpy()
    return values, was and was.removeprefix("torch.")
