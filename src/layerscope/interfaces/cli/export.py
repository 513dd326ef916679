"""``layerscope export``: a recording as ordinary files."""

from __future__ import annotations

import argparse
from typing import Any

from layerscope.core.console import say
from layerscope.core.progress import Bar
from layerscope.interfaces.cli import options
from layerscope.interfaces.cli.output import claim_folder
from layerscope.interfaces.cli.recorded import add_run, opened_run


def add(commands: Any) -> None:
    """Add the command and its options."""
    parser = options.add_command(
        commands, "export", _run, "Write a recording as ordinary files, one for each layer."
    )
    add_run(parser)
    parser.add_argument("folder", metavar="DIR", help="where to write")
    parser.add_argument(
        "--format",
        choices=("npz", "json", "netcdf"),
        default="npz",
        help="npz (default), json, or netcdf, which needs h5netcdf or SciPy",
    )
    parser.add_argument(
        "--force",
        action="store_true",
        help="write into a folder that is not empty; only files of the same names are replaced",
    )


def _run(args: argparse.Namespace) -> None:

    output = claim_folder(args.folder, force=args.force, option=None)
    run = opened_run(args.run)
    with Bar("Writing") as bar:
        written = run.export(output.path, format=args.format, overwrite=True, progress=bar.show)
    say(f"Written to {output.path}/: {len(written)} files, recording.json says what is where")
