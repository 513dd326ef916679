"""``layerscope describe``: the layers of a model, as a table."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from layerscope.core.console import room, say
from layerscope.interfaces.cli import options
from layerscope.interfaces.cli.model import Reading, opened, passes_of, ran
from layerscope.interfaces.cli.tables import json_lines

if TYPE_CHECKING:
    from layerscope.core.network import Network


def add(commands: Any) -> None:
    """Add the command and its options."""
    parser = options.add_command(
        commands, "describe", _run, "Print the layers of a model, their settings and parameters."
    )
    options.add_model(parser)
    parser.add_argument(
        "input",
        nargs="*",
        metavar="INPUT",
        help=options.INPUT + "; a pass on it, or on the first of its files, shows the order and "
        "shapes that a model does not know by itself",
    )
    options.add_all(parser)
    options.add_input(parser)
    options.add_json(parser)


def _run(args: argparse.Namespace) -> None:
    from layerscope.instruments.describe import describe

    model = opened(args)
    if not args.input:
        network = describe(model)
    else:
        _, acts = ran(passes_of(model, args.input, reading=Reading.of(args)))
        network = acts.network
    if args.all:
        from layerscope.core.network import revealed  # imports NumPy

        network = revealed(network)
    if args.json:
        say(*json_lines(described(network)))
        return
    say(*network.text(room()).split("\n"))


def described(network: Network) -> dict[str, Any]:
    """Return what is printed as JSON: the description, and the totals of its parameters."""
    from layerscope.core.network import to_json

    totals = {
        "total": network.total,
        "trainable": network.trainable,
        "non_trainable": network.non_trainable,
        "nbytes": network.nbytes,
    }
    return {**to_json(network), "totals": totals}
