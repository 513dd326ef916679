"""``film``: a channel, a layer or the passage of a pattern, over steps or samples, as a film."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from layerscope.core.errors import ViewError
from layerscope.core.files import check_free, whole
from layerscope.core.text import shown_name
from layerscope.recordings.recording import Recording
from layerscope.views.moments import Moments, samples_of, steps_of
from layerscope.views.render import colour_scale
from layerscope.views.render import palette as palettes
from layerscope.views.render.defaults import ground_or, palette_or
from layerscope.views.render.encoding import MIME, Reel, check_kind, write
from layerscope.views.render.feature_maps import check_passage, scale_of
from layerscope.views.render.frames import FrameLayout
from layerscope.views.render.grid import check_columns
from layerscope.views.render.panel import Panel
from layerscope.views.render.select_maps import check_recording, check_shape, sample_of
from layerscope.views.scenes import Scene, layer_scene, passage_scene

PASSAGE = "passage"  #: what is written in the place of an address for all layers at once
_ABOUT = 4_000  #: characters of what a film says of itself


@dataclass(frozen=True)
class Film(os.PathLike[str]):
    """A film that was written: its path, and in a notebook the film itself."""

    path: Path
    frames: int
    size: tuple[int, int]  #: width and height

    def __fspath__(self) -> str:
        return str(self.path)

    def _repr_html_(self) -> str:
        import base64

        mime = MIME[self.path.suffix.lower()]
        data = f"data:{mime};base64,{base64.b64encode(self.path.read_bytes()).decode()}"
        if mime.startswith("video"):
            return f'<video controls loop autoplay muted src="{data}"></video>'
        return f'<img alt="{self.frames} frames" src="{data}">'


def film(
    recording: Recording,
    address: str,
    path: str | os.PathLike[str],
    *,
    fps: float = 8,
    along: str = "step",
    sample: int | str | None = None,
    step: int | None = None,
    steps: Iterable[int] | None = None,
    columns: int | None = None,
    scale: colour_scale.Scaling | None = None,
    palette: str | None = None,
    ground: str | None = None,
    reshape: tuple[int, ...] | None = None,
    overwrite: bool = False,
    progress: Callable[[int, int], object] | None = None,
) -> Film:
    """Write a film of a network learning, of samples passing through it, or of images being made.

    Each frame is a picture as :func:`layerscope.sheet` or :func:`layerscope.pages` makes it, with
    its step, its epoch and the metrics of the training written below. The scale is the same in all
    frames, so that change is change. Frames are drawn, encoded and forgotten one by one; the file
    is there when it is whole.

    Parameters
    ----------
    recording
        What ``open_recording`` returned, or its ``weights``; for ``along="sample"`` also what
        ``activations`` returned. Or images made for units, of which some were kept on the way.
    address
        A channel (``"conv2d:29"``), a layer (``"conv2d"``, ``"conv2d/kernel"``), ``"input"``, or
        ``"passage"``: the pattern in every layer, a layer of several channels by their mean.
    path
        A ``.webp`` (without loss), a ``.gif``, or an ``.mp4``, for which the extra ``film`` brings
        ffmpeg.
    fps
        Frames a second, 0.1 to 60.
    along
        ``"step"``: one sample over the steps of a run; ``"sample"``: the samples of one step.
    sample, step
        Which sample is seen over the steps, the first by default, and all of the images made for
        one objective; which step the samples are of, the last by default.
    steps
        The numbers of the steps to show; all by default.
    scale
        ``"layer"``, one range for a layer over the whole film; ``"unit"``, one for each of its
        maps; ``"network"``, one for all layers; or ``(low, high)``. ``"layer"`` by default, and for
        images ``"input"``, the range that the network accepts.
    palette
        As in :func:`layerscope.sheet`; by default ``"viridis"``, for weights of both signs
        ``"diverging"``, which shows zero, and for images ``"gray"``.
    overwrite
        Replace the file where there is one.
    progress
        Called with the number of frames done and that of all.

    Raises
    ------
    AddressError
        When there is no such layer, unit or step.
    ViewError
        When the file's name ends in something else, or the values can't be drawn so.
    OutputError
        When the file is there already, or can't be written.
    MissingDependencyError
        When an ``.mp4`` is asked for, and imageio-ffmpeg is not installed.
    """
    target = _named(path)
    check_kind(target, fps)
    check_free(target, overwrite=overwrite)
    check_recording(recording)
    scale = _check_scale(recording, scale)
    ground = ground_or(ground)
    palettes.table(palette_or(palette), ground)
    columns = check_columns(columns)
    reshape = reshape and check_shape(reshape)
    number = sample_of(recording, sample)
    moments = _moments(recording, along, number, step, steps)
    scene = _scene(recording, address, moments, scale, palette, ground, columns, reshape)
    captions = [(moments.label(i), moments.metrics(i)) for i in range(len(moments))]
    panels = scene()
    first = next(panels)
    stage = FrameLayout.of(first, captions)
    frames = _frames(first, panels, stage, captions, progress)
    reel = Reel(frames, len(moments), stage.size, stage.colours, float(fps), _about(first))
    with whole(target, overwrite=overwrite) as part:
        write(reel, part, target.suffix.lower())
    return Film(target, len(moments), stage.size)


def _named(path: str | os.PathLike[str]) -> Path:
    if not isinstance(path, str | os.PathLike) or not os.fspath(path):
        raise ViewError(f"path={path!r}: pass the name of a file, such as 'film.webp'.")
    return Path(path)


def _scene(
    recording: Recording,
    address: str,
    moments: Moments,
    scale: colour_scale.Scaling,
    palette: str | None,
    ground: str,
    columns: int | None,
    reshape: tuple[int, ...] | None,
) -> Scene:
    scene = layer_scene
    if address == PASSAGE and PASSAGE not in recording:
        check_passage(recording)
        scene = passage_scene
    return scene(recording, address, moments, scale, palette, ground, columns, reshape)


def _moments(
    recording: Recording,
    along: str,
    sample: int | None,
    step: int | None,
    steps: Iterable[int] | None,
) -> Moments:
    if along == "step":
        if step is not None:
            raise ViewError("A step is for a film along='sample': one over the steps shows all.")
        return steps_of(recording, sample, steps)
    if along == "sample":
        if steps is not None:
            raise ViewError(
                "steps= is for a film along='step': pass step= for that of the samples."
            )
        return samples_of(recording, step)
    raise ViewError(f"along={along!r}: pass 'step' or 'sample'.")


def _check_scale(recording: Recording, scale: colour_scale.Scaling | None) -> colour_scale.Scaling:
    if scale == "zscore":
        raise ViewError(
            "scale='zscore' would be another one in each frame: pass 'layer', 'unit', 'network' or "
            "(low, high)."
        )
    return scale_of(recording, scale)


def _about(panel: Panel) -> str:
    """Return what is kept in the file, so that one knows later what it shows."""
    from layerscope._version import __version__

    provenance = [f"{key}: {value}" for key, value in panel.provenance().items()]
    words = [f"layerscope {__version__}", str(panel.header["title"]), *provenance]
    return shown_name("; ".join(words), _ABOUT)


def _frames(
    first: Panel,
    rest: Iterator[Panel],
    stage: FrameLayout,
    captions: list[tuple[str, list[str]]],
    progress: Callable[[int, int], object] | None,
) -> Iterator[npt.NDArray[np.uint8]]:
    panel: Panel | None = first
    for i, (title, words) in enumerate(captions):
        if panel is None:
            panel = next(rest)
        yield stage.frame(panel, title, words, (i + 1) / len(captions))
        panel = None
        if progress is not None:
            progress(i + 1, len(captions))
