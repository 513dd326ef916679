"""``layerscope help``: the commands, or one of them with its options."""

from __future__ import annotations

import argparse
from typing import Any

from layerscope.core.errors import InputError
from layerscope.core.suggestions import did_you_mean
from layerscope.interfaces.cli import options


def add(commands: Any) -> None:
    """Add the command and its options."""
    parser = options.add_command(
        commands, "help", _run, "Print what commands there are, or the options of one of them."
    )
    topic = parser.add_argument("topic", nargs="?", metavar="COMMAND", help="one of the commands")
    topic.completer = lambda **_: commands.choices  # type: ignore[attr-defined]  # argcomplete's
    parser.set_defaults(parsers=commands.choices)


def _run(args: argparse.Namespace) -> None:
    parsers = args.parsers
    if args.topic is None:
        args.overview()
    elif args.topic in parsers:
        parsers[args.topic].print_help()
    else:
        near = did_you_mean(args.topic, parsers) or f"there are {', '.join(parsers)}."
        raise InputError(f"There is no command {args.topic!r}: {near}")
