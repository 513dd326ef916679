"""``layerscope look``: an input through every layer, as pictures and as a table."""

from __future__ import annotations

import argparse
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from layerscope.core.console import say
from layerscope.core.errors import InputError
from layerscope.core.files import OutputFolder
from layerscope.interfaces.cli import options
from layerscope.interfaces.cli.many import look_at_feed
from layerscope.interfaces.cli.model import Reading, opened, passes_of, ran
from layerscope.interfaces.cli.output import claim_folder, safe
from layerscope.interfaces.cli.pictures import (
    LookOptions,
    input_advice,
    names_of_classes,
    sample_index,
    write_look,
)
from layerscope.interfaces.cli.recorded import is_run, only, opened_run

if TYPE_CHECKING:
    from layerscope.recordings.recording import Recording


def add(commands: Any) -> None:
    """Add the command and its options."""
    parser = options.add_command(
        commands, "look", _run, "Write a picture of every layer's activations on an input."
    )
    options.add_model(parser)
    parser.add_argument(
        "input",
        nargs="*",
        metavar="INPUT",
        help=options.INPUT
        + "; or package.module:name, a loader or a function that returns one; a recording in the "
        "place of MODEL has its own",
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
    options.add_all(parser)
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
    options.add_batches(parser)
    options.add_classes(parser)
    options.add_json(parser)
    options.add_pictures(parser)
    options.add_output(parser, "layerscope-NAME")


def _run(args: argparse.Namespace) -> None:
    from layerscope.inputs.classes import classes_of
    from layerscope.instruments.describe import outline
    from layerscope.views.render.palette import known

    known(args.palette)  # before anything is run
    classes = None if args.classes is None else classes_of(args.classes)
    how = LookOptions(
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
        classes=classes,
        json=args.json,
    )
    if is_run(args.model):
        output = _look_at_run(args, how)
    else:
        if not args.input or args.step is not None:
            raise InputError(_expected(args))
        model = opened(args)
        network = outline(model)
        if args.all and not how.layers and any(layer.plumbing for layer in network):
            how = replace(how, layers=("*",))
        folder = args.out or f"layerscope-{safe(network.name)}"
        output = claim_folder(folder, force=args.force)
        look(model, args.input, output, how)
    if not args.json:
        say(f"Written to {output.path}/")


def _expected(args: argparse.Namespace) -> str:
    if args.step is not None:
        return f"--step is for a recording, and {args.model!r} is none: leave it out."
    return (
        f"There is no INPUT to run {args.model!r} on: name an image, an array, digits:7 or noise."
    )


def _look_at_run(args: argparse.Namespace, how: LookOptions) -> OutputFolder:
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
    write_look(acts, output, replace(how, sample=sample_index(acts, how.sample)))
    return output


def look(model: Any, x: Any, output: OutputFolder, how: LookOptions) -> Recording | None:
    """Write the pictures of the input's way through the model, and print the summary.

    Returns the recording, where all of it was one pass.
    """
    passes = passes_of(model, x, how.layers, how.reading)
    how = replace(how, classes=names_of_classes(model) if how.classes is None else how.classes)
    if passes.feed is not None:
        look_at_feed(passes, passes.feed, output, how)
        return None
    prepared, acts = ran(passes)
    how = replace(how, sample=sample_index(acts, how.sample))
    write_look(acts, output, how, lambda: input_advice(passes, prepared, acts))
    return acts
