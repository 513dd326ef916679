"""``layerscope weights``: the kernels of a model, as pictures and as a table."""

from __future__ import annotations

import argparse
from typing import Any

from layerscope.core.console import say
from layerscope.core.progress import Bar
from layerscope.interfaces.cli import options
from layerscope.interfaces.cli.model import opened
from layerscope.interfaces.cli.output import claim_folder, file_name, safe
from layerscope.interfaces.cli.tables import summary_csv, summary_table


def add(commands: Any) -> None:
    """Add the command and its options."""
    parser = options.add_command(
        commands, "weights", _run, "Write a picture of every kernel, and print a table of weights."
    )
    options.add_model(parser)
    options.add_pictures(parser, palette=None)
    options.add_output(parser, "layerscope-NAME-weights")


def _run(args: argparse.Namespace) -> None:
    from layerscope.core.errors import ViewError
    from layerscope.instruments.summary import summary
    from layerscope.instruments.weights import weights
    from layerscope.views.sheet import sheet

    model = opened(args)
    recording = weights(model)
    folder = args.out or f"layerscope-{safe(recording.network.name)}-weights"
    output = claim_folder(folder, force=args.force)
    kernels = [key for key in recording if recording[key].ndim > 1]
    left_out = []
    with Bar("Drawing kernels", len(kernels)) as bar:
        for number, key in enumerate(bar.over(kernels), 1):
            values = recording[key]
            reshape = args.reshape
            if reshape is not None and values.shape[0] != reshape[0] * reshape[1]:
                reshape = None  # it is for the first layer of an MLP; the others have other lengths
            try:
                panel = sheet(
                    recording,
                    key,
                    columns=args.columns,
                    palette=args.palette,
                    reshape=reshape,
                    ground=args.ground,
                )
            except ViewError as error:
                left_out.append(f"Note: no picture of {key}: {error}")
                continue
            output.write(file_name(number, len(kernels), key), panel.save)
    rows = summary(recording)
    output.write_text("summary.csv", summary_csv(rows))
    say(*summary_table(rows, blanks=False), *left_out, f"Written to {output.path}/")
