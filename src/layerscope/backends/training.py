"""What a recorder must know of a training, in whichever framework it runs."""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy.typing as npt

from layerscope.backends.registry import backend_class
from layerscope.core.training_loss import TrainingLoss

OnBegin = Callable[[int], None]
OnEpoch = Callable[[int, float, Mapping[str, float]], object]
OnEnd = Callable[[list[str]], None]


class Training:
    """A model that may be in training.

    What is here holds for a model that has all of its weights from the start, and whose training
    nobody reports. A backend of which more is known names a child of this as its class attribute
    ``training``.
    """

    #: Whether what trains the model reports, as it begins, how many steps there will be.
    reports_steps = False

    def __init__(self, model: Any) -> None:
        self.model = model  #: without what wraps it to be trained on several devices

    def check_runs(self) -> None:
        """Raise ModelError for a model that no input can be run through, trained or not."""

    def is_ready(self) -> bool:
        """Return whether it certainly has all of its weights before it is trained.

        What makes them must be the training, not a look. A layer that is never called has none at
        any time: at the first step, ``awaits_training`` tells whether a look would make some.
        """
        return True

    def awaits_training(self, look: Callable[[Any], object]) -> bool:
        """Return whether a look now, at a step, would make weights that the training is to make.

        ``look`` runs the model that it is given.
        """
        return False

    def uncalled(self, called: Collection[str]) -> tuple[list[str], list[str]]:
        """Return the layers not called in a pass: those that have weights, those that have none.

        ``called`` are the addresses of what was.
        """
        return [], []

    def starts_over(self) -> bool:
        """Return whether each fit begins with new weights, not with those of the one before."""
        return False

    def watched(
        self, on_begin: OnBegin, on_epoch: OnEpoch, on_end: OnEnd
    ) -> AbstractContextManager[None]:
        """Report each epoch of each fit in this block, where the model itself is what fits."""
        return nullcontext()

    def synchronize(self) -> None:
        """Have a model in training hold its current weights."""

    def learning_rate(self) -> float | None:
        """Return the learning rate now; None where it is not known."""
        return None

    #: Whether the gradients of a training's own backward pass stay with the weights.
    keeps_gradients = False
    #: Whether the gradients of the loss on given samples and labels can be computed.
    computes_gradients = False

    def kept_gradients(self) -> Mapping[str, float]:
        """Return the norm of the gradient that each parameter was left with, by its key."""
        return {}

    def loss_gradients(self, x: Any, labels: Any) -> Mapping[str, npt.NDArray[Any]]:
        """Return the gradient of the loss with respect to each trainable parameter, by its key.

        In inference mode: dropout drops nothing, and no running statistics change. Raises
        ModelError where the loss is not known.
        """
        raise NotImplementedError

    def loss(self) -> TrainingLoss | None:
        """Return the loss that the model is trained with; None where it is not known."""
        return None

    def take_weights(self, other: Any) -> bool:
        """Give the model the weights of another that is certainly of the same architecture.

        Returns whether it is one, so that what was compiled for this model goes on to be of use.
        """
        return False

    def shares_parts(self, other: Any) -> bool:
        """Return whether training another model trains something of this one, as far as is known.

        One may be a part of the other, as an encoder is of its autoencoder.
        """
        return True


def training_of(model: Any) -> Training:
    """Return what is known of the training of a model.

    Raises ModelError when it is no model of a framework that has a backend.
    """
    training: Training = getattr(backend_class(model), "training", Training)(model)
    return training if training.model is model else training_of(training.model)


def is_first_process() -> bool:
    """Return whether this is the first, or the only, process of a training that runs in many.

    Only frameworks that are already in memory are asked: PyTorch's rank, JAX's process index, or
    the task in TensorFlow's cluster (its chief, or its first worker where there is no chief).
    """
    return _first_of_torch() and _first_of_jax() and _first_of_tensorflow()


def _first_of_torch() -> bool:
    distributed = sys.modules.get("torch.distributed")
    if distributed is None or not distributed.is_available() or not distributed.is_initialized():
        return True
    return int(distributed.get_rank()) == 0


def _first_of_jax() -> bool:
    jax = sys.modules.get("jax")
    # Asked only where processes were connected: the question itself starts JAX's devices.
    state = getattr(sys.modules.get("jax._src.distributed"), "global_state", None)
    if jax is None or getattr(state, "client", None) is None:
        return True
    return int(jax.process_index()) == 0


def _first_of_tensorflow() -> bool:
    tensorflow = sys.modules.get("tensorflow")
    if tensorflow is None or not hasattr(tensorflow, "distribute"):
        return True
    resolver = tensorflow.distribute.get_strategy().cluster_resolver
    if resolver is None or not resolver.task_type:
        return True
    chiefs = [job for job in ("chief", "master") if job in resolver.cluster_spec().jobs]
    return resolver.task_type in (chiefs or ["worker"]) and int(resolver.task_id or 0) == 0
