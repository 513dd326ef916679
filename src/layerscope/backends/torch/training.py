"""PyTorch modules in training."""

from __future__ import annotations

import copy
from collections.abc import Callable, Collection, Mapping
from typing import Any

import torch
from torch import nn
from torch.nn.parameter import is_lazy

from layerscope.backends.torch.handover import take_weights
from layerscope.backends.training import Training
from layerscope.core.errors import ModelError

#: Wrappers for several devices, whose own forward pass needs all processes to take part.
_PARALLEL = ("DistributedDataParallel", "DataParallel")


class TorchTraining(Training):
    """A module: lazy ones have no weights before their first call."""

    keeps_gradients = True

    def __init__(self, model: Any) -> None:
        super().__init__(model.module if type(model).__name__ in _PARALLEL else model)

    def check_runs(self) -> None:
        """Raise ModelError for a module without a ``forward``."""
        if getattr(type(self.model), "forward", None) is nn.Module.forward:
            raise ModelError(
                f"The module {type(self.model).__name__} has no forward(), so nothing can be run "
                "through it: write one, or pass the module that is called."
            )

    def is_ready(self) -> bool:
        """Return whether all weights have a shape."""
        return not _lazy(self.model)

    def awaits_training(self, look: Callable[[Any], object]) -> bool:
        """Return whether a look would make weights; a copy of the module is tried.

        They are drawn from the state that the training draws from.
        """
        if not _lazy(self.model):
            return False
        trial = copy.deepcopy(self.model)
        look(trial)
        return _lazy(trial) != _lazy(self.model)

    def uncalled(self, called: Collection[str]) -> tuple[list[str], list[str]]:
        """Return the modules whose weights have no shape yet: others may be used without a call."""
        return [], sorted({key.rpartition(".")[0] for key in _lazy(self.model)})

    def kept_gradients(self) -> Mapping[str, float]:
        """Return the norm of the gradient that each parameter was left with, by its key."""
        with torch.no_grad():
            return {
                key: float(torch.linalg.vector_norm(parameter.grad.to_dense(), dtype=torch.float64))
                for key, parameter in self.model.named_parameters()
                if parameter.grad is not None
            }

    def take_weights(self, other: Any) -> bool:
        """Give the module the tensors of another, where the two differ in nothing else."""
        return isinstance(other, nn.Module) and take_weights(self.model, other)


def _lazy(module: Any) -> list[str]:
    """Return the names of the weights that have no shape yet."""
    if not isinstance(module, nn.Module):
        return []
    tensors = (*module.named_parameters(), *module.named_buffers())
    return [name for name, tensor in tensors if is_lazy(tensor)]
