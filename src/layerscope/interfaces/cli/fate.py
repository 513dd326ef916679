"""``layerscope fate``: what became of every unit over the steps of a recording."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from layerscope.core.console import room, say
from layerscope.core.progress import Bar
from layerscope.core.table import text_table
from layerscope.interfaces.cli import options
from layerscope.interfaces.cli.output import claim_file
from layerscope.interfaces.cli.recorded import add_run, opened_run
from layerscope.interfaces.cli.tables import json_lines

if TYPE_CHECKING:
    from layerscope.recordings.fates import Fates
    from layerscope.recordings.run import Run

_KINDS = (".png", ".svg", ".pdf")


def add(commands: Any) -> None:
    """Add the command and its options."""
    parser = options.add_command(
        commands,
        "fate",
        _run,
        "Print what became of every unit over the steps of a recording: born silent, woke, died, "
        "revived.",
    )
    add_run(parser)
    parser.add_argument(
        "address",
        nargs="?",
        metavar="ADDRESS",
        help="a layer, a glob of layers, or a unit (conv2d:29), whose fate is told unit by unit",
    )
    parser.add_argument(
        "--out",
        "-o",
        metavar="FILE",
        help="a .png, .svg or .pdf file to draw it to: a strip for each layer, units by steps; of "
        "a unit its maps before and after (default: none)",
    )
    parser.add_argument(
        "--force", action="store_true", help="replace the file where there is one already"
    )
    options.add_json(parser)


def _run(args: argparse.Namespace) -> None:
    path = claim_file(args.out, _KINDS, force=args.force) if args.out else None
    run = opened_run(args.run)
    layer, unit = _place(run, args.address)
    fates = run.fate(layer)
    if args.json:
        say(*json_lines(fates.to_json(unit)))
    elif unit is not None:
        say(str(fates.unit(unit)))
    else:
        say(*fates.lines(room()), *(_units(fates) if layer else ()))
    if path is not None:
        _draw(run, args.address, path, quiet=args.json)


def _place(run: Run, address: str | None) -> tuple[str | None, str | None]:
    """Return the layers that an address names, and the unit where it names one."""
    from layerscope.recordings.fates import unit_of

    if address is None:
        return None, None
    place = unit_of(run.activations.described, address)
    return (address, None) if place is None else (place.layer, str(place))


def _units(fates: Fates) -> list[str]:
    """Return a table of the units that were silent at some step."""
    rows = [[unit.address, unit.words] for unit in fates.units() if unit.fate != "fires throughout"]
    return ["", *text_table(["unit", "what became of it"], rows).split("\n")] if rows else []


def _draw(run: Run, address: str | None, path: Path, *, quiet: bool) -> None:
    from layerscope.views.fate import fate

    with Bar("Drawing"):
        fate(run, address).save(path)
    if not quiet:
        say(f"Written to {path}")
