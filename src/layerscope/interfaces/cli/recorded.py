"""RUN: a recording over steps, as the commands that take one open it."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from layerscope.core.progress import Bar
from layerscope.interfaces.cli import options
from layerscope.interfaces.cli.pictures import sample_index

if TYPE_CHECKING:
    from layerscope.recordings.recording import Recording
    from layerscope.recordings.run import Run

RUN = "a recording: the folder that a Recorder has written, or its URL"


def add_run(parser: argparse.ArgumentParser) -> None:
    """Add RUN, which is opened by :func:`opened_run`."""
    parser.add_argument("run", metavar="RUN", help=RUN)


def add_sample(parser: argparse.ArgumentParser) -> None:
    """Add which sample, and how it is drawn."""
    parser.add_argument(
        "--sample",
        type=options.sample,
        metavar="N",
        help="which sample, counted from 0, or its name (default: the first)",
    )
    parser.add_argument(
        "--scale",
        type=options.scale,
        default="layer",
        metavar="SCALE",
        help="layer: one range over all steps (default); unit: one for each map; network; LO,HI",
    )
    options.add_pictures(parser, palette=None)


def is_run(name: str) -> bool:
    """Return whether MODEL is a recording rather than a model."""
    named = name.rstrip("/\\").endswith(".zarr")
    return named or "://" in name or (Path(name) / "zarr.json").is_file()


def opened_run(name: str) -> Run:
    """Return the recording of that name."""
    from layerscope.recordings.run import open_run

    with Bar("Opening the recording"):
        return open_run(name)


def part_of(run: Run, address: str) -> Run:
    """Return the activations or the weights of a run, whichever has the address."""
    return run.weights if address not in run and address in run.weights else run


def only(moment: Recording, layers: Sequence[str]) -> Recording:
    """Return a moment of a run with these layers, addresses or globs, or with all for none.

    Raises AddressError where nothing matches.
    """
    if not layers:
        return moment
    from layerscope.core.selection import matching
    from layerscope.recordings.recording import Recording

    kept = matching(moment.network, list(moment), list(layers))
    return Recording(
        {address: moment.named(address) for address in kept},
        network=moment.network,
        inputs={name: moment.named(name) for name in moment.inputs},
        notes=moment.notes,
        digest=lambda: moment.provenance,
        samples=moment.samples,
    )


def sample_of(run: Recording, sample: int | str) -> int:
    """Return the number of a sample that may be given by name."""
    return sample_index(run, sample) or 0
