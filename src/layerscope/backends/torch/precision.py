"""In how many digits a module computes, where its values do not show it."""

from __future__ import annotations

import torch
from torch import nn

#: One rounding of TF32, in which GPUs multiply float32 since Ampere: it has 10 bits.
_TF32, _AMPERE = 2.0**-10, 8


def hidden_rounding(module: nn.Module) -> float:
    """Return one rounding of TF32 where the module multiplies in it; 0 where values tell all."""
    allowed = torch.backends.cudnn.allow_tf32 or torch.get_float32_matmul_precision() != "highest"
    if not allowed:
        return 0.0
    devices = {p.device for p in module.parameters() if p.is_cuda and p.dtype == torch.float32}
    ampere = any(torch.cuda.get_device_capability(device)[0] >= _AMPERE for device in devices)
    return _TF32 if ampere else 0.0
