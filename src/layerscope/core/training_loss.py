"""The loss that a network is trained with, and what it takes: probabilities, or logits."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from layerscope.core.errors import InputError

Takes = Literal["probabilities", "logits", "log_probabilities"]

_CATEGORICAL = frozenset({
    "categorical_crossentropy", "sparse_categorical_crossentropy", "categorical_focal_crossentropy",
})  # fmt: skip
_BINARY = frozenset({"binary_crossentropy", "binary_focal_crossentropy"})
#: PyTorch's, which take what they take whatever is set.
_OF_TORCH: Mapping[str, tuple[str, Takes]] = {
    "cross_entropy_loss": ("categorical_crossentropy", "logits"),
    "cross_entropy": ("categorical_crossentropy", "logits"),
    "nll_loss": ("categorical_crossentropy", "log_probabilities"),
    "bce_loss": ("binary_crossentropy", "probabilities"),
    "binary_cross_entropy": ("binary_crossentropy", "probabilities"),
    "bce_with_logits_loss": ("binary_crossentropy", "logits"),
    "binary_cross_entropy_with_logits": ("binary_crossentropy", "logits"),
}


@dataclass(frozen=True, slots=True)
class TrainingLoss:
    """Which loss, by the name that its framework has for it."""

    name: str
    family: Literal["categorical", "binary", "other"] = "other"  #: one of several classes, or each
    takes: Takes | None = None  #: what it expects of the network; None where that is not known

    @classmethod
    def named(cls, name: str, from_logits: bool | None = None) -> TrainingLoss:
        """Return what a name means; ``from_logits`` as Keras has it, None where it is not set."""
        key = snake(name)
        if key in _OF_TORCH:
            meaning, takes = _OF_TORCH[key]
            return cls(name, "categorical" if meaning.startswith("cat") else "binary", takes)
        if key in _CATEGORICAL | _BINARY:
            family: Any = "categorical" if key in _CATEGORICAL else "binary"
            return cls(name, family, "logits" if from_logits else "probabilities")
        return cls(name)

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON has it; :func:`loss_from_json` reads it back."""
        return asdict(self)


def loss_from_json(described: Any) -> TrainingLoss | None:
    """Return what ``to_json`` wrote; None for what is none."""
    if not isinstance(described, Mapping) or not isinstance(described.get("name"), str):
        return None
    family, takes = described.get("family"), described.get("takes")
    known: Any = family if family in ("categorical", "binary") else "other"
    takes = takes if takes in ("probabilities", "logits", "log_probabilities") else None
    return TrainingLoss(described["name"], known, takes)


def read_loss(loss: Any) -> TrainingLoss | None:
    """Read ``loss=``: a name, or a loss of PyTorch or Keras. Raises InputError for anything else.

    A name may say what it takes: ``"sparse_categorical_crossentropy(from_logits=True)"``.
    """
    if loss is None or isinstance(loss, TrainingLoss):
        return loss
    if isinstance(loss, str) and loss:
        name, _, rest = loss.partition("(")
        return TrainingLoss.named(name.strip(), "from_logits=True" in rest.replace(" ", ""))
    if callable(loss):
        name = getattr(loss, "__name__", None) or type(loss).__name__
        return TrainingLoss.named(name, getattr(loss, "from_logits", None))
    raise InputError(
        f"loss={loss!r}: pass the loss that the network is trained with, or its name, such as "
        "'CrossEntropyLoss' or 'categorical_crossentropy'."
    )


def snake(name: str) -> str:
    """Return a name in lower case with underscores: ``BCELoss`` is ``bce_loss``."""
    parted = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name)
    return parted.lower()
