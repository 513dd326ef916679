"""A small convolutional network that was trained on scikit-learn's digits, and its survey."""

from __future__ import annotations

import copy
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np

import layerscope
from layerscope.recordings.survey.survey import Survey


@cache
def digit_survey(network: Any = None) -> Survey:
    """The survey of the 1,797 digits by a network, or the one trained to tell them apart."""
    images, target = _digits()
    labels = [f"digit {number}" for number in target]
    return layerscope.survey(network or digit_network(), images, labels=labels, progress=False)


@cache
def digit_network() -> Any:
    """The network of ``digit_survey``."""
    return trained(*_digits())


@cache
def network_of_shuffled_weights(seed: int = 0) -> Any:
    """The network of ``digit_survey``, the weights of its first layer in another order."""
    import torch

    network = copy.deepcopy(digit_network())
    weights = network.conv.weight.detach().numpy()
    moved = np.random.RandomState(seed).permutation(weights.ravel()).reshape(weights.shape)
    with torch.no_grad():
        network.conv.weight.copy_(torch.from_numpy(moved))
    return network


def _digits() -> tuple[Any, Any]:
    from sklearn.datasets import load_digits

    digits = load_digits()
    return (digits.images / 16).astype(np.float32)[:, None], digits.target


def trained(images: Any, target: Any, epochs: int = 6) -> Any:
    """A network trained on images, ``(sample, 1, 8, 8)``."""
    import torch
    from torch import nn

    torch.manual_seed(0)
    network = nn.Sequential()
    network.add_module("conv", nn.Conv2d(1, 16, 3))
    network.add_module("relu", nn.ReLU())
    network.add_module("conv_1", nn.Conv2d(16, 24, 3))
    network.add_module("relu_1", nn.ReLU())
    network.add_module("flatten", nn.Flatten())
    network.add_module("dense", nn.Linear(24 * 16, 10))
    x, y = torch.tensor(images), torch.tensor(target)
    optimizer = torch.optim.Adam(network.parameters(), 1e-2)
    generator = torch.Generator().manual_seed(0)
    for _ in range(epochs):
        for batch in torch.randperm(len(x), generator=generator).split(64):
            optimizer.zero_grad()
            nn.functional.cross_entropy(network(x[batch]), y[batch]).backward()
            optimizer.step()
    return network.eval()


def shuffled(survey: Survey) -> Survey:
    """The survey with the pictures of its samples dealt out anew: what is seen tells nothing."""
    numbers = sorted(survey.samples)
    dealt = np.random.RandomState(0).permutation(numbers).tolist()
    samples = {
        number: replace(survey.samples[number], inputs=survey.samples[other].inputs)
        for number, other in zip(numbers, dealt, strict=True)
    }
    return _survey_like(survey, survey.tallies, samples)


def of_layers(survey: Survey, *layers: str) -> Survey:
    """The survey of some of its layers."""
    return _survey_like(survey, {layer: survey.tallies[layer] for layer in layers}, survey.samples)


def _survey_like(survey: Survey, tallies: Any, samples: Any) -> Survey:
    return Survey(
        tallies,
        network=survey.network,
        ranges=survey.ranges,
        samples=samples,
        labels=survey.labels,
        top=survey.top,
        reading=survey.reading,
    )
