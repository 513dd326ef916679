"""``layerscope open``: a local page on which one explores a network."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING, Any

from layerscope.core.console import say
from layerscope.core.errors import InputError
from layerscope.core.progress import Bar
from layerscope.interfaces.cli import options
from layerscope.interfaces.cli.model import Reading, opened, passes_of
from layerscope.interfaces.cli.recorded import RUN, is_run, opened_run

if TYPE_CHECKING:
    from layerscope.interfaces.page.subject import PageSubject


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
    from layerscope.interfaces.serve import check_installed, server_of

    check_installed()  # before a model is opened
    subject = _subject(args)
    where = {"host": args.host, "port": args.port, "allow_remote": args.allow_remote}
    with server_of(subject, **where) as server:
        try:
            say(server.url)
            sys.stdout.flush()  # whoever reads it by a pipe does not wait for the end
            if not args.no_browser:
                from layerscope.interfaces.server.browser import open_browser

                open_browser(server.url_for_once())
            server.wait()
        except KeyboardInterrupt:
            raise KeyboardInterrupt("the page is closed.") from None


def _subject(args: argparse.Namespace) -> PageSubject:
    from layerscope.interfaces.page.opening import page_subject

    if is_run(args.model):
        if args.input or args.run:
            raise InputError(
                f"{args.model!r} is a recording and has its own input: leave out "
                f"{(args.input or [args.run])[0]!r}, or name the model first and this with --run."
            )
        return page_subject(opened_run(args.model))
    if not args.input and not args.run:
        raise InputError(
            f"There is no INPUT to run {args.model!r} on: name an image, an array, digits:7 or "
            "noise."
        )
    run = opened_run(args.run) if args.run else None
    model, reading = opened(args), Reading.of(args)
    x = passes_of(model, args.input, reading=reading).x if args.input else None
    with Bar("Running the model"):
        subject = page_subject(model, x, run, code=_code(args), **reading.options())
        subject.outline()  # what is wrong with the model or its input is said here
    return subject


def _code(args: argparse.Namespace) -> dict[str, str]:
    """Return the lines of Python that do the same."""
    how = {
        "architecture": args.architecture,
        "imports": args.imports or None,
        "backend": args.backend,
        "trust": args.trust or None,
    }
    reading = Reading.of(args).options()
    usual = Reading().options()
    x: Any = args.input[0] if len(args.input) == 1 else args.input
    model = _call("ls.load_model", args.model, {k: v for k, v in how.items() if v is not None})
    changed = {name: value for name, value in reading.items() if value != usual[name]}
    acts = f"acts = {_call('ls.activations', x, changed, 'model, ')}"
    opening = f"import layerscope as ls\nmodel = {model}\n"
    return {"acts": opening + acts, "weights": f"{opening}weights = ls.weights(model)"}


def _call(function: str, argument: Any, options: dict[str, Any], before: str = "") -> str:
    words = "".join(f", {name}={value!r}" for name, value in options.items())
    return f"{function}({before}{argument!r}{words})"
