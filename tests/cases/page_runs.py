"""A training written down: a convolution whose channels wake, fall silent, or never fire.

No weight is learnt: at each step the kernels are numbers times the step, and biases say who fires.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

import layerscope
from cases.page_models import digit_images, numbers

CHANNELS, STEPS = 6, 6
WAKES, FALLS, NEVER = 1, 2, 3  #: channels
WOKE, FELL = 2, 3  #: the steps at which they do
SAMPLES = 3


def network() -> Any:
    """A convolution with a ReLU, and a softmax of three classes, on PyTorch."""
    from torch import nn

    model = nn.Sequential()
    model.add_module("conv", nn.Conv2d(1, CHANNELS, 5, stride=2))
    model.add_module("relu", nn.ReLU())
    model.add_module("flat", nn.Flatten())
    model.add_module("dense", nn.Linear(CHANNELS * 12 * 12, 3))
    model.add_module("softmax", nn.Softmax(1))
    return model.eval()


def set_step(model: Any, step: int) -> None:
    """Give a network the weights that it has at a step."""
    import torch

    bias = np.zeros(CHANNELS, np.float32)
    silent = {NEVER: True, WAKES: step < WOKE, FALLS: step >= FELL}
    bias[[channel for channel, off in silent.items() if off]] = -1000
    with torch.no_grad():
        model.conv.weight.copy_(torch.from_numpy(numbers(1, CHANNELS, 1, 5, 5) * (step + 1) / 9))
        model.conv.bias.copy_(torch.from_numpy(bias))
        model.dense.weight.copy_(torch.from_numpy(numbers(2, 3, CHANNELS * 144) * (step + 1) / 30))
        model.dense.bias.zero_()


def images() -> np.ndarray:
    """What the network is shown, as PyTorch has it."""
    return digit_images(SAMPLES).transpose(0, 3, 1, 2)


class Training:
    """A recording that is being written, a step at a time."""

    def __init__(self, path: Path, steps: int = STEPS, most: int = 12) -> None:
        self.model = network()
        set_step(self.model, 0)
        self.recorder = layerscope.Recorder(
            path, self.model, probe=images(), steps=most, every="epoch", dtype="float32", quiet=True
        )
        self.steps = 0
        self.go_on(steps)

    def go_on(self, until: int) -> None:
        """Write on until there are so many steps, and they can be read."""
        for step in range(self.steps, until):
            set_step(self.model, step)
            self.recorder.snap(step, loss=5 - step, val_loss=abs(step - 3) + 1)
        self.steps = until
        self.recorder.flush()

    def close(self) -> None:
        """End the recording."""
        self.recorder.close()


def ended(path: str | Path) -> Any:
    """Return the run of a training that has ended, recorded there."""
    Training(Path(path)).close()
    return layerscope.open_recording(path)
