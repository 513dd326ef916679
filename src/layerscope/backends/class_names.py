"""What a model's classes are called, where the model says so."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from layerscope.core.class_names import names_by_number

_IMAGENET = 1000
_PLACEHOLDER = re.compile(r"LABEL_\d+")


def class_names(model: Any) -> tuple[str, ...]:
    """Return the names of a model's classes, by their numbers; none where nothing tells them.

    Those of scikit-learn's ``classes_``, of a transformers model's ``config.id2label``, and of
    ImageNet for an architecture of ``keras.applications``, where Keras has their index on this
    machine: nothing is fetched.
    """
    return _of_labels(model) or _of_fit(model) or _of_application(model)


def _of_labels(model: Any) -> tuple[str, ...]:
    labels = getattr(getattr(model, "config", None), "id2label", None)
    if not isinstance(labels, Mapping):
        return ()
    names = names_by_number(labels) or ()
    return () if all(_PLACEHOLDER.fullmatch(name) for name in names) else names


def _of_fit(model: Any) -> tuple[str, ...]:
    if "sklearn" not in sys.modules:
        return ()
    from sklearn.base import BaseEstimator

    if not isinstance(model, BaseEstimator):
        return ()
    classes: Any = getattr(model, "classes_", None)
    if getattr(classes, "ndim", 0) != 1:
        return ()
    names = tuple(str(name) for name in classes)
    return _of_binary(model, names)


def _of_binary(model: Any, names: tuple[str, ...]) -> tuple[str, ...]:
    """Return the names for the units of the output: of two classes there is one unit."""
    last = model.steps[-1][1] if hasattr(model, "steps") else model
    return names[1:] if len(names) == 2 and getattr(last, "n_outputs_", 2) == 1 else names


def _of_application(model: Any) -> tuple[str, ...]:
    """Return ImageNet's names, for a model named as the architecture that it is."""
    keras = sys.modules.get("keras")
    if keras is None or not isinstance(model, keras.Model):
        return ()
    known = {_letters(name) for name in dir(keras.applications)}
    if _letters(model.name) not in known or not _has_classes(model):
        return ()
    path = Path(os.environ.get("KERAS_HOME", "~/.keras")).expanduser()
    try:
        text = (path / "models" / "imagenet_class_index.json").read_text(encoding="utf-8")
        index = json.loads(text)
    except (OSError, ValueError):
        return ()
    names = names_by_number(index) if isinstance(index, Mapping) else None
    return names if names is not None and len(names) == _IMAGENET else ()


def _has_classes(model: Any) -> bool:
    shape = getattr(model, "output_shape", None)
    return isinstance(shape, tuple) and len(shape) == 2 and shape[1] == _IMAGENET


def _letters(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())
