"""What the steps of a pipeline are before its perceptron."""

from __future__ import annotations

from typing import Any

from sklearn import preprocessing

from layerscope.backends.trace import Subject
from layerscope.core.layer_kinds import Kind
from layerscope.core.type_names import by_type_name

_KINDS: tuple[tuple[Kind, tuple[type, ...]], ...] = (
    ("standardize", (preprocessing.StandardScaler, preprocessing.MinMaxScaler,
                     preprocessing.MaxAbsScaler, preprocessing.RobustScaler)),
    ("norm", (preprocessing.Normalizer,)),
    ("encode", (preprocessing.OneHotEncoder, preprocessing.OrdinalEncoder,
                preprocessing.KBinsDiscretizer)),
    ("function", (preprocessing.FunctionTransformer,)),
)  # fmt: skip


def subject_of_step(name: str, step: Any) -> Subject:
    """Return what is known of a step of a pipeline before it is called."""
    named = type(step).__name__
    kind = next((kind for kind, classes in _KINDS if isinstance(step, classes)), None)
    kind = kind or by_type_name(named)[0]
    return Subject(name, named, "operation", "channels_last", kind=kind)
