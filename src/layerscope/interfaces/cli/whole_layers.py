"""``layerscope features --all``: every unit of layers, drawn; stopped, the same command goes on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from layerscope.core.console import report, say
from layerscope.core.files import OutputFolder
from layerscope.core.foreign_errors import in_one_sentence
from layerscope.core.text import distinct_file_stem
from layerscope.instruments.features.every_unit import EveryUnit
from layerscope.instruments.features.unit_settings import samples_text
from layerscope.interfaces.cli.feature_pictures import Drawing, check_drawing, draw, draw_curves
from layerscope.interfaces.cli.output import claim_folder, output_folder
from layerscope.interfaces.cli.recipes import Making


def make_layers(
    model: Any, layers: Sequence[str], folder: Path, how: Making, drawing: Drawing, *, force: bool
) -> None:
    """Make every unit of each layer that is not there yet, draw them all, and say what they reach.

    Raises KeyboardInterrupt, with a sentence that says how to go on, when Ctrl-C stopped it: what
    is finished is drawn.
    """
    names = _names(layers)
    samples = samples_text(how.samples)
    with in_one_sentence():
        jobs = [
            EveryUnit.of(model, layer, output_folder(folder / names[layer]), how.options, samples)
            for layer in layers
        ]
    for job in jobs:
        check_drawing(job.task, drawing)
    for job in jobs:
        job.read(overwrite=force)
    output = claim_folder(folder, force=force or any(job.units for job in jobs))
    for job in jobs:
        _make(job, names[job.layer], output, drawing)
    say(f"Written to {output.path}/")


def _make(job: EveryUnit, name: str, output: OutputFolder, drawing: Drawing) -> None:
    """Make the missing units of one layer, and draw all that there are."""
    layer, count, before = job.layer, job.count, len(job.units)
    with in_one_sentence():
        begun = job.make(lambda done, count: report(f"{layer}: {done} of {count} units"))
    if job.units:
        if before:
            say(f"{before} of {count} units of {layer} were there already.")
        made = job.visualization()
        draw(made, {layer: f"{name}.png"}, output, drawing)
        draw_curves(made, f"{name}-curves.png", output)
        say(*(f"Note: {note}" for note in made.notes), *map(str, made.grades))
    if begun is not None:
        raise KeyboardInterrupt(_how_to_go_on(job, len(begun)))


def _how_to_go_on(job: EveryUnit, begun: int) -> str:
    """Return what to say when Ctrl-C stopped it."""
    finished = f"stopped after {len(job.units)} of {job.count} units of {job.layer!r}"
    anew = f", and the {begun} begun {'is' if begun == 1 else 'are'} made anew" if begun else ""
    return f"{finished}; the same command goes on{anew}."


def _names(layers: Sequence[str]) -> dict[str, str]:
    """Return a name for the files of each layer, also where file systems know no capitals."""
    names: dict[str, str] = {}
    taken: list[str] = []
    for layer in layers:
        name = names[layer] = distinct_file_stem(layer, "layer", taken)
        # Beside NAME/ and NAME.png there is NAME-curves.png.
        taken += [name, f"{name}-curves", name.removesuffix("-curves")]
    return names
