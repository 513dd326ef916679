"""``defaults``: what pictures look like where no argument says so, for a session or a block."""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass, fields, replace
from types import TracebackType
from typing import Any

from layerscope.views.render import colour_scale
from layerscope.views.render.palette import table


@dataclass(frozen=True, slots=True)
class Look:
    """What was chosen; None leaves it to each picture."""

    ground: str | None = None
    palette: str | None = None
    scale: colour_scale.Scaling | None = None


_current: ContextVar[Look] = ContextVar("layerscope_defaults", default=Look())  # noqa: B039


class Defaults:
    """The defaults that a call of :func:`defaults` has set; a ``with`` puts back those before."""

    def __init__(self, look: Look) -> None:
        self._before = _current.get()
        self._look = look
        _current.set(look)

    def __enter__(self) -> Defaults:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        _current.set(self._before)

    def __repr__(self) -> str:
        chosen = {field.name: getattr(self._look, field.name) for field in fields(Look)}
        words = ", ".join(
            f"{name}={value!r}" for name, value in chosen.items() if value is not None
        )
        return f"<layerscope.defaults: {words or 'those of each picture'}>"


def defaults(
    *,
    ground: str | None = None,
    palette: str | None = None,
    scale: colour_scale.Scaling | None = None,
) -> Defaults:
    """Set how pictures are drawn where no argument says so: from here on, or within a ``with``.

    What is left out stays as it was; ``defaults()`` puts all back to what each picture has by
    itself. Other threads, and tasks that run already, keep theirs.

    Parameters
    ----------
    ground
        ``"dark"`` or ``"light"``.
    palette
        Of maps and weights; images made for units, and weights drawn about zero by default, keep
        their own.
    scale
        As in :func:`layerscope.sheet`; images made for units keep their own.

    Raises
    ------
    ViewError
        When there is no such ground, palette or scaling.
    """
    chosen: dict[str, Any] = {"ground": ground, "palette": palette, "scale": scale}
    chosen = {name: value for name, value in chosen.items() if value is not None}
    if "scale" in chosen:
        chosen["scale"] = colour_scale.check(scale)
    look = replace(_current.get(), **chosen) if chosen else Look()
    table(look.palette or "viridis", look.ground or "dark")  # says what is wrong
    return Defaults(look)


def ground_or(ground: str | None, otherwise: str = "dark") -> str:
    """Return the ground that was passed, or the default; where none was set, ``otherwise``."""
    return ground if ground is not None else _current.get().ground or otherwise


def palette_or(name: str | None, *, signed: bool = False, images: bool = False) -> str:
    """Return the palette that was passed, or the default: of weights of both signs zero is plain.

    ``images``: what is drawn are pictures, as the network receives them.
    """
    if name is not None:
        return name
    if images:
        return "gray"
    return "diverging" if signed else _current.get().palette or "viridis"


def scale_or(scale: Any, otherwise: str = "layer") -> Any:
    """Return the scaling that was passed, or the default, where a picture has none of its own."""
    if scale is not None:
        return scale
    return (_current.get().scale if otherwise == "layer" else None) or otherwise
