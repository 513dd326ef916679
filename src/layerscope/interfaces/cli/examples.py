"""``layerscope examples``: what a unit fired for, every unit of a layer, or a unit's card."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from layerscope.core.console import say
from layerscope.core.errors import InputError
from layerscope.core.progress import Bar
from layerscope.interfaces.cli import options
from layerscope.interfaces.cli.model import opened
from layerscope.interfaces.cli.output import claim_file, safe

if TYPE_CHECKING:
    from layerscope.recordings.survey.survey import Survey
    from layerscope.views.render.panel import Panel

_KINDS = (".png", ".svg", ".pdf")


def add(commands: Any) -> None:
    """Add the command and its options."""
    parser = options.add_command(
        commands,
        "examples",
        _run,
        "Draw what a unit of a survey fired for; of a layer, a row of examples for every unit.",
    )
    parser.add_argument("survey", metavar="SURVEY", help="a folder that layerscope survey wrote")
    parser.add_argument("address", metavar="ADDRESS", help="a unit (mixed4:42), or a layer")
    parser.add_argument(
        "--which",
        choices=("top", "weak", "drawn"),
        default="top",
        help="the strongest samples (default), the weakest, or some drawn evenly over all",
    )
    parser.add_argument(
        "--count",
        "-n",
        type=options.whole,
        metavar="N",
        help="how many samples at most (default: 9; of a layer 5 for each unit)",
    )
    parser.add_argument(
        "--whole", action="store_true", help="show samples whole, not cut to what the unit sees"
    )
    parser.add_argument(
        "--card", action="store_true", help="draw the unit's card: all that is known of it"
    )
    parser.add_argument(
        "--model",
        metavar="MODEL",
        help="the model that was surveyed, for its maps, kernels, images",
    )
    options.add_opening(parser)
    parser.add_argument(
        "--preprocess",
        metavar="NAME",
        help="the function package.module:name that images went through, where there was one",
    )
    parser.add_argument(
        "--words", metavar="FILE", help="what the numbers of words stand for: one on each line"
    )
    parser.add_argument(
        "--reshape", type=options.size, metavar="H,W", help="the shape of vectors that are images"
    )
    parser.add_argument(
        "--out",
        "-o",
        metavar="FILE",
        help="a .png, .svg or .pdf file (default: the address, with .png)",
    )
    parser.add_argument(
        "--force", action="store_true", help="replace the file where there is one already"
    )


def _run(args: argparse.Namespace) -> None:
    from layerscope.recordings.survey.store import open_survey

    path = claim_file(args.out or f"{safe(args.address)}.png", _KINDS, force=args.force)
    survey = open_survey(args.survey)
    words = None if args.words is None else options.lines(args.words)
    place = survey.place(args.address)
    if place.unit is None and (args.card or args.model):
        raise InputError(
            f"{args.address!r} is a layer: --card and --model are for a unit, such as "
            f"{args.address + ':0'!r}."
        )
    with Bar("Drawing"):
        if place.unit is None:
            panel = _of_layer(survey, args, words)
        else:
            panel = _of_unit(survey, args, words)
        panel.save(path)
    say(f"Written to {path}")


def _of_layer(survey: Survey, args: argparse.Namespace, words: list[str] | None) -> Panel:
    from layerscope.views.survey.unit_rows import unit_rows

    return unit_rows(survey, args.address, columns=args.count, words=words, reshape=args.reshape)


def _of_unit(survey: Survey, args: argparse.Namespace, words: list[str] | None) -> Panel:
    from layerscope.interfaces.api import card, examples

    model = None if args.model is None else opened(args)
    shared: dict[str, Any] = {
        "model": model, "preprocess": args.preprocess, "words": words, "reshape": args.reshape,
    }  # fmt: skip
    if args.card:
        return card(survey, args.address, **shared)
    crop = False if args.whole else None
    return examples(survey, args.address, which=args.which, n=args.count or 9, crop=crop, **shared)
