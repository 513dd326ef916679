"""``layerscope timeline``: what became of each layer over the steps of a recording."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from layerscope.core.console import say
from layerscope.core.errors import ViewError
from layerscope.core.progress import Bar
from layerscope.interfaces.cli import options
from layerscope.interfaces.cli.output import claim_file, safe
from layerscope.interfaces.cli.recorded import (
    add_run,
    add_sample,
    opened_run,
    part_of,
    sample_of,
)
from layerscope.interfaces.cli.tables import figures_over_time, json_lines, over_time

if TYPE_CHECKING:
    from layerscope.recordings.run import Run

_KINDS = (".png", ".svg", ".pdf")


def add(commands: Any) -> None:
    """Add the command and its options."""
    parser = options.add_command(
        commands,
        "timeline",
        _run,
        "Print what became of each layer over the steps of a recording, or draw one of them.",
    )
    add_run(parser)
    parser.add_argument(
        "address",
        nargs="?",
        metavar="ADDRESS",
        help="a layer, a channel (conv2d:29), several (conv2d:3,30) or a parameter to draw at "
        "every step",
    )
    parser.add_argument(
        "--out",
        "-o",
        metavar="FILE",
        help="what to write: a .png, .svg or .pdf file (default: ADDRESS-timeline.png; without an "
        "address the curves of the training, and none by default)",
    )
    parser.add_argument(
        "--force", action="store_true", help="replace the file where there is one already"
    )
    options.add_json(parser)
    add_sample(parser)


def _run(args: argparse.Namespace) -> None:
    if args.address is None and args.sample is not None:
        raise ViewError("--sample is for an ADDRESS: the tables are of all samples.")
    if args.json and (args.address is not None or args.out):
        raise ViewError("--json is for the tables: leave out ADDRESS and --out.")
    name = args.out or (f"{safe(args.address)}-timeline.png" if args.address else None)
    path = claim_file(name, _KINDS, force=args.force) if name else None
    run = opened_run(args.run)
    if args.json:
        say(*json_lines(figures_over_time(run)))
        return
    if args.address is None or path is None:
        _tell(run, path)
        return
    from layerscope.views.timeline import timeline

    with Bar("Drawing"):
        panel = timeline(
            part_of(run, args.address),
            args.address,
            sample=sample_of(run, args.sample or 0),
            columns=args.columns,
            scale=args.scale,
            palette=args.palette,
            ground=args.ground,
            reshape=args.reshape,
        )
        panel.save(path)
    say(f"Written to {path}")


def _tell(run: Run, path: Path | None) -> None:
    first, *tables = over_time(run)
    sentences = [f"{finding}." for finding in run.findings()]
    say(first, *(f"Note: {note}" for note in run.notes), *sentences, *tables)
    if path is not None:
        from layerscope.views.curves import curves

        with Bar("Drawing"):
            curves(run).save(path)
        say(f"Written to {path}")
