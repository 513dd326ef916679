"""Models that are spread over processes: what one process can be asked, and what it can't."""

from __future__ import annotations

import sys
from typing import Any

import torch
from torch import nn

from layerscope.core.errors import ModelError


def is_sharded_class(base: type) -> bool:
    """Return whether it is the class that ``fully_shard`` derives from a module's own."""
    return base.__module__.startswith("torch.distributed.fsdp")


def refuse_pass(model: nn.Module) -> None:
    """Raise ModelError where a pass waits for passes in other processes.

    A look is made by one process, which would wait for ever.
    """
    for module in model.modules():
        count = _processes(module)
        if count > 1:
            name = type(module).__name__
            raise ModelError(
                f"{name} is spread over {count} processes, and a pass in one of them waits for the "
                f"others: {_instead(module)}."
            )


def awaits_first_call(model: nn.Module) -> bool:
    """Return whether ``fully_shard`` finishes its work at the first call, still to come.

    It keeps a record of that call outside of the model, so the call can't be taken back.
    """
    if "torch.distributed.fsdp" not in sys.modules:
        return False
    states = (
        module._get_fsdp_state()  # type: ignore[operator]
        for module in model.modules()
        if any(base.__name__ == "FSDPModule" for base in type(module).__mro__)
    )
    return any(getattr(state, "_is_root", False) is None for state in states)


def whole(tensor: torch.Tensor) -> torch.Tensor:
    """Return the whole of a tensor that may be spread over processes.

    Raises ModelError where that would wait for the others.
    """
    if not _is_spread(tensor):
        return tensor
    spread: Any = tensor
    if _is_split(spread):
        raise ModelError(
            f"A weight of shape {tuple(tensor.shape)} is spread over {spread.device_mesh.size()} "
            "processes, and one of them can't gather it alone: load the full state dict, "
            "torch.distributed.checkpoint.state_dict.get_model_state_dict with "
            "full_state_dict=True, into a module that is not sharded."
        )
    full: torch.Tensor = spread.full_tensor()
    return full


def _processes(module: nn.Module) -> int:
    """Count over how many processes that wait for one another its pass is spread."""
    parameters: list[Any] = list(module.parameters(recurse=False))
    split = [p.device_mesh.size() for p in parameters if _is_split(p)]
    if type(module).__module__.startswith(("torch.distributed.fsdp", "torch.nn.parallel")):
        group: Any = getattr(module, "process_group", None)  # FullyShardedDataParallel's and DDP's
        split += [group.size()] if group is not None else []
    return max(split, default=1)


def _instead(module: nn.Module) -> str:
    """Return what works in its place."""
    if type(module).__name__ == "DistributedDataParallel":
        return "pass its .module, which is whole in each"
    return (
        "load its full state dict into a module that is not sharded, or look at the module before "
        "it is sharded"
    )


def _is_spread(tensor: torch.Tensor) -> bool:
    """Return whether it is a DTensor; does not import what makes them."""
    return any(base.__name__ == "DTensor" for base in type(tensor).__mro__)


def _is_split(tensor: Any) -> bool:
    """Return whether each of several processes has a part of it."""
    if not _is_spread(tensor) or tensor.device_mesh.size() == 1:
        return False
    return not all(placement.is_replicate() for placement in tensor.placements)
