"""``layerscope survey``: what each unit answers to, over data, kept in a folder."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from layerscope.core.console import report, say
from layerscope.interfaces.cli import options
from layerscope.interfaces.cli.data import data_of
from layerscope.interfaces.cli.model import Reading, opened, opening
from layerscope.interfaces.cli.tables import json_lines

if TYPE_CHECKING:
    from layerscope.recordings.survey.survey import Survey


def add(commands: Any) -> None:
    """Add the command and its options."""
    parser = options.add_command(
        commands,
        "survey",
        _run,
        "Find out what each unit answers to, over data; the same command goes on where it was "
        "stopped.",
    )
    options.add_model(parser)
    parser.add_argument(
        "data",
        nargs="+",
        metavar="DATA",
        help="a folder of images, arrays or sounds; a folder whose folders are labels; a file, a "
        "glob, digits, or package.module:name, a loader or a function that returns one",
    )
    parser.add_argument(
        "--layers",
        action="append",
        default=[],
        metavar="GLOB",
        help="an address or a glob, such as 'mixed*'; may be given again (default: all but those "
        "that hand on the values of others)",
    )
    parser.add_argument(
        "--top",
        type=options.whole,
        default=16,
        metavar="N",
        help="samples to keep for each unit: strongest, weakest, and drawn evenly (default: 16)",
    )
    parser.add_argument(
        "--labels",
        metavar="FILE",
        help="the samples' labels: one on each line in their order, or 'name,label'; or a .npy "
        "file (default: those that the data have)",
    )
    options.add_input(parser)
    options.add_batches(parser)
    parser.add_argument(
        "--first",
        type=options.index,
        default=0,
        metavar="N",
        help="the number of the first sample, for a part of data that is to be merged (default: 0)",
    )
    parser.add_argument(
        "--out",
        "-o",
        default="survey.zarr",
        metavar="FOLDER",
        help="where to keep it (default: survey.zarr)",
    )
    parser.add_argument(
        "--ray",
        nargs="?",
        const=True,
        metavar="ADDRESS",
        help="compute it on a Ray cluster, each of whose workers opens MODEL by itself (without an "
        "address: on that of RAY_ADDRESS, or on this machine's processors)",
    )
    parser.add_argument(
        "--workers",
        type=options.whole,
        metavar="N",
        help="how many workers of Ray hold the model (default: one for each GPU or processor)",
    )
    parser.add_argument(
        "--force", action="store_true", help="begin anew in the place of a survey that is there"
    )
    options.add_json(parser)


def _run(args: argparse.Namespace) -> None:
    from layerscope.instruments.survey.labels import read_labels
    from layerscope.instruments.survey.survey import survey

    labels = None if args.labels is None else read_labels(args.labels)
    model = opened(args) if args.ray is None else _for_workers(args)
    data = data_of(model, args.data)
    result = survey(
        model,
        data,
        args.layers or None,
        top=args.top,
        labels=labels,
        first=args.first,
        to=args.out,
        overwrite=args.force,
        ray=args.ray,
        workers=args.workers,
        **Reading.of(args).options(),
    )
    if args.json:
        say(*json_lines(_json(result)))
    else:
        say(*str(result).split("\n"))
        report(f"Written to {args.out}/")
    if any(note.startswith("it was stopped") for note in result.notes):
        raise KeyboardInterrupt(
            f"stopped after {result.count:,} samples; the same command goes on from there."
        )


def _for_workers(args: argparse.Namespace) -> Callable[[], Any]:
    """Return what opens the model on a worker, which may run in another folder."""
    path = Path(args.model)
    return opening(args, str(path.absolute()) if path.exists() else args.model)


def _json(result: Survey) -> dict[str, Any]:
    """Return the figures of each layer's units."""
    figures = ("count", "mean", "std", "min", "max", "zeros", "silent", "nonfinite")
    return {
        "network": result.network.name,
        "samples": result.count,
        "labels": list(result.labels),
        "unreadable": result.unreadable,
        "notes": list(result.notes),
        "layers": {
            address: {
                **{name: result[address][name].values.tolist() for name in figures},
                "never_fired": result.never_fired(address),
            }
            for address in result
        },
    }
