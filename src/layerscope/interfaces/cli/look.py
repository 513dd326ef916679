"""``layerscope look``: an input through every layer, as pictures and as a table."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from layerscope.interfaces.cli import options
from layerscope.interfaces.cli.model import as_input, opened, ran
from layerscope.interfaces.cli.output import Output, file_name, progress, safe, say
from layerscope.interfaces.cli.tables import summary_csv, summary_table

if TYPE_CHECKING:
    from layerscope.recording import Recording
    from layerscope.views.panel import Panel


@dataclass(frozen=True, slots=True)
class Look:
    """How to look."""

    layers: tuple[str, ...] = ()
    input_range: tuple[float, float] | str = (0, 1)
    scale: tuple[float, float] | str = "layer"
    columns: int | None = None
    grid: tuple[int, int] = (3, 3)
    min_size: tuple[int, int] = (15, 15)
    palette: str = "viridis"
    sample: int | None = None
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
        nargs="+",
        metavar="INPUT",
        help="an image or a .npy file; several are a batch, or one for each input of the model",
    )
    parser.add_argument(
        "--layers",
        action="append",
        default=[],
        metavar="GLOB",
        help="an address or a glob, such as 'conv*'; may be given again (default: all)",
    )
    options.add_input_range(parser)
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
        type=options.index,
        metavar="N",
        help="which input of a batch, counted from 0 (default: the first in pictures, all of them "
        "in the table)",
    )
    options.add_pictures(parser)
    options.add_output(parser, "layerscope-NAME")


def _run(args: argparse.Namespace) -> None:
    from layerscope.instruments.describe import describe
    from layerscope.views.palette import known

    known(args.palette)  # before anything is run
    model = opened(args)
    output = Output.claim(args.out or f"layerscope-{safe(describe(model).name)}", force=args.force)
    how = Look(
        layers=tuple(args.layers),
        input_range=args.input_range,
        scale=args.scale,
        columns=args.columns,
        grid=args.grid,
        min_size=args.min_size,
        palette=args.palette,
        sample=args.sample,
        reshape=args.reshape,
        ground=args.ground,
    )
    look(model, as_input(args.input), output, how)
    say(f"Written to {output.folder}/")


def look(model: Any, x: Any, output: Output, how: Look) -> Recording:
    """Write the input, a sheet per layer, the passage and the summary; print the summary."""
    from layerscope.instruments.summary import scope, summary

    acts = ran(model, x, how.layers, how.input_range)
    rows = summary(acts, how.sample)
    left_out = [*_write_sheets(acts, output, how), *_write_passage(acts, output, how)]
    output.write_text("summary.csv", summary_csv(rows))
    say(
        *(f"Note: {note}" for note in acts.notes),
        summary_table(rows),
        f"Minimum, mean, maximum and blank channels are {scope(acts, how.sample)}.",
        *left_out,
    )
    return acts


def _write_sheets(acts: Recording, output: Output, how: Look) -> list[str]:
    """Write the inputs and a sheet per layer; returns a note for each that can't be drawn."""
    from layerscope.errors import ViewError
    from layerscope.views.sheet import sheet

    def draw(address: str, reshape: tuple[int, int] | None) -> Panel:
        return sheet(
            acts,
            address,
            columns=how.columns,
            scale=how.scale,
            palette=how.palette,
            sample=how.sample or 0,
            reshape=reshape,
            ground=how.ground,
        )

    left_out = []
    inputs = list(acts.inputs)
    names = ["00-input.png", *(f"00-input-{safe(name)}.png" for name in inputs[1:])]
    jobs = [(name, address, how.reshape) for name, address in zip(names, inputs, strict=True)]
    jobs += [
        (file_name(number, len(acts), address), address, None)
        for number, address in enumerate(acts, 1)
    ]
    for name, address, reshape in progress(jobs, "Drawing layers"):
        try:
            panel = draw(address, reshape)
        except ViewError as error:
            left_out.append(f"Note: no picture of {address}: {error}")
            continue
        output.write(name, panel.save)
    return left_out


def _write_passage(acts: Recording, output: Output, how: Look) -> list[str]:
    """Write the pages of a 2-D pattern's passage; a note where no layer has one to show."""
    from layerscope.errors import ViewError
    from layerscope.views.pages import pages

    try:
        panels = pages(
            acts,
            grid=how.grid,
            min_size=how.min_size,
            palette=how.palette,
            scale=how.scale,
            sample=how.sample or 0,
            ground=how.ground,
            reshape=how.reshape,
        )
    except ViewError as error:
        return [f"Note: no pages of the passage: {error}"]
    for number, panel in enumerate(panels, 1):
        output.write(f"pages-{number}.png", panel.save)
    return []
