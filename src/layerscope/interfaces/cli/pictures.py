"""The pictures of a recording: its inputs, a sheet for each layer, the passage, the diagram."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from layerscope.core.errors import InputError
from layerscope.core.files import OutputFolder
from layerscope.core.foreign_errors import in_one_sentence
from layerscope.core.progress import Bar
from layerscope.core.suggestions import did_you_mean
from layerscope.core.text import distinct_file_stem
from layerscope.interfaces.cli.looked import Looked
from layerscope.interfaces.cli.model import Reading
from layerscope.interfaces.cli.output import file_name, safe

if TYPE_CHECKING:
    from layerscope.inputs import Prepared
    from layerscope.instruments.passes import Passes
    from layerscope.recordings.recording import Recording
    from layerscope.views.render.panel import Panel


@dataclass(frozen=True, slots=True)
class LookOptions:
    """How to look at a recording, and what of it."""

    layers: tuple[str, ...] = ()
    reading: Reading = field(default_factory=Reading)
    scale: tuple[float, float] | str = "layer"
    columns: int | None = None
    grid: tuple[int, int] = (3, 3)
    min_size: tuple[int, int] = (15, 15)
    palette: str = "viridis"
    sample: int | str | None = None
    reshape: tuple[int, int] | None = None
    ground: str = "dark"
    classes: tuple[str, ...] | None = None  #: the names of the answer's classes
    json: bool = False  #: whether to print JSON in place of a table


def names_of_classes(model: Any) -> tuple[str, ...]:
    """Return what the model says its classes are called."""
    from layerscope.backends.class_names import class_names

    return class_names(model)


def write_look(
    acts: Recording, output: OutputFolder, how: LookOptions, advice: Callable[[], list[str]] = list
) -> None:
    """Write the pictures of a recording, and print its summary, below what is advised."""
    from layerscope.instruments.summary import scope, summary

    sample = how.sample if isinstance(how.sample, int) else None
    looked = Looked(acts.network.name, scope(acts, sample), summary(acts, sample))
    looked.left_out += write_pictures(acts, output, how)
    looked.answer(acts, how.classes or (), only=sample)
    looked.write(output)
    looked.advice += advice()
    looked.notes += acts.notes
    looked.show(output, as_json=how.json)


def input_advice(passes: Passes, prepared: Prepared, acts: Recording) -> list[str]:
    """Return what may be wrong about the scaling of the input; nothing that a note says already."""
    from layerscope.instruments.input_advice import advice_on
    from layerscope.instruments.input_scaling import WIDER

    if any(WIDER in note for note in acts.notes):
        return []
    with in_one_sentence(), Bar("Trying other scalings"):
        return advice_on(passes, prepared)


def sample_index(acts: Recording, sample: int | str | None) -> int | None:
    """Return the number of the sample of that name; a number is one already.

    Raises InputError when there is none of that name.
    """
    if not isinstance(sample, str):
        return sample
    if sample not in acts.samples:
        hint = did_you_mean(sample, acts.samples, most=2) or "name a file, or count."
        raise InputError(f"There is no sample {sample!r}: {hint}")
    return acts.samples.index(sample)


def write_pictures(acts: Recording, output: OutputFolder, how: LookOptions) -> list[str]:
    """Write all pictures of a sample; return a note for each that can't be drawn."""
    return [
        *_write_sheets(acts, output, how),
        *_write_passage(acts, output, how),
        *_write_diagrams(acts, output, how),
    ]


def _write_sheets(acts: Recording, output: OutputFolder, how: LookOptions) -> list[str]:
    """Write the inputs and a sheet per layer; return a note for each that can't be drawn."""
    from layerscope.core.errors import ViewError
    from layerscope.views.render.select_maps import reshapes
    from layerscope.views.sheet import sheet

    def draw(address: str, reshape: tuple[int, int] | None) -> Panel:
        return sheet(
            acts,
            address,
            columns=how.columns,
            scale=how.scale,
            palette=how.palette,
            sample=_position(how),
            reshape=reshape,
            ground=how.ground,
        )

    left_out = []
    inputs = list(acts.inputs)
    stems: list[str] = []
    for name in inputs[1:]:
        stems.append(distinct_file_stem(name, "input", stems))
    names = ["00-input.png", *(f"00-input-{stem}.png" for stem in stems)]
    jobs = [(name, address, how.reshape) for name, address in zip(names, inputs, strict=True)]
    jobs += [
        (
            file_name(number, len(acts), address),
            address,
            how.reshape if reshapes(acts.named(address), how.reshape) else None,
        )
        for number, address in enumerate(acts, 1)
    ]
    with Bar("Drawing layers", len(jobs)) as bar:
        for name, address, reshape in bar.over(jobs):
            try:
                panel = draw(address, reshape)
            except ViewError as error:
                left_out.append(f"Note: no picture of {address}: {error}")
                continue
            output.write(name, panel.save)
    return left_out


def _write_passage(acts: Recording, output: OutputFolder, how: LookOptions) -> list[str]:
    """Write the pages of a 2-D pattern's passage; return a note where no layer has one to show."""
    from layerscope.core.errors import ViewError
    from layerscope.views.pages import pages

    try:
        panels = pages(
            acts,
            grid=how.grid,
            min_size=how.min_size,
            palette=how.palette,
            scale=how.scale,
            sample=_position(how),
            ground=how.ground,
            reshape=how.reshape,
            classes=how.classes or (),
        )
    except ViewError as error:
        return [f"Note: no pages of the passage: {error}"]
    digits = max(2, len(str(len(panels))))
    for number, panel in enumerate(panels, 1):
        output.write(f"pages-{number:0{digits}d}.png", panel.save)
    return []


def _write_diagrams(acts: Recording, output: OutputFolder, how: LookOptions) -> list[str]:
    """Write the architecture, by itself and with the pattern on its way through it."""
    from layerscope.core.errors import ViewError
    from layerscope.views.diagram import diagram

    name = safe(acts.network.name)
    try:
        output.write(f"{name}.svg", diagram(acts.network, ground=how.ground).save)
        with Bar("Drawing the passage"):
            poster = diagram(
                acts.network,
                acts,
                sample=_position(how),
                scale=how.scale,
                palette=how.palette,
                ground=how.ground,
                reshape=how.reshape,
            )
        output.write(f"{name}-passage.svg", poster.save)
    except ViewError as error:
        return [f"Note: no diagram: {error}"]
    return []


def _position(how: LookOptions) -> int:
    return how.sample if isinstance(how.sample, int) else 0
