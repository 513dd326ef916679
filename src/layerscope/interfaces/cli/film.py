"""``layerscope film``: a recording over its steps, or over its samples, as a film."""

from __future__ import annotations

import argparse
import math
from typing import TYPE_CHECKING, Any

from layerscope.core.console import say
from layerscope.core.errors import ViewError
from layerscope.core.progress import Bar
from layerscope.interfaces.cli import options
from layerscope.interfaces.cli.output import claim_file, safe
from layerscope.interfaces.cli.recorded import (
    add_run,
    add_sample,
    opened_run,
    part_of,
    sample_of,
)

if TYPE_CHECKING:
    from layerscope.recordings.run import Run


def add(commands: Any) -> None:
    """Add the command and its options."""
    parser = options.add_command(
        commands, "film", _run, "Write a film of a layer over the steps of a recording."
    )
    add_run(parser)
    parser.add_argument(
        "address",
        metavar="ADDRESS",
        help="a layer (conv2d), a channel (conv2d:29), a parameter (conv2d/kernel), input, or "
        "passage: the pattern in every layer",
    )
    parser.add_argument(
        "--out",
        "-o",
        metavar="FILE",
        help="what to write: a .webp, .gif or .mp4 file (default: ADDRESS.webp)",
    )
    parser.add_argument(
        "--force", action="store_true", help="replace the file where there is one already"
    )
    parser.add_argument(
        "--fps", type=options.number, default=8.0, metavar="N", help="frames a second (default: 8)"
    )
    parser.add_argument(
        "--along",
        choices=("step", "sample"),
        default="step",
        help="over the steps (default), or over the samples of one step",
    )
    parser.add_argument(
        "--step",
        type=options.index,
        metavar="N",
        help="with --along sample, of which step, by its number (default: the last)",
    )
    add_sample(parser)


def _run(args: argparse.Namespace) -> None:
    from layerscope.views.film import film
    from layerscope.views.render.encoding import KINDS

    if args.step is not None and args.along != "sample":
        raise ViewError("--step is for a film over samples: pass --along sample too.")
    path = claim_file(args.out or f"{safe(args.address)}.webp", KINDS, force=args.force)
    run = opened_run(args.run)
    with Bar("Drawing frames") as bar:
        written = film(
            part_of(run, args.address),
            args.address,
            path,
            fps=args.fps,
            along=args.along,
            sample=sample_of(run, args.sample or 0),
            step=args.step,
            columns=args.columns,
            scale=args.scale,
            palette=args.palette,
            ground=args.ground,
            reshape=args.reshape,
            overwrite=True,  # claim_file has seen to it
            progress=bar.show,
        )
    count = f"{written.frames} frame{'s' * (written.frames != 1)}"
    say(f"Written to {written.path}: {count} of {written.size[0]} × {written.size[1]} pixels")
    hint = None if args.reshape else _square(run, args.address)
    if hint:
        say(f"With --reshape {hint} the weights of each unit are an image.")


def _square(run: Run, address: str) -> str:
    """Return the sides of images that the rows of a weight matrix make; empty for none."""
    weights = run.weights
    if address not in weights or set(weights.axes(address)) != {"step", "input", "unit"}:
        return ""
    flattened = "input_shape" in weights.part(address, slice(0, 0)).attrs  # drawn so by itself
    count = weights.axes(address)["input"]
    side = math.isqrt(count)
    return f"{side},{side}" if side > 1 and side * side == count and not flattened else ""
