"""Keras models in training."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import keras
import numpy.typing as npt

from layerscope.backends.keras import unreached
from layerscope.backends.keras.compiled_loss import loss_of
from layerscope.backends.keras.graph import graph_of, is_exact
from layerscope.backends.training import Training
from layerscope.core.training_loss import TrainingLoss


class KerasTraining(Training):
    """A Keras model: a callback reports its training, and layers are built when first called.

    A layer draws its weights by a seed of its own, so a look at a step makes the same as the
    training does.
    """

    reports_steps = True
    computes_gradients = True

    def check_runs(self) -> None:
        """Raise ModelError for a model without a ``call``."""
        unreached.check_call(self.model)

    def is_ready(self) -> bool:
        """Return whether all layers are built, or known to be those that are called."""
        layers = [self.model, *getattr(self.model, "_flatten_layers", list)()]
        return is_exact(self.model) or all(getattr(layer, "built", True) for layer in layers)

    def uncalled(self, called: Collection[str]) -> tuple[list[str], list[str]]:
        """Return the layers not called in a pass: those that have weights, those that have none."""
        return unreached.uncalled(self.model, called)

    def synchronize(self) -> None:
        """Have the model hold its current weights.

        Keras on JAX trains on values of its own, and hands them back to the model at the end of an
        epoch, or when asked to.
        """
        hand_back = getattr(self.model, "jax_state_sync", None)
        if hand_back is not None:
            hand_back()

    def learning_rate(self) -> float | None:
        """Return the learning rate of the optimizer now; None where there is none."""
        rate = getattr(getattr(self.model, "optimizer", None), "learning_rate", None)
        return None if rate is None else float(keras.ops.convert_to_numpy(rate))

    def loss(self) -> TrainingLoss | None:
        """Return the loss that the model was compiled with, or its file says it was."""
        return loss_of(self.model)

    def loss_gradients(self, x: Any, labels: Any) -> Mapping[str, npt.NDArray[Any]]:
        """Return the gradient of the compiled loss with respect to each trainable parameter."""
        from layerscope.backends.keras.loss_gradients import loss_gradients

        return loss_gradients(self.model, x, labels)

    def take_weights(self, other: Any) -> bool:
        """Give the model the weights of another, where both are made of the same configuration."""
        mine, theirs = self.model, other
        if type(mine) is not type(theirs) or graph_of(mine) is None or graph_of(theirs) is None:
            return False
        if _configuration(mine) != _configuration(theirs):
            return False
        shapes = [[(v.shape, v.dtype) for v in model.variables] for model in (mine, theirs)]
        if shapes[0] != shapes[1]:
            return False
        for variable, value in zip(mine.variables, theirs.variables, strict=True):
            variable.assign(value)
        return True

    def shares_parts(self, other: Any) -> bool:
        """Return whether the two have a layer or a weight in common."""
        if not isinstance(other, keras.Layer):
            return True
        return not _parts(self.model).isdisjoint(_parts(other))


def _configuration(model: Any) -> dict[str, Any]:
    """Return what makes the model; not what a Sequential calls its input, as nobody else does."""
    config: dict[str, Any] = model.get_config()
    if isinstance(model, keras.Sequential):
        for layer in config["layers"]:
            if layer["class_name"] == "InputLayer":
                layer["config"].pop("name", None)
    return config


def _parts(model: Any) -> set[int]:
    layers: list[Any] = getattr(model, "_flatten_layers", list)()
    return {id(part) for part in (model, *layers, *getattr(model, "weights", ()))}
