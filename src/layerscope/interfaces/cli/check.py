"""``layerscope check``: whether a network is well, in words, and by the exit code."""

from __future__ import annotations

import argparse
import textwrap
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from layerscope.core.console import room, say
from layerscope.core.errors import InputError
from layerscope.core.files import whole
from layerscope.core.foreign_errors import in_one_sentence
from layerscope.core.suggestions import did_you_mean
from layerscope.core.text import json_text
from layerscope.interfaces.cli import options
from layerscope.interfaces.cli.model import Reading, opened
from layerscope.interfaces.cli.output import claim_file
from layerscope.interfaces.cli.recorded import is_run
from layerscope.interfaces.cli.tables import json_lines

if TYPE_CHECKING:
    from layerscope.recordings.examination import ExaminationFinding, ExaminationReport
    from layerscope.recordings.run import Run
    from layerscope.recordings.survey.survey import Survey

FOUND = 1  #: the exit code where something was found that fails
_GRADES = ("failing", "notable")


def add(commands: Any) -> None:
    """Add the command and its options."""
    parser = options.add_command(
        commands,
        "check",
        _run,
        "Examine a network, or the recording of a training: what is broken, where, since when.",
    )
    parser.add_argument(
        "model",
        metavar="MODEL|RUN",
        help=f"{options.MODEL}; or a recording, or a survey (a folder that ends in .zarr)",
    )
    parser.add_argument(
        "data",
        nargs="*",
        metavar="DATA",
        help="what a model is examined on: a folder, arrays, a glob, or digits; some hundreds of "
        "samples as in training",
    )
    parser.add_argument("--run", metavar="RUN", help="the recording of the model's training")
    parser.add_argument(
        "--against", metavar="HEALTHY", help="a recording, or a survey, of a network that is well"
    )
    parser.add_argument(
        "--labels",
        metavar="FILE",
        help="the samples' labels: one on each line in their order, or 'name,label'; or a .npy "
        "file (default: those that the data have)",
    )
    parser.add_argument(
        "--loss",
        metavar="NAME",
        help="the loss that it was trained with, such as CrossEntropyLoss (default: what the model"
        " was compiled with)",
    )
    parser.add_argument(
        "--fail-on",
        type=_names,
        default="failing",
        metavar="NAMES",
        help="what the exit code is 1 for: kinds of findings such as dying,nan; failing (default) "
        "or notable, for all as grave as that; or none",
    )
    parser.add_argument(
        "--json", metavar="FILE", help="write the findings to a .json file, too; - for stdout alone"
    )
    parser.add_argument(
        "--pictures", metavar="DIR", help="a folder to write a picture of each finding to"
    )
    parser.add_argument(
        "--force", action="store_true", help="replace the files where there are some already"
    )
    options.add_opening(parser)
    options.add_input(parser)
    options.add_batches(parser)


def add_check(parser: argparse.ArgumentParser) -> None:
    """Add the option of a page that lists what is wrong with the network."""
    parser.add_argument(
        "--check",
        nargs="*",
        metavar="DATA",
        help="examine the network, and list what is wrong: a model on these data, some hundreds of "
        "samples as in training; without any, on its --survey or its --run; a recording by itself",
    )


def findings_for_page(
    args: argparse.Namespace,
    model: Any = None,
    *,
    run: Run | None = None,
    survey: Survey | None = None,
) -> ExaminationReport | None:
    """Return what ``--check`` asks for; None where nobody asked.

    Raises
    ------
    InputError
        When there is nothing that the model could be examined on.
    """
    if args.check is None:
        return None
    from layerscope.instruments.examination.examine import examine

    data = args.check[0] if len(args.check) == 1 else args.check
    if model is None and data:
        raise InputError(
            f"{args.model!r} is a recording, which has samples of its own: leave out what follows "
            "--check, or name the model first, and the recording with --run."
        )
    with in_one_sentence():
        if data:
            return examine(model, data, run=run, **Reading.of(args).options())
        if survey is not None:
            return examine(survey, run=run)
        if run is not None:
            return examine(run)
    raise InputError(
        "--check: a model is examined on data: name a folder or an array of samples as in "
        "training, or its --survey or --run."
    )


def _names(text: str) -> tuple[str, ...]:
    names = tuple(filter(None, (name.strip() for name in text.split(","))))
    if not names:
        raise argparse.ArgumentTypeError("pass kinds of findings such as dying,nan, or none")
    return names


def _run(args: argparse.Namespace) -> int:
    fail_on = _known(args.fail_on)
    quiet = args.json == "-"
    path = None if args.json is None or quiet else _claimed(args.json, force=args.force)
    pictures = None
    if args.pictures:
        from layerscope.interfaces.cli.output import claim_folder

        pictures = claim_folder(args.pictures, force=args.force, option="--pictures")
    report = _examined(args)
    if quiet:
        say(*json_lines(report.to_json()))
    else:
        say(*_wrapped(report.lines()))
    if path is not None:
        with whole(path, overwrite=True) as part:
            part.write_text(json_text(report.to_json(), indent=1), encoding="utf-8")
    if pictures is not None:
        for i, finding in enumerate(f for f in report.found if f.chart is not None):
            name = f"{i + 1:02}-{finding.kind}.png"
            pictures.write(name, finding.picture().save)
    return FOUND if any(_fails(finding, fail_on) for finding in report.found) else 0


def _examined(args: argparse.Namespace) -> ExaminationReport:
    from layerscope.instruments.examination.examine import examine
    from layerscope.instruments.survey.labels import read_labels

    if is_run(args.model):
        if args.data or args.labels:
            raise InputError(
                f"{args.model!r} is a recording, which has samples of its own: name the model "
                "first to examine it on data, and the recording with --run."
            )
        return examine(args.model, run=args.run, against=args.against, loss=args.loss)
    if not args.data:
        raise InputError(
            "A model is examined on data: name a folder or an array of samples as in training."
        )
    labels = None if args.labels is None else read_labels(args.labels)
    model = opened(args)
    with in_one_sentence():
        return examine(
            model,
            args.data[0] if len(args.data) == 1 else args.data,
            run=args.run,
            against=args.against,
            loss=args.loss,
            labels=labels,
            **Reading.of(args).options(),
        )


def _claimed(name: str, *, force: bool) -> Path:
    return claim_file(name, (".json",), force=force)


def _known(names: Iterable[str]) -> tuple[str, ...]:
    from layerscope.instruments.examination.registry import kinds

    known = (*kinds(), *_GRADES, "none")
    for name in names:
        if name not in known:
            hint = did_you_mean(name, known) or f"there are {', '.join(known)}."
            raise InputError(f"--fail-on {name}: there is no such finding; {hint}")
    return tuple(names)


def _fails(finding: ExaminationFinding, fail_on: tuple[str, ...]) -> bool:
    if "notable" in fail_on:
        return True
    return finding.kind in fail_on or ("failing" in fail_on and finding.severity == "failing")


def _wrapped(lines: Iterable[str]) -> list[str]:
    """Return lines as wide as the terminal; in a pipe or a file as they are."""
    width = room()
    if not width:
        return list(lines)
    wrapped: list[str] = []
    for line in lines:
        indent = "  " if line.startswith("  ") else ""
        wrapped += textwrap.wrap(
            line.strip(), max(width, 40), initial_indent=indent, subsequent_indent=indent * 2
        ) or [""]
    return wrapped
