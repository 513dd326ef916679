"""Whether weights are as an initializer draws them, and a network has not been trained at all."""

from __future__ import annotations

import numpy as np

from layerscope.core.layer_kinds import NORMS
from layerscope.core.network import Layer
from layerscope.instruments.examination.evidence import Evidence

_ENOUGH = 64  #: values of a kernel: of fewer the distribution can't be told


def is_untrained(evidence: Evidence) -> bool:
    """Return whether all kernels are as initializers draw them, and nothing tells of a training."""
    if evidence.run is not None:
        return False
    kernels = [
        layer
        for layer in evidence.network
        if layer.kind not in NORMS
        and any(len(p.shape) >= 2 and p.size >= _ENOUGH for p in layer.parameters)
    ]
    return bool(kernels) and all(looks_fresh(evidence, layer) for layer in kernels)


def looks_fresh(evidence: Evidence, layer: Layer) -> bool:
    """Return whether a layer's kernel is spread as initializers draw: up to a sharp limit."""
    kernel = evidence.kernel(layer)
    if kernel is None or kernel.values.size < _ENOUGH:
        return False
    values = kernel.values.astype(np.float64).ravel()
    spread = values.std()
    if spread == 0 or abs(values.mean()) > 0.2 * spread:
        return False
    kurtosis = float(np.mean((values - values.mean()) ** 4) / spread**4)
    largest = float(np.abs(values).max() / spread)
    is_even = abs(kurtosis - 1.8) < 0.25 and 1.6 < largest < 1.85  # uniform: 1.8 and √3
    is_cut_normal = abs(kurtosis - 2.36) < 0.25 and 2.0 < largest < 2.35  # normal cut at 2 σ
    return is_even or is_cut_normal
