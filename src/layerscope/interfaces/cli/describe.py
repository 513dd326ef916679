"""``layerscope describe``: the layers of a model, as a table."""

from __future__ import annotations

import argparse
from typing import Any

from layerscope.interfaces.cli import options
from layerscope.interfaces.cli.model import as_input, opened, ran
from layerscope.interfaces.cli.output import say


def add(commands: Any) -> None:
    """The command and its options."""
    parser = options.add_command(
        commands, "describe", _run, "Print the layers of a model, their settings and parameters."
    )
    options.add_model(parser)
    parser.add_argument(
        "input",
        nargs="*",
        metavar="INPUT",
        help="an image or .npy file: a pass on it shows the order and shapes that a model does "
        "not know by itself",
    )


def _run(args: argparse.Namespace) -> None:
    from layerscope.instruments.describe import describe

    model = opened(args)
    network = ran(model, as_input(args.input)).network if args.input else describe(model)
    say(str(network))
