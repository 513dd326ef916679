"""``layerscope demo``: trains the textbook's digits network and looks into it."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from layerscope.core.console import say
from layerscope.core.files import OutputFolder
from layerscope.core.progress import Bar
from layerscope.interfaces.cli import options
from layerscope.interfaces.cli.look import look
from layerscope.interfaces.cli.open import show_page
from layerscope.interfaces.cli.output import claim_folder
from layerscope.interfaces.cli.pictures import LookOptions

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from layerscope.recordings.recording import Recording

_FOLDER = "layerscope-demo"


def add(commands: Any) -> None:
    """Add the command and its options."""
    parser = options.add_command(
        commands, "demo", _run, "Train a small network on handwritten digits, and look into it."
    )
    parser.add_argument(
        "--dataset",
        choices=("digits", "mnist"),
        default="digits",
        help="digits come with scikit-learn (default); mnist is fetched by Keras",
    )
    parser.add_argument("--epochs", type=options.whole, metavar="N", help="passes over the data")
    parser.add_argument(
        "--open",
        action="store_true",
        help="at the end, open the page of the network and its training",
    )
    options.add_backend(parser)
    options.add_output(parser, f"./{_FOLDER}")


def _run(args: argparse.Namespace) -> None:
    if args.open:
        from layerscope.interfaces.serve import check_installed

        check_installed()  # before a minute of training
    output = claim_folder(args.out or _FOLDER, force=args.force)
    from layerscope.backends.availability import choose_keras_backend
    from layerscope.backends.keras import digits_network

    choose_keras_backend(args.backend)
    digits = digits_network.load(args.dataset)
    say(
        f"Training the textbook's digits network on {len(digits.x_train):,} digits; "
        f"{len(digits.x_held_out):,} are held out."
    )
    started = time.monotonic()
    recording = output.path / "training.zarr"

    def recorder(model: Any) -> list[Any]:
        from layerscope.instruments.record.recorder import Recorder

        output.path.mkdir(parents=True, exist_ok=True)
        probe = digits.each
        return [Recorder(recording, model, probe=probe, overwrite=args.force, quiet=True)]

    with Bar("Training") as bar:

        def watch(step: int, steps: int, accuracy: float) -> None:
            bar.show(step, steps, f"{accuracy:.1%} right")

        model, accuracy = digits_network.train(
            digits, epochs=args.epochs, watch=watch, callbacks=recorder
        )
    seconds = time.monotonic() - started
    say(f"{accuracy:.1%} of the digits held out are recognised; training took {seconds:.0f} s.")
    saved = output.write("digits.keras", model.save)
    picture = output.write("digit.png", lambda path: _save_digit(digits.example, path))
    say("", f"layerscope look {saved} {picture}")
    acts = look(model, picture, output, LookOptions())
    assert acts is not None, "a single picture is one pass"
    _write_extras(model, acts, output)
    _write_learning(recording, output)
    _say_what_to_open(output.path)
    say(
        "",
        "All of it on one page, the training step by step:",
        f"  layerscope open {saved} --run {recording}",
    )
    if args.open or _asked():
        _open_page(model, recording)


def _save_digit(digit: npt.NDArray[np.float32], path: Path) -> None:
    from PIL import Image

    Image.fromarray((digit * 255).round().astype("uint8")).save(path)


def _write_extras(model: Any, acts: Recording, output: OutputFolder) -> None:
    """Write one channel through all the layers, and the kernels of both convolutions."""
    from layerscope.instruments.weights import weights
    from layerscope.views.across import across
    from layerscope.views.sheet import sheet

    output.write("across-channel-5.png", across(acts, 5).save)
    kernels = weights(model)
    for key in kernels:
        if kernels[key].ndim == 4:
            name = f"kernels-{key.partition('/')[0]}.png"
            output.write(name, sheet(kernels, key).save)


def _write_learning(recording: Path, output: OutputFolder) -> None:
    """Write what the training did, as a film, a timeline and curves."""
    from layerscope.recordings.run import open_run
    from layerscope.views.curves import curves
    from layerscope.views.film import film
    from layerscope.views.timeline import timeline

    run = open_run(recording)
    three = 3  # the probe is a 0, a 1, a 2 and so on
    with Bar("Drawing the film"):
        output.write(
            "learning.webp", lambda path: film(run, "conv2d_1", path, sample=three, overwrite=True)
        )
    output.write("learning-channel-5.png", timeline(run, "conv2d_1:5", sample=three).save)
    output.write("learning-curves.png", curves(run).save)


def _asked() -> bool:
    """Return whether somebody at a terminal wants to see the page now."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        return False
    from layerscope.backends.availability import installed

    if not all(map(installed, ("starlette", "uvicorn"))):
        return False
    try:
        return input("Open it now? [Y/n] ").strip().lower() in ("", "y", "yes")
    except EOFError:
        return False


def _open_page(model: Any, recording: Path) -> None:
    """Show the page of the network and its training until somebody stops it."""
    from layerscope.interfaces.page.opening import page_subject
    from layerscope.recordings.run import open_run

    show_page(page_subject(model, run=open_run(recording)))


def _say_what_to_open(folder: Path) -> None:
    say(
        "",
        f"Written to {folder}/. Open first:",
        "  digits-passage.svg     the digit on its way through the network",
        "  01-conv2d.png          every channel of the first convolution",
        "  across-channel-5.png   one channel through all the layers that have it",
        "  kernels-conv2d.png     what the first convolution looks for",
        "  learning.webp          the second convolution at every epoch of the training, a film",
        "  learning-curves.png    what the training did to each layer",
        "  summary.csv            the figures above",
        "  digits.keras           the network: layerscope describe digits.keras",
        "  training.zarr          the recording of its training: layerscope timeline training.zarr",
    )
