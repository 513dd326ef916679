"""A list of transforms put to work: drawn on the host, applied by any framework.

    generators ── draw ──► a few numbers for each image ──┐
    unit images ─────────────────────────────────────── apply ──► what the network gets

Neighbouring transforms that move pixels are composed into one affine map, and resampled once.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np
import numpy.typing as npt

from layerscope.core.errors import InputError
from layerscope.instruments.features.image import resampling
from layerscope.instruments.features.image.transforms import (
    Geometric,
    Transform,
    blur,
    noise,
    pad,
)

Array = npt.NDArray[Any]

_IDENTITY = np.eye(2, 3, dtype=np.float32)

#: What was drawn for a transform: which images it changes, and the numbers that say how.
_Drawn = tuple[Array, Array]


class Pipeline:
    """What happens to the images between their parameters and the network.

    ``size`` is that of the images, ``out`` the one that the network gets; the last thing that
    happens is that they are brought to it, antialiased where it is smaller. Raises InputError where
    there are transforms and the images have no rows and columns.

    ``apply`` depends on nothing of the pipeline but its ``structure``: what was compiled for one
    serves another of the same structure.
    """

    def __init__(
        self,
        transforms: Sequence[Transform],
        size: Sequence[int],
        out: Sequence[int] | None = None,
        channels: int = 1,
    ) -> None:
        self.channels = channels  #: in which noise is drawn; that of one serves all
        self.transforms = _checked(transforms, size)
        self.size = tuple(size)
        self.out = self.size if out is None else tuple(out)
        if len(self.size) != len(self.out) or (len(self.size) != 2 and self.size != self.out):
            raise InputError(
                f"What has the size {self.size} can't be brought to {self.out}; only images, with "
                "rows and columns, are resized."
            )
        self._stages = tuple(_stages(self.transforms))
        self._resizing = [
            resampling.resizing(*lengths) for lengths in zip(self.size, self.out, strict=True)
        ]

    @property
    def structure(self) -> Hashable:
        """What the function that `apply` is depends on, besides the number of images."""
        return self.size, self.out, tuple(stage.structure for stage in self._stages)

    def draw(self, generators: Sequence[np.random.Generator], step: int) -> dict[str, Array]:
        """Return what happens to each image in this step: float32, one row for each generator.

        Every call takes the same number of random numbers from each generator.
        """
        widths = [1 + transform.numbers for transform in self.transforms]
        numbers = np.stack([generator.random(sum(widths)) for generator in generators])
        starts = np.cumsum([0, *widths])
        drawn = [
            (transform.happens(numbers[:, start], step), numbers[:, start + 1 : end])
            for transform, start, end in zip(self.transforms, starts, starts[1:], strict=False)
        ]
        return {
            f"{number}.{name}": np.ascontiguousarray(array, dtype=np.float32)
            for number, stage in enumerate(self._stages)
            for name, array in stage.draw(drawn, step, (*self.size, self.channels)).items()
        }

    def apply(self, ops: Any, images: Any, draws: Mapping[str, Any]) -> Any:
        """Return images ``(sample, y, x, channel)`` as the network gets them; differentiable."""
        for number, stage in enumerate(self._stages):
            images = stage.apply(ops, images, draws, f"{number}.")
        if self.out == self.size:
            return images
        rows, columns = (ops.convert_to_tensor(matrix) for matrix in self._resizing)
        return resampling.resize(ops, images, rows, columns)


@dataclass(frozen=True)
class _Moves:
    """Neighbouring transforms that move pixels, by their numbers; and the last pad up to them."""

    transforms: tuple[tuple[int, Geometric], ...]
    frame: tuple[int, pad] | None

    @property
    def turns(self) -> bool:
        return any(transform.turns for _, transform in self.transforms)

    @property
    def is_certain(self) -> bool:
        return any(each.p == 1 and each.until is None for _, each in self.transforms)

    @property
    def structure(self) -> Hashable:
        return "moves", self.turns, self.is_certain, self.frame is not None

    def draw(self, drawn: Sequence[_Drawn], step: int, size: tuple[int, ...]) -> dict[str, Array]:
        maps = np.eye(3)
        for number, transform in self.transforms:
            happens, numbers = drawn[number]
            changed = transform.maps_at(numbers, (size[0], size[1]), step)
            maps = maps @ np.where(happens[:, None, None], changed, np.eye(3))
        arrays = {"maps": maps[:, :2]}
        if self.frame is not None:
            number, frame = self.frame
            arrays["fill"] = frame.greys(drawn[number][1])
        return arrays

    def apply(self, ops: Any, images: Any, draws: Mapping[str, Any], prefix: str) -> Any:
        maps, fill = draws[f"{prefix}maps"], draws.get(f"{prefix}fill")
        resample = resampling.resample_plane if self.turns else resampling.resample_axes
        if self.is_certain:
            return resample(ops, images, maps, fill)
        # What happens to none of the images in this step costs nothing.
        moved = ops.sum(ops.abs(maps - ops.convert_to_tensor(_IDENTITY))) > 0
        return ops.cond(moved, lambda: resample(ops, images, maps, fill), lambda: images)


@dataclass(frozen=True)
class _Blur:
    """One blur, and its number."""

    number: int
    transform: blur

    @property
    def structure(self) -> Hashable:
        return "blur", self.transform.size

    def draw(self, drawn: Sequence[_Drawn], step: int, size: tuple[int, ...]) -> dict[str, Array]:
        return {"kernels": self.transform.kernels(drawn[self.number][0], step)}

    def apply(self, ops: Any, images: Any, draws: Mapping[str, Any], prefix: str) -> Any:
        return resampling.blur_axes(ops, images, draws[f"{prefix}kernels"])


@dataclass(frozen=True)
class _Noise:
    """One noise, and its number."""

    number: int
    transform: noise

    @property
    def structure(self) -> Hashable:
        return ("noise",)

    def draw(self, drawn: Sequence[_Drawn], step: int, size: tuple[int, ...]) -> dict[str, Array]:
        happens, numbers = drawn[self.number]
        return {"noise": self.transform.values(numbers, happens, size)}

    def apply(self, ops: Any, images: Any, draws: Mapping[str, Any], prefix: str) -> Any:
        return images + draws[f"{prefix}noise"]


def _stages(transforms: Sequence[Transform]) -> Iterator[_Moves | _Blur | _Noise]:
    frame: tuple[int, pad] | None = None
    numbered = list(enumerate(transforms))
    for moves, run in groupby(numbered, key=lambda each: isinstance(each[1], Geometric)):
        if not moves:
            for number, each in run:
                if isinstance(each, blur):
                    yield _Blur(number, each)
                elif isinstance(each, noise):
                    yield _Noise(number, each)
            continue
        members = [(number, each) for number, each in run if isinstance(each, Geometric)]
        for number, each in members:
            if isinstance(each, pad):
                frame = (number, each) if each.mode != "reflect" else None
        yield _Moves(tuple(members), frame)


def _checked(transforms: Sequence[Transform], size: Sequence[int]) -> tuple[Transform, ...]:
    for each in transforms:
        if not isinstance(each, Geometric | blur | noise):
            raise InputError(
                f"transforms= got {each!r}, which is none; pass a list of them, as "
                "[blur(1), jitter(2), pad(3)]."
            )
        if len(size) != 2:
            raise InputError(
                f"{each!r} needs images with rows and columns; pass transforms=[] for a network "
                f"whose input is a {'sequence' if len(size) == 1 else 'vector'}."
            )
    return tuple(transforms)
