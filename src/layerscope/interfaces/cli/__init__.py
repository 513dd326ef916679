# PYTHON_ARGCOMPLETE_OK
"""The shell: ``layerscope look``, ``describe``, ``diagram``, ``weights``, ``features`` and so on.

One file per command; each reads its options, calls instruments and views, and writes what they
return. Whatever the user can cause is one sentence on stderr and exit code 2.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from layerscope._version import __version__
from layerscope.core import console
from layerscope.core.errors import LayerscopeError
from layerscope.interfaces.cli import (
    attribute,
    check,
    compare,
    demo,
    describe,
    diagram,
    examples,
    export,
    fate,
    features,
    film,
    look,
    quiz,
    record,
    report,
    site,
    survey,
    timeline,
    weights,
)
from layerscope.interfaces.cli import help as help_command
from layerscope.interfaces.cli import open as open_page
from layerscope.interfaces.cli.chatter import without_chatter
from layerscope.interfaces.cli.freed_memory import keep_freed_memory
from layerscope.interfaces.cli.parser import FAILED, Parser

_STOPPED, _PIPE_CLOSED = 130, 141

_COMMANDS = (
    look,
    describe,
    diagram,
    weights,
    features,
    attribute,
    survey,
    check,
    examples,
    compare,
    record,
    timeline,
    fate,
    film,
    export,
    report,
    site,
    quiz,
    open_page,
    demo,
    help_command,
)

#: The commands that run a network on one batch after the other, and then end.
_IN_BATCHES = ("look", "survey", "record")

#: The options whose value is two numbers.
_PAIRS = ("--input-range", "--scale")


def run() -> None:
    """Run the command that the process was started with; the console entry point."""
    if "_ARGCOMPLETE" in os.environ:
        _complete()
    if sys.argv[1:2] and sys.argv[1] in _IN_BATCHES:
        keep_freed_memory()  # before a framework starts its threads
    with without_chatter():
        code = main()
    sys.exit(code)


def _complete() -> None:
    """Tell the shell that asks what could come next, and exit."""
    try:
        import argcomplete
    except ImportError:
        sys.exit(FAILED)  # whoever asks shows nothing that is printed
    argcomplete.autocomplete(command_parser())


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    try:
        args = command_parser().parse_args(_joined(sys.argv[1:] if argv is None else argv))
    except SystemExit as stopped:
        return stopped.code if isinstance(stopped.code, int) else FAILED
    try:
        code: int | None = args.command(args)
        sys.stdout.flush()
    except LayerscopeError as error:
        console.report(f"layerscope: error: {error}")
        return FAILED
    except KeyboardInterrupt as stopped:
        # A command that knows how to go on says so in the exception.
        console.report(
            f"layerscope: {str(stopped) or 'stopped; the files written so far are complete.'}"
        )
        return _STOPPED
    except BrokenPipeError:
        # Python would complain as it flushes stdout at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _PIPE_CLOSED
    return code or 0


def _joined(argv: Sequence[str]) -> list[str]:
    """Return the arguments, with ``--input-range -1,1`` made ``--input-range=-1,1``.

    argparse takes what begins with a minus for an option, unless it is a single number.
    """
    joined: list[str] = []
    for argument in argv:
        if joined and joined[-1] in _PAIRS and argument[:1] == "-" and argument[1:2].isdigit():
            joined[-1] += f"={argument}"
        else:
            joined.append(argument)
    return joined


_OVERVIEW = """\
first steps:
  layerscope demo                       train a small network, and look into it
  layerscope look MODEL photo.png       every layer's activations, as pictures
  layerscope open MODEL photo.png       the same on a page, to explore
  layerscope help look                  what else a command can do

MODEL is a file of Keras, PyTorch, ONNX or scikit-learn, or package.module:name.
"""


def command_parser() -> argparse.ArgumentParser:
    """Return the commands and their options."""
    parser = Parser(
        prog="layerscope",
        description="See inside neural networks: every channel of every layer.",
        epilog=_OVERVIEW,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"layerscope {__version__}")
    parser.set_defaults(command=_overview, overview=parser.print_help)
    commands = parser.add_subparsers(metavar="COMMAND")
    for module in _COMMANDS:
        module.add(commands)
    for each in (parser, *commands.choices.values()):
        each.commands = commands.choices
    return parser


def _overview(args: argparse.Namespace) -> None:
    args.overview()
