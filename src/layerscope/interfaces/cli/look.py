"""``layerscope look``: an input through every layer, as pictures and as a table."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from layerscope.core.console import say
from layerscope.core.errors import InputError
from layerscope.core.files import OutputFolder
from layerscope.core.foreign_errors import in_one_sentence
from layerscope.core.progress import Bar
from layerscope.core.suggestions import did_you_mean
from layerscope.core.text import distinct_file_stem
from layerscope.interfaces.cli import options
from layerscope.interfaces.cli.model import Reading, opened, passes_of, ran
from layerscope.interfaces.cli.output import claim_folder, file_name, safe
from layerscope.interfaces.cli.recorded import is_run, only, opened_run
from layerscope.interfaces.cli.tables import summary_csv, summary_table

if TYPE_CHECKING:
    from layerscope.inputs import Prepared
    from layerscope.instruments.passes import Passes
    from layerscope.recordings.recording import Recording
    from layerscope.views.render.panel import Panel


@dataclass(frozen=True, slots=True)
class Look:
    """How to look."""

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


def add(commands: Any) -> None:
    """The command and its options."""
    parser = options.add_command(
        commands, "look", _run, "Write a picture of every layer's activations on an input."
    )
    options.add_model(parser)
    parser.add_argument(
        "input",
        nargs="*",
        metavar="INPUT",
        help=options.INPUT + "; a recording in the place of MODEL has its own",
    )
    parser.add_argument(
        "--step",
        type=options.index,
        metavar="N",
        help="of a recording in the place of MODEL, which step, by its number (default: the last)",
    )
    parser.add_argument(
        "--layers",
        action="append",
        default=[],
        metavar="GLOB",
        help="an address or a glob, such as 'conv*'; may be given again (default: all)",
    )
    options.add_input(parser)
    parser.add_argument(
        "--scale",
        type=options.scale,
        default="layer",
        metavar="SCALE",
        help="layer: one range for each (default); unit: one for each map; network; zscore; LO,HI",
    )
    parser.add_argument(
        "--grid",
        type=options.pair,
        default=(3, 3),
        metavar="ROWS,COLUMNS",
        help="maps on a page of the passage (default: 3,3)",
    )
    parser.add_argument(
        "--min-size",
        type=options.pair,
        default=(15, 15),
        metavar="H,W",
        help="the smallest map that the passage shows (default: 15,15)",
    )
    parser.add_argument(
        "--sample",
        type=options.sample,
        metavar="N",
        help="which input of a batch, counted from 0, or the name of its file (default: the first "
        "in pictures, all of them in the table; of a folder the table is always of all)",
    )
    options.add_pictures(parser)
    options.add_output(parser, "layerscope-NAME")


def _run(args: argparse.Namespace) -> None:
    from layerscope.instruments.describe import outline
    from layerscope.views.render.palette import known

    known(args.palette)  # before anything is run
    how = Look(
        layers=tuple(args.layers),
        reading=Reading.of(args),
        scale=args.scale,
        columns=args.columns,
        grid=args.grid,
        min_size=args.min_size,
        palette=args.palette,
        sample=args.sample,
        reshape=args.reshape,
        ground=args.ground,
    )
    if is_run(args.model):
        output = _look_at_run(args, how)
    else:
        if not args.input or args.step is not None:
            raise InputError(_expected(args))
        model = opened(args)
        folder = args.out or f"layerscope-{safe(outline(model).name)}"
        output = claim_folder(folder, force=args.force)
        look(model, args.input, output, how)
    say(f"Written to {output.path}/")


def _expected(args: argparse.Namespace) -> str:
    if args.step is not None:
        return f"--step is for a recording, and {args.model!r} is none: leave it out."
    return (
        f"There is no INPUT to run {args.model!r} on: name an image, an array, digits:7 or noise."
    )


def _look_at_run(args: argparse.Namespace, how: Look) -> OutputFolder:
    """Write the pictures of one step of a recording, and print its summary."""
    if args.input:
        raise InputError(
            f"{args.model!r} is a recording and has its own input: leave out {args.input[0]!r}."
        )
    run = opened_run(args.model)
    step = int(run.steps[run.position(args.step)])
    folder = args.out or f"layerscope-{safe(run.network.name)}-step-{step}"
    output = claim_folder(folder, force=args.force)
    acts = only(run.at(step), how.layers)
    shown(acts, output, replace(how, sample=sample_index(acts, how.sample)))
    return output


def look(model: Any, x: Any, output: OutputFolder, how: Look) -> Recording:
    """Write the pictures of the input's way through the model, and print the summary."""
    passes = passes_of(model, x, how.layers, how.reading)
    if passes.batches is not None:
        from layerscope.interfaces.cli.many import look_at_files

        return look_at_files(passes, passes.batches, output, how)
    prepared, acts = ran(passes)
    how = replace(how, sample=sample_index(acts, how.sample))
    shown(acts, output, how, lambda: advised(passes, prepared, acts))
    return acts


