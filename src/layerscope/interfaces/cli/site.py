"""``layerscope site``: every unit of a survey as a site of plain files."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from layerscope.core.console import say
from layerscope.core.table import size_text
from layerscope.interfaces.cli import options
from layerscope.interfaces.cli.output import output_folder


def add(commands: Any) -> None:
    """Add the command and its options."""
    parser = options.add_command(
        commands,
        "site",
        _run,
        "Write every unit of a survey as a site of plain files, to open from a disk or any web "
        "host.",
    )
    parser.add_argument("survey", metavar="SURVEY", help="a folder that layerscope survey wrote")
    parser.add_argument(
        "--out",
        "-o",
        metavar="FOLDER",
        default="site",
        help="the folder to write to (default: site); a site of the same survey is completed",
    )
    parser.add_argument(
        "--force", action="store_true", help="replace the site of another survey that is there"
    )


def _run(args: argparse.Namespace) -> None:
    from layerscope.interfaces.site.site import write_site
    from layerscope.recordings.survey.store import open_survey

    survey = open_survey(args.survey)
    path = write_site(survey, output_folder(args.out), overwrite=args.force)
    files = [file.stat().st_size for file in Path(args.out).rglob("*") if file.is_file()]
    say(f"Written to {path}: {len(files):,} files, {size_text(sum(files))}")
