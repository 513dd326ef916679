"""``layerscope record``: a recording of a training, from the checkpoints that it left."""

from __future__ import annotations

import argparse
from typing import Any

from layerscope.core.console import say
from layerscope.core.foreign_errors import in_one_sentence
from layerscope.core.progress import Bar
from layerscope.interfaces.cli import options
from layerscope.interfaces.cli.model import Reading


def add(commands: Any) -> None:
    """Add the command and its options."""
    parser = options.add_command(
        commands, "record", _run, "Record what a network made of an input at each checkpoint."
    )
    parser.add_argument(
        "checkpoints",
        nargs="+",
        metavar="CHECKPOINT",
        help="a model file; the numbers in their names tell their order, their epochs and metrics",
    )
    parser.add_argument(
        "--probe",
        action="append",
        required=True,
        metavar="INPUT",
        help=options.INPUT + "; may be given again",
    )
    parser.add_argument(
        "--out", "-o", required=True, metavar="RUN", help="the folder to write, or a URL"
    )
    parser.add_argument("--force", action="store_true", help="replace the recording that is there")
    parser.add_argument(
        "--layers",
        action="append",
        default=[],
        metavar="GLOB",
        help="an address or a glob, such as 'conv*'; may be given again (default: all)",
    )
    parser.add_argument(
        "--classes",
        metavar="NAMES",
        help="the names of the outputs, whose probabilities become metrics: NAME,NAME,… or a file",
    )
    parser.add_argument(
        "--dtype",
        choices=("float16", "float32", "uint8"),
        default="float16",
        help="how values are stored (default: float16)",
    )
    parser.add_argument(
        "--budget", metavar="SIZE", help="what the recording may take, such as '2 GB'"
    )
    options.add_input(parser)
    options.add_opening(parser)


def _run(args: argparse.Namespace) -> None:
    from layerscope.core.errors import OutputError
    from layerscope.inputs.classes import classes_of
    from layerscope.instruments.record.checkpoints import record_checkpoints
    from layerscope.recordings.store import holds_run

    if not args.force and holds_run(args.out):
        raise OutputError(f"There is a recording {args.out!r} already: name another, or --force.")
    classes = None if args.classes is None else classes_of(args.classes)
    with Bar("Recording checkpoints") as bar, in_one_sentence():
        plan = record_checkpoints(
            args.out,
            args.checkpoints,
            args.probe[0] if len(args.probe) == 1 else args.probe,
            layers=args.layers or None,
            classes=classes,
            dtype=args.dtype,
            budget=args.budget,
            overwrite=args.force,
            quiet=True,
            watch=lambda path, number, count: bar.show(number - 1, count),
            architecture=args.architecture,
            imports=args.imports,
            backend=args.backend,
            trust=args.trust,
            **Reading.of(args).options(),
        )
    say(f"Recorded {plan}", f"Written to {args.out}")
