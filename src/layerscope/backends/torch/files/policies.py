"""The policy in a model that stable-baselines3 saved: weights, and what is known of their layers.

::

    model.zip ──► policy.pth ──► weights ──► the architecture that was given
                                          └─► linear layers and activations, where these are all
                  data (JSON) ──► which activation stands between them; nothing in it is unpickled
"""

from __future__ import annotations

import json
import re
import tempfile
import zipfile
import zlib
from collections.abc import Mapping
from itertools import count
from pathlib import Path
from typing import Any

import torch
from torch import nn

from layerscope.backends.opening.files import Request
from layerscope.backends.origin import remember
from layerscope.backends.torch.files.fitting import State, few, fitted
from layerscope.backends.torch.files.state import read, weights
from layerscope.core.errors import ModelError
from layerscope.core.foreign_errors import first_sentence
from layerscope.core.network import Origin

_POLICY = "policy.pth"
#: The settings of a model are text: a replay buffer is not among them.
_LONGEST = 50_000_000
#: How far the mean of an action may go before its tanh, where exploration depends on the state.
_CLIPPED = 2.0
#: What may stand between the layers of a policy, by the class's name.
_ACTIVATIONS: Mapping[str, type[nn.Module]] = {
    one.__name__: one
    for one in (nn.Tanh, nn.ReLU, nn.ELU, nn.LeakyReLU, nn.SiLU, nn.GELU, nn.Sigmoid, nn.Softplus,
                nn.Identity)
}  # fmt: skip


