"""``layerscope quiz``: a page that asks a class which of two samples makes a unit fire more."""

from __future__ import annotations

import argparse
from typing import Any

from layerscope.core.console import say
from layerscope.core.progress import Bar
from layerscope.interfaces.cli import options
from layerscope.interfaces.cli.output import claim_file


def add(commands: Any) -> None:
    """Add the command and its options."""
    parser = options.add_command(
        commands,
        "quiz",
        _run,
        "Write a page that asks which of two samples makes a unit fire more, and keeps the score.",
    )
    parser.add_argument("survey", metavar="SURVEY", help="a folder that layerscope survey wrote")
    parser.add_argument("address", metavar="LAYER", help="a layer, or one unit: conv2d:12")
    parser.add_argument(
        "--out",
        "-o",
        metavar="FILE",
        default="quiz.html",
        help="the .html file to write (default: quiz.html)",
    )
    parser.add_argument(
        "--questions",
        "-n",
        type=options.whole,
        default=20,
        metavar="N",
        help="how many questions (default: 20)",
    )
    parser.add_argument(
        "--seed",
        type=options.index,
        default=0,
        metavar="N",
        help="another number makes another quiz (default: 0)",
    )
    parser.add_argument(
        "--control",
        type=options.index,
        metavar="N",
        help="how many more have another unit's clue (default: one for about four)",
    )
    parser.add_argument(
        "--force", action="store_true", help="replace the file where there is one already"
    )


def _run(args: argparse.Namespace) -> None:
    path = claim_file(args.out, (".html", ".htm"), force=args.force)
    from layerscope.interfaces.quiz import quiz
    from layerscope.recordings.survey.store import open_survey

    survey = open_survey(args.survey)
    with Bar("Making the quiz"):
        quiz(
            survey,
            args.address,
            path,
            n=args.questions,
            seed=args.seed,
            control=args.control,
            overwrite=args.force,
        )
    say(f"Written to {path}")
