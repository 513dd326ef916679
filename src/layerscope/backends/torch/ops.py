"""What ``keras.ops`` calls the functions that attribution uses, of PyTorch's tensors.

Attribution needs no Keras where it is not installed; features do, for much else.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from layerscope.backends.availability import needs


class TorchOps:
    """Some of ``keras.ops``, without Keras."""

    abs = staticmethod(torch.abs)
    exp = staticmethod(torch.exp)
    matmul = staticmethod(torch.matmul)
    reshape = staticmethod(torch.reshape)
    sigmoid = staticmethod(torch.sigmoid)
    sqrt = staticmethod(torch.sqrt)
    square = staticmethod(torch.square)

    def __getattr__(self, name: str) -> Any:
        needs("keras", "features")  # raises, and says how it is installed
        raise AttributeError(name)

    @staticmethod
    def arange(stop: int) -> torch.Tensor:
        """Return whole numbers from 0 up to ``stop``."""
        return torch.arange(stop)

    @staticmethod
    def cast(x: Any, dtype: str) -> torch.Tensor:
        """Return x as another type."""
        cast: torch.Tensor = x.to(getattr(torch, dtype))
        return cast

    @staticmethod
    def concatenate(xs: Any, axis: int = -1) -> torch.Tensor:
        """Return tensors side by side."""
        return torch.cat(list(xs), dim=axis)

    @staticmethod
    def convert_to_numpy(x: Any) -> npt.NDArray[Any]:
        """Return x as an array of NumPy."""
        return np.asarray(x.detach().cpu() if isinstance(x, torch.Tensor) else x)

    @staticmethod
    def convert_to_tensor(x: Any) -> torch.Tensor:
        """Return x as a tensor."""
        return torch.as_tensor(x)

    @staticmethod
    def einsum(equation: str, *operands: Any) -> torch.Tensor:
        """Return what the equation says."""
        result: torch.Tensor = torch.einsum(equation, *(one.float() for one in operands))
        return result

    @staticmethod
    def maximum(x: torch.Tensor, y: Any) -> torch.Tensor:
        """Return the larger of both."""
        return torch.maximum(x, torch.as_tensor(y, dtype=x.dtype, device=x.device))

    @staticmethod
    def mean(x: torch.Tensor, axis: Any = None) -> torch.Tensor:
        """Return the mean along axes."""
        return torch.mean(x, dim=axis)

    @staticmethod
    def softmax(x: torch.Tensor, axis: int = -1) -> torch.Tensor:
        """Return the softmax along an axis."""
        return torch.softmax(x, dim=axis)

    @staticmethod
    def split(x: torch.Tensor, sections: int, axis: int = 0) -> tuple[torch.Tensor, ...]:
        """Return so many equal parts."""
        return torch.chunk(x, sections, dim=axis)

    @staticmethod
    def sum(x: torch.Tensor, axis: Any = None) -> torch.Tensor:
        """Return the sum along axes."""
        return torch.sum(x, dim=axis)

    @staticmethod
    def transpose(x: torch.Tensor, axes: Any) -> torch.Tensor:
        """Return x with its axes in this order."""
        return x.permute(tuple(axes))

    @staticmethod
    def where(condition: torch.Tensor, x: Any, y: Any) -> torch.Tensor:
        """Return x where the condition holds, else y."""
        return torch.where(condition, x, y)
