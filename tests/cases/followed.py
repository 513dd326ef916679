"""Networks written down as operations, held to what their framework computes."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

import layerscope as ls
from layerscope.instruments.portable import TOLERANCE, PortableProgram, portable


def values(*shape: int, seed: int = 0) -> npt.NDArray[np.float32]:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def followed(model: Any, x: npt.NDArray[Any]) -> PortableProgram:
    """The program of a model, every layer of which is equal to the framework's on other inputs."""
    program = portable(model, x)
    other = np.random.default_rng(1).normal(size=x.shape).astype(np.float32)
    recording = ls.activations(model, other)
    computed = program.run(np.asarray(recording.input))
    assert set(program.layers) == set(recording)
    for address in recording:
        expected = np.asarray(recording[address])
        spread = max(expected.max(), 0) - min(expected.min(), 0)
        np.testing.assert_allclose(
            computed[address], expected, rtol=0, atol=TOLERANCE * spread, err_msg=address
        )
    return program
