"""``layerscope diagram``: the architecture of a model, as one picture."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from layerscope.core.console import say
from layerscope.core.progress import Bar
from layerscope.interfaces.cli import options
from layerscope.interfaces.cli.model import Reading, opened, passes_of, ran
from layerscope.interfaces.cli.output import claim_file, safe


def add(commands: Any) -> None:
    """Add the command and its options."""
    parser = options.add_command(
        commands, "diagram", _run, "Draw the architecture of a model as one picture."
    )
    options.add_model(parser)
    parser.add_argument(
        "input",
        nargs="*",
        metavar="INPUT",
        help=options.INPUT + "; with it each box carries a map of what its layer returned",
    )
    options.add_all(parser)
    options.add_input(parser)
    parser.add_argument(
        "--out",
        "-o",
        metavar="FILE",
        help="what to write: an .svg, .png or .pdf file (default: NAME.svg)",
    )
    parser.add_argument(
        "--force", action="store_true", help="replace the file where there is one already"
    )
    parser.add_argument(
        "--style",
        choices=("vertical", "horizontal", "volume"),
        default="vertical",
        help="vertical (default), horizontal, or volume: boxes in proportion to height, width and "
        "channels",
    )
    parser.add_argument(
        "--depth", type=options.index, metavar="N", help="how many levels of blocks to open"
    )
    parser.add_argument(
        "--expand",
        action="append",
        default=[],
        metavar="GLOB",
        help="a block to open and to draw by itself, whatever --depth says; may be given again",
    )
    parser.add_argument(
        "--no-collapse", action="store_true", help="draw repeated blocks one by one"
    )
    parser.add_argument("--no-shapes", action="store_true", help="leave out the shapes")
    parser.add_argument("--no-names", action="store_true", help="leave out the names of layers")
    parser.add_argument(
        "--unit",
        type=options.index,
        metavar="N",
        help="which channel to show (default: the one that varies most)",
    )
    parser.add_argument(
        "--wrap",
        type=options.index,
        metavar="N",
        help="in how many columns to draw it (default: as many as keep it at most about twice as "
        "long as wide; 1: none)",
    )
    parser.add_argument("--palette", default="viridis", metavar="NAME", help="default: viridis")
    parser.add_argument("--ground", choices=("dark", "light"), default="light")


def _run(args: argparse.Namespace) -> None:
    from layerscope.core.network import revealed
    from layerscope.instruments.describe import describe
    from layerscope.views.diagram import diagram
    from layerscope.views.render.palette import known

    known(args.palette)  # before anything is run
    kinds = (".svg", ".png", ".pdf")
    path = None if args.out is None else claim_file(args.out, kinds, force=args.force)
    model = opened(args)
    acts = None
    if args.input:
        _, acts = ran(passes_of(model, args.input, reading=Reading.of(args)))
    network = describe(model) if acts is None else acts.network
    network = revealed(network) if args.all else network
    if path is None:
        path = claim_file(f"{safe(network.name)}.svg", kinds, force=args.force)
    with Bar("Drawing"):
        picture = diagram(
            network,
            acts,
            style=args.style,
            depth=args.depth,
            expand=args.expand,
            collapse=False if args.no_collapse else None,
            show_shapes=not args.no_shapes,
            show_layer_names=not args.no_names,
            unit=args.unit,
            wrap=args.wrap,
            palette=args.palette,
            ground=args.ground,
        )
        picture.save(Path(path))
    say(f"Written to {path}")