class _Extractor(nn.Module):
    """What the policy and the value of an actor and its critic are computed from."""

    def __init__(self, state: State, activation: type[nn.Module]) -> None:
        super().__init__()
        prefix = "mlp_extractor"
        self.policy_net = nn.Sequential(*_stack(state, f"{prefix}.policy_net", activation))
        self.value_net = nn.Sequential(*_stack(state, f"{prefix}.value_net", activation))

    def forward(self, observation: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return self.policy_net(observation), self.value_net(observation)


class ActorCritic(nn.Module):
    """The policy of PPO and A2C: what it would do, and what it thinks the situation is worth."""

    def __init__(self, state: State, activation: type[nn.Module]) -> None:
        super().__init__()
        self.mlp_extractor = _Extractor(state, activation)
        self.action_net = _linear(state, "action_net")
        self.value_net = _linear(state, "value_net")
        if "log_std" in state:
            self.log_std = nn.Parameter(torch.zeros_like(state["log_std"]))

    def forward(self, observation: torch.Tensor) -> dict[str, torch.Tensor]:
        """Return the action's logits, or its mean, and the value."""
        action, value = self.mlp_extractor(observation.flatten(1))
        return {"action": self.action_net(action), "value": self.value_net(value)}


class _Worth(nn.Module):
    def __init__(self, layers: list[nn.Module]) -> None:
        super().__init__()
        self.q_net = nn.Sequential(*layers)

    def forward(self, observation: torch.Tensor) -> Any:
        return self.q_net(observation)


class QNetwork(nn.Module):
    """The policy of DQN: what each action is worth."""

    def __init__(self, state: State, activation: type[nn.Module]) -> None:
        super().__init__()
        self.q_net = _Worth(_stack(state, "q_net.q_net", activation)[:-1])

    def forward(self, observation: torch.Tensor) -> Any:
        """Return the worth of each action."""
        return self.q_net(observation.flatten(1))


class _Means(nn.Module):
    def __init__(self, state: State, activation: type[nn.Module]) -> None:
        super().__init__()
        self.latent_pi = nn.Sequential(*_stack(state, "actor.latent_pi", activation))
        self.mu: nn.Module
        if "actor.mu.weight" in state:
            self.mu, self.log_std = _linear(state, "actor.mu"), _linear(state, "actor.log_std")
            return
        layers = _stack(state, "actor.mu", activation)[:-1]
        if "actor.log_std" in state:  # exploration that depends on the state, within bounds
            self.register_parameter(
                "log_std", nn.Parameter(torch.zeros_like(state["actor.log_std"]))
            )
            layers.append(nn.Hardtanh(-_CLIPPED, _CLIPPED))
        self.mu = nn.Sequential(*layers)

    def forward(self, observation: torch.Tensor) -> Any:
        return self.mu(self.latent_pi(observation))


class Actor(nn.Module):
    """The policy of SAC, TD3 and DDPG: what it would do, each part between -1 and 1."""

    def __init__(self, state: State, activation: type[nn.Module]) -> None:
        super().__init__()
        self.actor = _Means(state, activation)

    def forward(self, observation: torch.Tensor) -> torch.Tensor:
        """Return the action that it is surest of."""
        return torch.tanh(self.actor(observation.flatten(1)))


#: By what the names of their weights begin with: the class, the activation that it has unless told
#: otherwise, and which weights it is made of.
_POLICIES: tuple[tuple[str, type[nn.Module], str, str], ...] = (
    ("mlp_extractor.", ActorCritic, "Tanh", ""),
    ("q_net.q_net.", QNetwork, "ReLU", "q_net."),
    ("actor.", Actor, "ReLU", "actor."),
)


def open_policy(request: Request) -> Any:
    """Return the policy of a model of stable-baselines3: its weights, in the architecture given.

    Without one, a policy of linear layers is put together from the weights.

    Raises ModelError when the file is damaged, or the policy is of other layers and no architecture
    was given.
    """
    path = request.path
    state, settings, version = _contents(request)
    repairs = [f"the policy was taken from {_POLICY!r} in it"]
    if request.architecture is not None:
        model, fitting = fitted(request.architecture, state, path)
        repairs += fitting
    else:
        model, rebuilt = _rebuilt(state, settings, path, version)
        repairs += rebuilt
    writer = f"stable-baselines3 {version}".strip()
    return remember(model, Origin(str(path), "reinforcement learning", writer, tuple(repairs)))


def _contents(request: Request) -> tuple[State, Mapping[str, Any], str]:
    """Return the policy's weights, the settings beside them, and who wrote them."""
    path = request.path
    try:
        with tempfile.TemporaryDirectory(prefix="layerscope-") as folder:
            with zipfile.ZipFile(path) as archive:
                settings = _settings(archive, path)
                version = _version(archive)
                extracted = Path(archive.extract(_POLICY, folder))
            held = read(extracted, request.trust, path)
    except (zipfile.BadZipFile, zlib.error, OSError, EOFError, ValueError, NotImplementedError,
            RuntimeError) as error:  # fmt: skip
        if isinstance(error, ModelError):
            raise
        raise ModelError(f"{str(path)!r} is damaged: {first_sentence(str(error))}.") from error
    if not isinstance(held, Mapping):
        raise ModelError(
            f"{str(path)!r} is damaged: its {_POLICY} is a {type(held).__name__}, no weights."
        )
    state, _ = weights(held, path)
    return state, settings, version


def _settings(archive: zipfile.ZipFile, path: Path) -> Mapping[str, Any]:
    if archive.getinfo("data").file_size > _LONGEST:
        return {}
    try:
        settings = json.loads(archive.read("data"))
    except (ValueError, RecursionError) as error:
        raise ModelError(f"{str(path)!r} is damaged: its settings are no JSON.") from error
    return settings if isinstance(settings, dict) else {}


def _version(archive: zipfile.ZipFile) -> str:
    name = "_stable_baselines3_version"
    if name not in archive.namelist() or archive.getinfo(name).file_size > 100:
        return ""
    return archive.read(name).decode("utf-8", "replace").strip()


def _rebuilt(
    state: State, settings: Mapping[str, Any], path: Path, version: str
) -> tuple[nn.Module, list[str]]:
    """Return the policy that the weights are of, and what was done to get it."""
    for prefix, kind, usual, wanted in _POLICIES:
        if not any(name.startswith(prefix) for name in state):
            continue
        activation = _activation(settings, usual)
        part = {name: value for name, value in state.items() if name.startswith(wanted)}
        if activation is None or not all(_is_linear(name, part) for name in part):
            break
        try:
            model = kind(part, activation)
            model.load_state_dict(part, strict=True)
        # Names and shapes of a file may say anything; what they don't say, an architecture does.
        except (KeyError, IndexError, RuntimeError, ValueError):
            break
        done = [f"its layers were put together from the weights, with {activation.__name__} "
                "between them"]  # fmt: skip
        others = [name for name in state if name not in part]
        if others:
            done.append(f"left out, because only training needs it: {few(others)}")
        return model.eval(), done
    raise ModelError(
        f"{str(path)!r} is a model of stable-baselines3{f' {version}' if version else ''}, and its "
        f"policy ({_POLICY}: {few(state)}) is of a kind that is not known here: pass "
        "--architecture package.module:Class(args), a module with weights of these names."
    )


def _is_linear(name: str, state: State) -> bool:
    """Return whether a weight is one of a linear layer, as far as its shape tells."""
    owner, _, what = name.rpartition(".")
    if name in ("log_std", "actor.log_std"):
        return state[name].ndim in (1, 2)
    return state[name].ndim == {"weight": 2, "bias": 1}.get(what, -1) and f"{owner}.bias" in state


def _activation(settings: Mapping[str, Any], usual: str) -> type[nn.Module] | None:
    """Return what stands between the layers; None where the settings name what is not known."""
    given = settings.get("policy_kwargs")
    written = given.get("activation_fn") if isinstance(given, dict) else None
    if isinstance(given, dict) and given.get("clip_mean", _CLIPPED) != _CLIPPED:
        return None
    if written is None:
        return _ACTIVATIONS[usual]
    name = re.search(r"(\w+)'?>?$", str(written))
    return _ACTIVATIONS.get(name[1]) if name else None


def _stack(state: State, prefix: str, activation: type[nn.Module]) -> list[nn.Module]:
    """Return the linear layers of that name, numbered by twos, an activation after each."""
    layers: list[nn.Module] = []
    for number in count(0, 2):
        if f"{prefix}.{number}.weight" not in state:
            return layers
        layers += [_linear(state, f"{prefix}.{number}"), activation()]
    return layers


def _linear(state: State, name: str) -> nn.Linear:
    out, into = state[f"{name}.weight"].shape
    return nn.Linear(into, out)
