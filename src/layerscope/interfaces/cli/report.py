"""``layerscope report``: the page of a model or a recording as one file."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from layerscope.core.console import say
from layerscope.core.errors import InputError
from layerscope.core.files import whole
from layerscope.core.foreign_errors import in_one_sentence
from layerscope.core.progress import Bar
from layerscope.core.table import size_text
from layerscope.interfaces.cli import options
from layerscope.interfaces.cli.check import add_check, findings_for_page
from layerscope.interfaces.cli.model import Reading, opened, passes_of
from layerscope.interfaces.cli.open import opened_survey
from layerscope.interfaces.cli.output import claim_file
from layerscope.interfaces.cli.recorded import is_run, opened_run

if TYPE_CHECKING:
    from layerscope.instruments.portable import PortableProgram
    from layerscope.interfaces.page.subject import PageSubject

_MB = 1_000_000


def add(commands: Any) -> None:
    """Add the command and its options."""
    parser = options.add_command(
        commands, "report", _run, "Write the page of a model as one file, to keep and to send."
    )
    options.add_model(parser)
    parser.add_argument(
        "input",
        nargs="*",
        metavar="INPUT",
        help=options.INPUT + "; a recording in the place of MODEL has its own",
    )
    parser.add_argument(
        "--out",
        "-o",
        metavar="FILE",
        default="report.html",
        help="the .html file to write (default: report.html)",
    )
    parser.add_argument(
        "--force", action="store_true", help="replace the file where there is one already"
    )
    parser.add_argument(
        "--max-size",
        type=options.number,
        default=25.0,
        metavar="MB",
        help="how large the file may become, in megabytes (default: 25); what is left out for it, "
        "the page says",
    )
    parser.add_argument(
        "--live",
        action="store_true",
        help="put the network itself into the file: what one draws passes through it, without "
        "Python (up to 2 million weights)",
    )
    parser.add_argument(
        "--survey",
        metavar="SURVEY",
        help="a folder that layerscope survey wrote: units show what they fired for",
    )
    add_check(parser)
    options.add_input(parser)


def _run(args: argparse.Namespace) -> None:
    path = claim_file(args.out, (".html", ".htm"), force=args.force)
    subject, program = _subject(args)
    from layerscope.interfaces.page.page_file import Limits, PageFile

    with Bar("Seeing how large it gets"):
        file = PageFile(subject, Limits(round(args.max_size * _MB)), program)
    say(f"{_counted(file.extract.samples, 'sample')}, about {size_text(file.expected)}")
    with whole(path, overwrite=args.force) as part:
        with Bar("Packing") as bar:
            document = file.html(bar.show)
        part.write_text(document, encoding="utf-8", newline="")
    say(
        *(f"Left out: {sentence}" for sentence in file.left_out),
        f"Written to {path}: {size_text(Path(path).stat().st_size)}",
    )


def _subject(args: argparse.Namespace) -> tuple[PageSubject, PortableProgram | None]:
    from layerscope.interfaces.page.opening import page_subject, program_of

    if is_run(args.model):
        if args.input:
            raise InputError(
                f"{args.model!r} is a recording and has its own input: leave out {args.input[0]!r}."
            )
        if args.live:
            raise InputError(
                f"--live is for a model, and {args.model!r} is a recording: name the model itself."
            )
        run, survey = opened_run(args.model), opened_survey(args)
        findings = findings_for_page(args, run=run)
        return page_subject(run, survey=survey, examination=findings), None
    if not args.input:
        raise InputError(
            f"There is no INPUT to run {args.model!r} on: name an image, an array, digits:7 or "
            "noise."
        )
    survey = opened_survey(args)
    model, reading = opened(args), Reading.of(args)
    x = passes_of(model, args.input, reading=reading).x
    findings = findings_for_page(args, model, survey=survey)
    subject = page_subject(model, x, survey=survey, examination=findings, **reading.options())
    if not args.live:
        return subject, None
    with in_one_sentence(), Bar("Checking that the page computes the same"):
        return subject, program_of(subject, model, x, **reading.options())


def _counted(count: int, name: str) -> str:
    return f"{count:,} {name}{'s' * (count != 1)}"