def shown(
    acts: Recording, output: OutputFolder, how: Look, advice: Callable[[], list[str]] = list
) -> None:
    """Write the pictures of a recording, and print its summary, below what is advised."""
    from layerscope.instruments.summary import scope, summary

    sample = how.sample if isinstance(how.sample, int) else None
    rows = summary(acts, sample)
    left_out = write_pictures(acts, output, how)
    output.write_text("summary.csv", summary_csv(rows))
    say(
        *(f"Note: {note}" for note in acts.notes),
        *(f"Advice: {line}" for line in advice()),
        *summary_table(rows),
        f"Minimum, mean, maximum and blank channels are {scope(acts, sample)}.",
        *left_out,
    )


def advised(passes: Passes, prepared: Prepared, acts: Recording) -> list[str]:
    """What may be wrong about the scaling of the input; nothing that a note says already."""
    from layerscope.instruments.input_advice import advice_on
    from layerscope.instruments.input_scaling import WIDER

    if any(WIDER in note for note in acts.notes):
        return []
    with in_one_sentence(), Bar("Trying other scalings"):
        return advice_on(passes, prepared)


def sample_index(acts: Recording, sample: int | str | None) -> int | None:
    """The sample of that name; a number is one already.

    Raises InputError when there is none of that name.
    """
    if not isinstance(sample, str):
        return sample
    if sample not in acts.samples:
        hint = did_you_mean(sample, acts.samples, most=2) or "name a file, or count."
        raise InputError(f"There is no sample {sample!r}: {hint}")
    return acts.samples.index(sample)


def write_pictures(acts: Recording, output: OutputFolder, how: Look) -> list[str]:
    """Write all pictures of a sample; returns a note for each that can't be drawn."""
    return [
        *_write_sheets(acts, output, how),
        *_write_passage(acts, output, how),
        *_write_diagrams(acts, output, how),
    ]


def _write_sheets(acts: Recording, output: OutputFolder, how: Look) -> list[str]:
    """Write the inputs and a sheet per layer; returns a note for each that can't be drawn."""
    from layerscope.core.errors import ViewError
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
        (file_name(number, len(acts), address), address, None)
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


def _write_passage(acts: Recording, output: OutputFolder, how: Look) -> list[str]:
    """Write the pages of a 2-D pattern's passage; a note where no layer has one to show."""
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
        )
    except ViewError as error:
        return [f"Note: no pages of the passage: {error}"]
    for number, panel in enumerate(panels, 1):
        output.write(f"pages-{number}.png", panel.save)
    return []


def _write_diagrams(acts: Recording, output: OutputFolder, how: Look) -> list[str]:
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
            )
        output.write(f"{name}-passage.svg", poster.save)
    except ViewError as error:
        return [f"Note: no diagram: {error}"]
    return []


def _position(how: Look) -> int:
    return how.sample if isinstance(how.sample, int) else 0
