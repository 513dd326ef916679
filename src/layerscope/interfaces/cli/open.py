"""``layerscope open``: a local page on which one explores a network."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING, Any

from layerscope.core.console import say
from layerscope.core.errors import InputError
from layerscope.core.progress import Bar
from layerscope.interfaces.cli import options
from layerscope.interfaces.cli.check import add_check, findings_for_page
from layerscope.interfaces.cli.model import Reading, opened, passes_of
from layerscope.interfaces.cli.recorded import RUN, is_run, opened_run

if TYPE_CHECKING:
    from layerscope.interfaces.page.subject import PageSubject
    from layerscope.recordings.survey.survey import Survey


def add(commands: Any) -> None:
    """Add the command and its options."""
    parser = options.add_command(
        commands, "open", _run, "Open a local page on which one explores a network."
    )
    options.add_model(parser)
    parser.add_argument(
        "input",
        nargs="*",
        metavar="INPUT",
        help=options.INPUT + "; a recording in the place of MODEL has its own",
    )
    parser.add_argument("--run", metavar="RUN", help=f"of the model's training, {RUN}")
    parser.add_argument(
        "--survey",
        metavar="SURVEY",
        help="a folder that layerscope survey wrote: units show what they fired for",
    )
    add_check(parser)
    parser.add_argument(
        "--against",
        metavar="MODEL",
        help="another model of the same architecture, to see how they differ",
    )
    options.add_classes(parser)
    options.add_input(parser)
    parser.add_argument(
        "--port",
        type=options.index,
        default=0,
        metavar="N",
        help="the port of the page (default: 0, any that is free)",
    )
    parser.add_argument(
        "--no-browser", action="store_true", help="only print the address, open no browser"
    )
    parser.add_argument(
        "--host",
        default="127.0.0.1",
        metavar="HOST",
        help="the name or address to listen at (default: 127.0.0.1, this machine alone)",
    )
    parser.add_argument(
        "--allow-remote",
        action="store_true",
        help="let --host be one that other machines reach: whoever has the address, which travels "
        "unencrypted, sees the model and makes this machine compute",
    )


def _run(args: argparse.Namespace) -> None:
    from layerscope.interfaces.serve import check_installed

    check_installed()  # before a model is opened
    where = {"host": args.host, "port": args.port, "allow_remote": args.allow_remote}
    show_page(_subject(args), browser=not args.no_browser, **where)


def show_page(subject: PageSubject, *, browser: bool = True, **where: Any) -> None:
    """Show a page until somebody stops it; its address is printed, and opened in a browser."""
    from layerscope.interfaces.serve import server_of

    with server_of(subject, **where) as server:
        try:
            say(server.url)
            sys.stdout.flush()  # whoever reads it by a pipe does not wait for the end
            if browser:
                from layerscope.interfaces.server.browser import open_browser

                open_browser(server.url_for_once())
            server.wait()
        except KeyboardInterrupt:
            raise KeyboardInterrupt("the page is closed.") from None


def _subject(args: argparse.Namespace) -> PageSubject:
    from layerscope.inputs.classes import classes_of
    from layerscope.interfaces.page.opening import page_subject

    classes = () if args.classes is None else classes_of(args.classes)
    if is_run(args.model):
        others = [*args.input, *filter(None, (args.run, args.against))]
        if others:
            raise InputError(
                f"{args.model!r} is a recording and has its own input: leave out {others[0]!r}, or "
                "name the model first and this with --run."
            )
        code = _code(args, args.model)
        survey, recording = opened_survey(args), opened_run(args.model)
        findings = findings_for_page(args, run=recording)
        return page_subject(
            recording, classes=classes, code=code, survey=survey, examination=findings
        )
    if not args.input and not args.run:
        raise InputError(
            f"There is no INPUT to run {args.model!r} on: name an image, an array, digits:7 or "
            "noise."
        )
    run = opened_run(args.run) if args.run else None
    if args.against and not args.input:
        raise InputError("There is no INPUT to compare two models on: name an image or noise.")
    survey = opened_survey(args)
    model, reading = opened(args), Reading.of(args)
    x = passes_of(model, args.input, reading=reading).x if args.input else None
    against = opened(args, args.against) if args.against else None
    findings = findings_for_page(args, model, run=run, survey=survey)
    with Bar("Running the model"):
        subject = page_subject(
            model,
            x,
            run=run,
            against=against,
            classes=classes,
            code=_code(args, args.run),
            survey=survey,
            examination=findings,
            **reading.options(),
        )
        subject.outline()  # what is wrong with the model or its input is said here
    return subject


def opened_survey(args: argparse.Namespace) -> Survey | None:
    """Return the survey that was named, if one was."""
    from layerscope.recordings.survey.store import open_survey

    return open_survey(args.survey) if args.survey else None


def _code(args: argparse.Namespace, run: str | None) -> dict[str, str]:
    """Return the lines of Python that make the model, its activations and the run."""
    opening = {
        "architecture": args.architecture,
        "imports": args.imports or None,
        "backend": args.backend,
        "trust": args.trust or None,
    }
    reading, usual = Reading.of(args).options(), Reading().options()
    changed = {name: value for name, value in reading.items() if value != usual[name]}
    x: Any = args.input[0] if len(args.input) == 1 else args.input
    code = {
        "model": f"model = ls.load_model({_arguments(args.model, opening)})",
        "acts": f"acts = ls.activations(model, {_arguments(x, changed)})",
    }
    if args.survey:
        code["s"] = f"s = ls.open_recording({args.survey!r})"
    return code if run is None else {**code, "run": f"run = ls.open_recording({run!r})"}


def _arguments(first: Any, named: dict[str, Any]) -> str:
    stated = [f"{name}={value!r}" for name, value in named.items() if value is not None]
    return ", ".join([repr(first), *stated])
