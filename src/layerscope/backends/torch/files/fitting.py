"""Weights of PyTorch, put into the architecture that they are for."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import torch
from torch import nn

from layerscope.backends.opening.imported import imported
from layerscope.core.errors import LayerscopeError, ModelError
from layerscope.core.foreign_errors import error_text

State = dict[str, torch.Tensor]

#: What wraps a module puts its own name before the names of the parameters.
_WRAPPERS = {"module.": "DataParallel", "_orig_mod.": "torch.compile"}


def fitted(architecture: Any, state: State, path: Path) -> tuple[nn.Module, list[str]]:
    """Return the architecture with these weights, and what had to be done to them.

    ``architecture`` is a module, what makes one, or its name. Raises ModelError when it is none, or
    when the weights don't fit; a module that was passed is then as it was.
    """
    model, is_theirs = _architecture(architecture)
    state, repairs = _unwrapped(state, model)
    return model, repairs + _loaded(model, state, path, keep=is_theirs)


def few(names: Iterable[Any], count: int = 3) -> str:
    """Return the first of the names, and how many more there are."""
    names = [str(name) for name in names]
    more = f" and {len(names) - count} more" if len(names) > count else ""
    return ", ".join(names[:count]) + more


def _architecture(given: Any) -> tuple[nn.Module, bool]:
    """Return the model that the weights are for, and whether the user has it in hand already."""
    if isinstance(given, nn.Module):
        return given, True
    if isinstance(given, str):
        if ":" not in given:
            raise ModelError(
                f"architecture {given!r}: write package.module:Class(args), the module's class."
            )
        model: Any = imported(given)
        what = given
    elif callable(given):
        what = getattr(given, "__name__", "architecture")
        model = _called(given, what)
    else:
        raise ModelError(
            f"architecture is a {type(given).__name__}: pass a torch.nn.Module, its class, or "
            "'package.module:Class(args)'."
        )
    if not isinstance(model, nn.Module):
        raise ModelError(f"{what} gives a {type(model).__name__}, no torch.nn.Module.")
    return model, False


def _called(make: Callable[[], Any], what: str) -> Any:
    try:
        inspect.signature(make).bind()
    except TypeError as error:
        raise ModelError(
            f"{what} can't be called without arguments: {error}; pass a module, or "
            "'package.module:Class(args)'."
        ) from error
    except ValueError:  # no signature to be had
        pass
    try:
        return make()
    except LayerscopeError:
        raise
    # Somebody else's code, which may raise anything.
    except Exception as error:
        raise ModelError(f"{what} raised {error_text(error)}.") from error


def _loaded(model: nn.Module, state: State, path: Path, *, keep: bool) -> list[str]:
    """Put the weights into the model; all of them, or none where it is to be kept."""
    expected = dict(model.state_dict())  # shares memory with the model
    before = {k: v.clone() for k, v in expected.items() if _is_array(v)} if keep else {}
    if not all(_is_array(v) for v in expected.values()) and expected.keys() != state.keys():
        raise ModelError(_misfit(model, expected, state, path))  # lazy ones could not be put back
    types = {str(v.dtype) for v in state.values() if v.is_floating_point()}
    # Loading into a model without memory would come to nothing.
    assign = any(_is_array(v) and v.is_meta for v in expected.values())
    try:
        model.load_state_dict(state, strict=True, assign=assign)
    # Modules may have code of their own for this.
    except Exception as error:
        with torch.no_grad():
            for name, value in before.items():
                expected[name].copy_(value)
        raise ModelError(_misfit(model, expected, state, path, error)) from error
    now = {
        str(v.dtype) for v in model.state_dict().values() if _is_array(v) and v.is_floating_point()
    }
    if types - now and now:
        was, became = (", ".join(sorted(t)).replace("torch.", "") for t in (types - now, now))
        return [f"weights of {was} became {became}, which the architecture has"]
    return []


def _misfit(
    model: nn.Module,
    expected: dict[str, Any],
    state: State,
    path: Path,
    error: Exception | None = None,
) -> str:
    """Return why the weights do not fit, in one sentence."""
    missing = [k for k in expected if k not in state]
    unexpected = [k for k in state if k not in expected]
    shapes = [
        f"{k} is {_shape(state[k])} instead of {_shape(expected[k])}"
        for k in state
        if k in expected and _is_array(expected[k]) and state[k].shape != expected[k].shape
    ]
    parts = [
        f"{few(names)} {'is' if len(names) == 1 else 'are'} {what}"
        for names, what in ((missing, "missing"), (unexpected, "not in the model"))
        if names
    ]
    if shapes:
        parts.append(few(shapes))
    if error is not None and not parts:
        parts = [error_text(error)]
    what_differs = "; ".join(parts)
    return f"The weights in {str(path)!r} don't fit {type(model).__name__}: {what_differs}."


def _is_array(value: Any) -> bool:
    return isinstance(value, torch.Tensor) and not nn.parameter.is_lazy(value)


def _shape(tensor: torch.Tensor) -> str:
    return "×".join(map(str, tensor.shape)) or "a number"


def _unwrapped(state: State, model: nn.Module) -> tuple[State, list[str]]:
    """Return the weights by the names that they had before the module was wrapped."""
    repairs = []
    names = list(model.state_dict())
    while prefix := next((p for p in _WRAPPERS if all(name.startswith(p) for name in state)), None):
        if names and all(name.startswith(prefix) for name in names):
            break  # its only child is really called so
        state = {name.removeprefix(prefix): value for name, value in state.items()}
        wrapper = _WRAPPERS[prefix]
        repairs.append(f"{prefix!r} was taken off the names, which {wrapper} had put there")
    return state, repairs
