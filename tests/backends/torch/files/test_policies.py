"""The policies in models of stable-baselines3, whose files are written here as it writes them."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")

import torch
from torch import nn

import layerscope as ls
from layerscope.backends.opening import load_model
from layerscope.backends.origin import origin_of
from layerscope.core.errors import ModelError


def weights(**shapes: tuple[int, int]) -> dict[str, torch.Tensor]:
    """Return a weight and a bias for each layer: how much comes out, and how much goes in."""
    torch.manual_seed(0)
    state = {}
    for name, (out, into) in shapes.items():
        state[f"{name}.weight"], state[f"{name}.bias"] = torch.randn(out, into), torch.randn(out)
    return state


def zipped(path: Path, state: Any, **settings: Any) -> Path:
    held = io.BytesIO()
    torch.save(state, held)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("data", json.dumps(settings))
        archive.writestr("policy.pth", held.getvalue())
        archive.writestr("policy.optimizer.pth", b"of no interest")
        archive.writestr("_stable_baselines3_version", "2.9.2")
    return path


ACTOR_CRITIC = {
    "mlp_extractor.policy_net.0": (5, 4), "mlp_extractor.policy_net.2": (3, 5),
    "mlp_extractor.value_net.0": (6, 4), "action_net": (2, 3), "value_net": (1, 6),
}  # fmt: skip


def dense(state: dict[str, torch.Tensor], name: str, x: torch.Tensor) -> torch.Tensor:
    return nn.functional.linear(x, state[f"{name}.weight"], state[f"{name}.bias"])


@pytest.mark.parametrize(
    ("settings", "function"),
    [
        ({"policy_kwargs": {}}, torch.tanh),
        ({"policy_kwargs": {
            ":serialized:": "", "activation_fn":
            "<class 'torch.nn.modules.activation.ReLU'>"}}, torch.relu),
    ],
    ids=["as usual", "told"],
)  # fmt: skip
def test_an_actor_and_its_critic(tmp_path: Path, settings: Any, function: Any) -> None:
    state = weights(**ACTOR_CRITIC)
    model = load_model(zipped(tmp_path / "ppo.zip", state, **settings))
    x = torch.randn(3, 4)
    hidden = x
    for name in ("0", "2"):
        hidden = function(dense(state, f"mlp_extractor.policy_net.{name}", hidden))
    values = ls.activations(model, x.numpy())
    expected = dense(state, "action_net", hidden)
    np.testing.assert_allclose(values["action_net"].values, expected, rtol=1e-5, atol=1e-6)
    worth = dense(state, "value_net", function(dense(state, "mlp_extractor.value_net.0", x)))
    np.testing.assert_allclose(values["value_net"].values, worth, rtol=1e-5, atol=1e-6)
    assert str(origin_of(model)).startswith(
        f"Opened from {tmp_path / 'ppo.zip'} (reinforcement learning, written by "
        "stable-baselines3 2.9.2)"
    )


def test_a_q_network_without_its_target(tmp_path: Path) -> None:
    names = ("q_net.q_net.0", "q_net.q_net.2", "q_net_target.q_net.0", "q_net_target.q_net.2")
    state = weights(**dict(zip(names, [(5, 4), (2, 5)] * 2, strict=True)))
    model = load_model(zipped(tmp_path / "dqn.zip", state, policy_kwargs={}))
    x = torch.randn(3, 4)
    expected = dense(state, names[1], torch.relu(dense(state, names[0], x)))
    np.testing.assert_allclose(model(x).detach(), expected, rtol=1e-5, atol=1e-6)
    assert "left out, because only training needs it: q_net_target" in str(origin_of(model))


@pytest.mark.parametrize("kind", ["sac", "td3"])
def test_an_actor_alone(tmp_path: Path, kind: str) -> None:
    ends = {"actor.mu": (2, 5), "actor.log_std": (2, 5)}
    first, last = "actor.latent_pi.0", "actor.mu"
    if kind == "td3":
        first, last, ends = "actor.mu.0", "actor.mu.2", {"actor.mu.2": (2, 5)}
    state = weights(**{first: (5, 4), **ends, "critic.qf0.0": (1, 6)})
    model = load_model(zipped(tmp_path / "model.zip", state, policy_kwargs={}))
    x = torch.randn(3, 4)
    expected = torch.tanh(dense(state, last, torch.relu(dense(state, first, x))))
    np.testing.assert_allclose(model(x).detach(), expected, rtol=1e-5, atol=1e-6)


def test_an_actor_whose_exploration_depends_on_the_state(tmp_path: Path) -> None:
    state = weights(**{"actor.latent_pi.0": (5, 4), "actor.mu.0": (2, 5)})
    state["actor.log_std"] = torch.ones(5, 2)
    model = load_model(zipped(tmp_path / "sac.zip", state, policy_kwargs={"clip_mean": 2.0}))
    x = 10 * torch.randn(3, 4)
    mean = dense(state, "actor.mu.0", torch.relu(dense(state, "actor.latent_pi.0", x)))
    assert mean.abs().max() > 2
    expected = torch.tanh(mean.clip(-2, 2))
    np.testing.assert_allclose(model(x).detach(), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    "change",
    [
        lambda state, _: state.update({"features_extractor.cnn.0.weight": torch.ones(4, 1, 3, 3)}),
        lambda _, settings: settings.update(activation_fn="<class 'mine.Swish'>"),
        lambda state, _: state.pop("value_net.bias"),
        lambda state, _: state.update({"action_net.weight": torch.ones(2, 3, 1)}),
    ],
    ids=["of convolutions", "of a function of somebody's own", "not whole", "of other shapes"],
)
def test_other_policies_are_named_and_need_an_architecture(tmp_path: Path, change: Any) -> None:
    state, kwargs = weights(**ACTOR_CRITIC), {}
    change(state, kwargs)
    path = zipped(tmp_path / "ppo.zip", state, policy_kwargs=kwargs)
    with pytest.raises(ModelError, match=r"is a model of stable-baselines3 2\.9\.2, and its polic"):
        load_model(path)


def test_an_architecture_gets_the_weights(tmp_path: Path) -> None:
    state = weights(a=(2, 4))
    path = zipped(tmp_path / "mine.zip", state)
    model = load_model(path, architecture=lambda: nn.ModuleDict({"a": nn.Linear(4, 2)}))
    assert torch.equal(model["a"].weight, state["a.weight"])  # type: ignore[index]


def test_nothing_in_it_is_run(tmp_path: Path) -> None:
    mark = tmp_path / "ran"

    class Trap:
        def __reduce__(self) -> Any:
            return Path.touch, (mark,)

    path = zipped(tmp_path / "ppo.zip", {"a": Trap()})
    with pytest.raises(ModelError, match=r"ppo\.zip' holds more than weights"):
        load_model(path)
    assert not mark.exists()
