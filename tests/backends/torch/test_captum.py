"""Maps on native PyTorch are those of Captum, which is no dependency of layerscope."""

from __future__ import annotations

import importlib
import importlib.util
import os
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch import nn

from cases import attribution_networks as cases
from layerscope.instruments.attribution.attribute import attribute

Array = npt.NDArray[Any]

# Where CI looks at PyTorch alone, it must be there.
_NEEDED = bool(os.environ.get("CI")) and importlib.util.find_spec("keras") is None
captum: Any = (
    importlib.import_module("captum.attr") if _NEEDED else pytest.importorskip("captum.attr")
)

#: Captum's own warnings, about hooks, and gradients that it asks for.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:captum")

TARGETS = [1, 3, 0]


@pytest.fixture(scope="module")
def network() -> nn.Module:
    model: nn.Module = cases.torch_network()
    return model


def given() -> torch.Tensor:
    return torch.from_numpy(cases.samples().transpose(0, 3, 1, 2).copy())


def last(value: torch.Tensor) -> Array:
    """Return maps with channels last, as they are presented."""
    return np.asarray(value.detach().numpy().transpose(0, 2, 3, 1))


def agree(made: Array, known: Array) -> None:
    np.testing.assert_allclose(made, known, atol=1e-4 * np.abs(known).max())


CAPTUM: dict[str, Callable[[nn.Module, torch.Tensor, torch.Tensor], torch.Tensor]] = {
    "saliency": lambda m, x, t: captum.Saliency(m).attribute(x, t, abs=False),
    "input_x_gradient": lambda m, x, t: captum.InputXGradient(m).attribute(x, t),
    "integrated_gradients": lambda m, x, t: captum.IntegratedGradients(m).attribute(
        x, target=t, n_steps=40
    ),
    "guided_backpropagation": lambda m, x, t: captum.GuidedBackprop(m).attribute(x, t),
    "deeplift": lambda m, x, t: captum.DeepLift(m).attribute(x, target=t),
}
OPTIONS: dict[str, dict[str, Any]] = {"integrated_gradients": {"steps": 40}}


@pytest.mark.parametrize("method", CAPTUM)
def test_maps_are_those_of_captum(network: nn.Module, method: str) -> None:
    x = given().requires_grad_()
    known = last(CAPTUM[method](network, x, torch.tensor(TARGETS)))
    made = attribute(network, given(), TARGETS, method, **OPTIONS.get(method, {}))
    agree(made.named(method).values, known)
    assert made.gaps.get("deeplift", np.zeros(1)).max() < 1e-3


def test_deeplift_takes_a_baseline(network: nn.Module) -> None:
    baseline = torch.full((1, 2, 12, 12), 0.3)
    x, t = given(), torch.tensor(TARGETS)
    known = captum.DeepLift(network).attribute(x, baseline.expand_as(x), t)
    made = attribute(network, x, TARGETS, "deeplift", baseline=0.3)
    agree(made.named("deeplift").values, last(known))


def test_smoothgrad_with_given_noise_is_captums(network: nn.Module) -> None:
    noise = 0.2 * torch.randn(4, *given().shape, generator=torch.manual_seed(1))
    saliency, t = captum.Saliency(network), torch.tensor(TARGETS)
    parts = [saliency.attribute((given() + n).requires_grad_(), t, abs=False) for n in noise]
    own = noise.numpy().transpose(0, 1, 3, 4, 2)
    made = attribute(network, given(), TARGETS, ["smoothgrad", "vargrad"], noise=own)
    agree(made.named("smoothgrad").values, last(torch.stack(parts).mean(0)))
    agree(made.named("vargrad").values, last(torch.stack(parts).var(0, correction=0)))


def test_grad_cam_is_captums_with_the_relu_of_the_paper(network: nn.Module) -> None:
    cam = captum.LayerGradCam(network, network.get_submodule("r2"))
    known = cam.attribute(given(), torch.tensor(TARGETS), relu_attributions=True)
    made = attribute(network, given(), TARGETS, "grad_cam", layer="r2")
    agree(made.named("grad_cam@layer").values, known[:, 0].detach().numpy())
    wide = captum.LayerAttribution.interpolate(known, (12, 12), "bilinear")
    agree(made.named("grad_cam").values, wide[:, 0].detach().numpy())


def test_occlusion_is_captums(network: nn.Module) -> None:
    t = torch.tensor(TARGETS)
    known = captum.Occlusion(network).attribute(
        given(), (2, 4, 5), (2, 3, 2), target=t, baselines=0.1
    )
    made = attribute(
        network, given(), TARGETS, "occlusion", window=(4, 5), stride=(3, 2), baseline=0.1
    )
    agree(made.named("occlusion").values, known[:, 0].detach().numpy())


def test_deeplift_through_a_pool_behind_a_relu_is_captums_where_that_sums_up() -> None:
    torch.manual_seed(1)
    model = nn.Sequential(nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(18, 3)).eval()
    x, t = torch.randn(2, 2, 6, 6), torch.tensor([0, 2])
    known, delta = captum.DeepLift(model).attribute(
        x, torch.full_like(x, -1.0), target=t, return_convergence_delta=True
    )
    assert delta.abs().max() < 1e-5
    made = attribute(model, x, [0, 2], "deeplift", baseline=-1.0)
    agree(made.named("deeplift").values, last(known))
