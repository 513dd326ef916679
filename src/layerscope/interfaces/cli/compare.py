"""``layerscope compare``: two models on an input, or two recordings, and where they part first."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from layerscope.core.console import report, room, say
from layerscope.core.files import whole
from layerscope.core.foreign_errors import in_one_sentence
from layerscope.core.progress import Bar
from layerscope.interfaces.cli import options
from layerscope.interfaces.cli.model import Reading, opened
from layerscope.interfaces.cli.output import claim_file, claim_folder
from layerscope.interfaces.cli.recorded import is_run
from layerscope.interfaces.cli.tables import json_lines

if TYPE_CHECKING:
    from layerscope.core.files import OutputFolder
    from layerscope.recordings.comparison import Comparison

SAME, PARTS = 0, 1  #: exit codes; 2 is for what could not be compared


def add(commands: Any) -> None:
    """Add the command and its options."""
    parser = options.add_command(
        commands,
        "compare",
        _run,
        "Compare two models on an input, or two recordings, layer by layer; exit code 0: the same, "
        "1: a layer parts, 2: could not compare.",
    )
    parser.add_argument("one", metavar="A", help=f"the reference: {options.MODEL}; or a recording")
    parser.add_argument("other", metavar="B", help="what is compared with it: the same")
    parser.add_argument(
        "input",
        nargs="*",
        metavar="INPUT",
        help=options.INPUT + "; in the layout of A, and none where A or B is a recording",
    )
    parser.add_argument(
        "--tolerance",
        type=options.amount,
        metavar="ERROR",
        help="the relative error up to which two layers are the same (default: what floating point "
        "alone explains, which is measured)",
    )
    parser.add_argument(
        "--step",
        type=options.index,
        action="append",
        metavar="N",
        help="of recordings, which step; given twice, that of A and that of B (default: the last "
        "that both have)",
    )
    parser.add_argument(
        "--layers",
        action="append",
        default=[],
        metavar="GLOB",
        help="layers of A, addresses or globs such as 'conv*'; may be given again (default: all)",
    )
    options.add_input(parser)
    options.add_batches(parser)
    options.add_opening(parser)
    parser.add_argument(
        "--json", metavar="FILE", help="write all figures to a file ending in .json"
    )
    parser.add_argument(
        "--out",
        "-o",
        metavar="DIR",
        help="write pictures: the first layer that parts, the difference on the architecture, and "
        "the similarity of the layers",
    )
    parser.add_argument("--force", action="store_true", help="replace files that are there")


def _run(args: argparse.Namespace) -> int:
    from layerscope.instruments.comparison.compare import compare

    file = None if args.json is None else claim_file(args.json, (".json",), force=args.force)
    folder = None if args.out is None else claim_folder(args.out, force=args.force)
    steps = args.step or [None]
    with in_one_sentence(), Bar("Comparing"):
        comparison = compare(
            _opened(args, args.one),
            _opened(args, args.other),
            _input(args.input),
            layers=args.layers or None,
            tolerance=args.tolerance,
            step=steps[0] if len(steps) == 1 else tuple(steps),
            **Reading.of(args).options(),
        )
        if file is not None:
            lines = json_lines(comparison.to_json())
            with whole(file, overwrite=True) as part:
                part.write_text("\n".join([*lines, ""]), encoding="utf-8", newline="")
        if folder is not None:
            _draw(comparison, folder)
    say(*comparison.text(room()).split("\n"))
    for path in (args.json, args.out and f"{args.out}/"):
        if path:
            report(f"Written to {path}")
    return SAME if comparison.is_same else PARTS


def _opened(args: argparse.Namespace, name: str) -> Any:
    return name if is_run(name) else opened(args, name)


def _input(given: list[str]) -> Any:
    return None if not given else given[0] if len(given) == 1 else given


def _draw(comparison: Comparison, folder: OutputFolder) -> None:
    """Write the pictures of a comparison."""
    from layerscope.interfaces.api import diagram
    from layerscope.views.sheet import sheet

    pictures = {"diagram.png": diagram(comparison), "similarity.png": sheet(comparison)}
    first = comparison.first
    if first is not None and comparison.pair(first).relative_error >= 0:
        pictures["first.png"] = sheet(comparison, first)
    for name, picture in pictures.items():
        folder.write(name, picture.save)
