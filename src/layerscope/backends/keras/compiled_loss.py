"""The loss that a Keras model was compiled with: of the model itself, or of the file it is from."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras

from layerscope.backends.origin import origin_of
from layerscope.core.training_loss import TrainingLoss

_LONGEST = 50_000_000  #: bytes of a configuration that is read


def loss_of(model: Any) -> TrainingLoss | None:
    """Return the loss of a model with one output; None where there is none, or several."""
    if getattr(model, "compiled", False):
        return _read(getattr(model, "loss", None))
    origin = origin_of(model)
    if origin is None or Path(origin.path).suffix != ".keras":
        return None
    return _read(_compile_config(Path(origin.path)).get("loss"))


def _read(loss: Any) -> TrainingLoss | None:
    """Return what a loss is, of a name, an object of Keras or its configuration."""
    if isinstance(loss, list | tuple) and len(loss) == 1:
        return _read(loss[0])
    if isinstance(loss, str):
        return TrainingLoss.named(loss)
    if isinstance(loss, Mapping) and isinstance(loss.get("class_name"), str):
        config = loss.get("config")
        name, set_to = loss["class_name"], None
        if isinstance(config, Mapping):
            set_to = config.get("from_logits")
        elif name == "function" and isinstance(config, str):
            name = config
        return TrainingLoss.named(name, set_to)
    if isinstance(loss, keras.losses.Loss):
        return TrainingLoss.named(type(loss).__name__, loss.get_config().get("from_logits"))
    return TrainingLoss.named(loss.__name__) if hasattr(loss, "__name__") else None


def _compile_config(path: Path) -> Mapping[str, Any]:
    """Return how a file says that its model was compiled; nothing where it can't be read."""
    try:
        with zipfile.ZipFile(path) as archive:
            if archive.getinfo("config.json").file_size > _LONGEST:
                return {}
            config = json.loads(archive.read("config.json"))
    except (OSError, KeyError, ValueError, zipfile.BadZipFile):
        return {}  # it was opened before, and may have been replaced since
    compiled = config.get("compile_config") if isinstance(config, Mapping) else None
    return compiled if isinstance(compiled, Mapping) else {}
