"""How the samples of a survey became input, so that those that are files can be read again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from layerscope.core.network import InputSpec


@dataclass(frozen=True, slots=True)
class InputReading:
    """What a model expects at its inputs, and how images were brought to that."""

    specs: tuple[InputSpec, ...] = ()
    axes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  #: of the inputs, by name
    input_range: tuple[float, float] | str = (0, 1)
    resize: str = "stretch"
    size: tuple[int, int] | None = None
    preprocess: str | None = None  #: the name of the function, ``package.module:function``
    function: Callable[[Any], Any] | None = None  #: itself, where the survey was made just now

    @property
    def is_preprocessed(self) -> bool:
        """Whether pixels went through a function of the user's."""
        return self.preprocess is not None or self.function is not None

    def named(self, name: str) -> InputSpec | None:
        """Return what is known of an input."""
        return next((spec for spec in self.specs if spec.name == name), None)

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON has it; a function is its name."""
        return {
            "specs": [asdict(spec) for spec in self.specs],
            "axes": {name: list(axes) for name, axes in self.axes.items()},
            "input_range": self.input_range,
            "resize": self.resize,
            "size": self.size,
            "preprocess": self.preprocess,
        }

    @classmethod
    def from_json(cls, written: Mapping[str, Any]) -> InputReading:
        """Read what ``to_json`` returned."""
        return cls(
            tuple(_spec(spec) for spec in written["specs"]),
            {name: tuple(axes) for name, axes in written["axes"].items()},
            _pair(written["input_range"]),
            written["resize"],
            _pair(written["size"]),
            written["preprocess"],
        )


def _pair(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _spec(written: Mapping[str, Any]) -> InputSpec:
    return InputSpec(**{name: _pair(value) for name, value in written.items()})


def name_of(function: Any) -> str | None:
    """Return the name by which a function can be imported again; None where it has none."""
    if function is None or isinstance(function, str):
        return function
    module, name = getattr(function, "__module__", None), getattr(function, "__qualname__", "<")
    return None if not module or module == "__main__" or "<" in name else f"{module}:{name}"
