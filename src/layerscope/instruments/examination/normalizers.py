"""What the batch normalization of a network has learned of the data."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from layerscope.core.network import Layer
from layerscope.instruments.examination.evidence import Evidence

Array = npt.NDArray[Any]

#: What is said of values that its batch normalization has yet to scale.
NOT_YET = (
    "Its batch normalization has seen no batch yet and scales nothing, so this is no fault: "
    "examine it after some steps of training."
)


def normalizers(evidence: Evidence) -> list[Layer]:
    """Return the layers that normalize by the statistics of batches."""
    return [layer for layer in evidence.network if layer.kind == "batch_norm"]


def has_seen_no_batch(evidence: Evidence) -> bool:
    """Return whether no normalization has seen a batch yet, and nothing tells of a training."""
    if evidence.run is not None:
        return False
    known = [of for each in normalizers(evidence) if (of := learned_statistics(evidence, each))]
    return bool(known) and all((mean == 0).all() and (var == 1).all() for mean, var in known)


def learned_statistics(evidence: Evidence, layer: Layer) -> tuple[Array, Array] | None:
    """Return a normalization's running mean and variance."""
    before = {p.key.removesuffix(_last(p.key)) for p in layer.parameters}
    before |= {f"{layer.address}/", f"{layer.address}."}  # one without a scale has no parameter

    def learned(*names: str) -> Array | None:
        keys = (start + name for start in before for name in names)
        return next((evidence.weights[k].values for k in keys if k in evidence.weights), None)

    mean = learned("moving_mean", "running_mean")
    variance = learned("moving_variance", "running_var")
    if mean is None or variance is None:
        return None
    return mean.astype(np.float64), variance.astype(np.float64)


def _last(key: str) -> str:
    """Return what stands last in a parameter's key: ``gamma``, ``weight``."""
    return key.rpartition("/")[2].rpartition(".")[2]
