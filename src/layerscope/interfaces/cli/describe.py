"""``layerscope describe``: the layers of a model, as a table."""

from __future__ import annotations

import argparse
from typing import Any

from layerscope.interfaces.cli import options
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
    from layerscope.backends.opening import open_model
    from layerscope.instruments.describe import describe

    model = open_model(args.model, backend=args.backend, trust=args.trust)
    x = args.input[0] if len(args.input) == 1 else args.input or None
    say(str(describe(model, x)))
