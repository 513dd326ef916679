"""The options that several commands have, and how they are read."""

from __future__ import annotations

import argparse
import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from layerscope.core.errors import InputError

_NUMBER = re.compile(r"[-+]?[0-9]+([.,][0-9]*)?")

INPUT = (
    "an image; an array in a .npy or .npz file (file.npz:name for one of several); a folder or a "
    "glob of these; digits:7, digits, noise or zeros; several are a batch, or one for each input "
    "of the model"
)
MODEL = (
    "a model file of Keras, PyTorch, ONNX or scikit-learn, or an importable package.module:name, "
    "a model or what returns one; name(arg=value) is called with these arguments"
)


def add_command(
    commands: Any, name: str, function: Callable[[argparse.Namespace], int | None], summary: str
) -> argparse.ArgumentParser:
    """Return a subcommand that calls the function, whose number is the exit code, None 0."""
    parser: argparse.ArgumentParser = commands.add_parser(
        name, help=summary, description=summary, allow_abbrev=False
    )
    parser.set_defaults(command=function)
    return parser


def add_model(parser: argparse.ArgumentParser) -> None:
    """Add MODEL, and how to open it."""
    parser.add_argument("model", metavar="MODEL", help=MODEL)
    add_opening(parser)


def add_opening(parser: argparse.ArgumentParser) -> None:
    """Add how to open a model file."""
    add_backend(parser)
    parser.add_argument(
        "--architecture",
        metavar="NAME",
        help="what a file of weights alone is loaded into: package.module:Class(args), or a JSON "
        "file of Keras",
    )
    parser.add_argument(
        "--import",
        dest="imports",
        action="append",
        default=[],
        metavar="MODULE",
        help="a module to import first, which registers your own Keras classes; may be given again",
    )
    parser.add_argument(
        "--trust",
        action="store_true",
        help="open a pickle (.pkl, .joblib, a whole PyTorch module), which can run any code",
    )


def add_backend(parser: argparse.ArgumentParser) -> None:
    """Add what Keras runs on."""
    parser.add_argument(
        "--backend",
        choices=("jax", "tensorflow", "torch"),
        help="what Keras runs on (default: KERAS_BACKEND, Keras' own configuration where that "
        "framework is installed, else the first one installed)",
    )


def add_output(parser: argparse.ArgumentParser, default: str) -> None:
    """Add where to write."""
    parser.add_argument("--out", metavar="DIR", help=f"where to write (default: {default})")
    parser.add_argument(
        "--force",
        action="store_true",
        help="write into a folder that is not empty; only files of the same names are replaced",
    )


def add_all(parser: argparse.ArgumentParser) -> None:
    """Add the option that shows plumbing."""
    parser.add_argument(
        "--all",
        action="store_true",
        help="show the plumbing of ONNX graphs, too: nodes that only work out shapes or hand on "
        "the same numbers",
    )


def add_input(parser: argparse.ArgumentParser) -> None:
    """Add how images become input."""
    parser.add_argument(
        "--input-range",
        type=input_range,
        default=(0.0, 1.0),
        metavar="LO,HI|raw",
        help="what an image's black and white become: 0,1 (default), -1,1, 0,255, or raw",
    )
    parser.add_argument(
        "--resize",
        choices=("stretch", "crop", "pad"),
        default="stretch",
        help="how an image gets the model's size: the whole image (default), its centre, or padded",
    )
    parser.add_argument(
        "--size",
        type=pair,
        metavar="H,W",
        help="the size of an image for a model that takes any (default: the image's own)",
    )
    parser.add_argument(
        "--preprocess",
        metavar="NAME",
        help="package.module:function, which makes input of images, 0 to 255, in place of "
        "--input-range: keras.applications.resnet50:preprocess_input",
    )


def add_json(parser: argparse.ArgumentParser) -> None:
    """Add whether programs are to read what is printed."""
    parser.add_argument(
        "--json", action="store_true", help="print JSON in place of tables, for programs to read"
    )


def add_batches(parser: argparse.ArgumentParser) -> None:
    """Add how many samples are run, and how many of them at a time."""
    parser.add_argument(
        "--batch-size",
        type=whole,
        metavar="N",
        help="samples to run at a time (default: of files as many as take half a gigabyte, up to "
        "32; of an array all)",
    )
    parser.add_argument(
        "--samples",
        type=whole,
        metavar="N",
        help="how many to take, from the first on (default: all)",
    )


def add_classes(parser: argparse.ArgumentParser) -> None:
    """Add what the classes of the answer are called."""
    parser.add_argument(
        "--classes",
        metavar="NAMES",
        help="the names of the classes: NAME,NAME,…, or a file of them, one on each line, or JSON "
        "(default: those that the model has)",
    )


def add_pictures(
    parser: argparse.ArgumentParser,
    palette: str | None = "viridis",
    help_text: str = "",
    tiles: str = "maps",
) -> None:
    """Add how pictures look; with no ``palette`` of their own, weights are drawn about zero."""
    parser.add_argument("--columns", type=whole, metavar="N", help=f"{tiles} in a row")
    both = "" if palette else "; for weights of both signs diverging"
    help_text = help_text or f"default: viridis{both}"
    parser.add_argument("--palette", default=palette, metavar="NAME", help=help_text)
    parser.add_argument(
        "--ground",
        choices=("dark", "light"),
        default="dark",
        help="what pictures stand on (default: dark)",
    )
    parser.add_argument(
        "--reshape",
        type=pair,
        metavar="H,W",
        help="show vectors of H×W values as images",
    )


def input_range(text: str) -> tuple[float, float] | str:
    """Read ``0,1`` or ``raw``."""
    return text if text == "raw" else _numbers(text)


def scale(text: str) -> tuple[float, float] | str:
    """Read the name of a scaling, or ``LO,HI``."""
    return text if text in ("unit", "layer", "network", "zscore") else _numbers(text)


def pair(text: str) -> tuple[int, int]:
    """Read ``3,3``: rows and columns, both at least 1."""
    parts = text.split(",")
    if len(parts) != 2:
        raise argparse.ArgumentTypeError(f"{text!r}: write two whole numbers, such as 3,3")
    return whole(parts[0]), whole(parts[1])


def whole(text: str) -> int:
    """Read a whole number, at least 1."""
    if not text.strip().isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r}: write a whole number from 1 up")
    return int(text)


def lines(name: str) -> list[str]:
    """Read a file of words, one on each line.

    Raises InputError where it can't be read.
    """
    try:
        return Path(name).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"The words {name!r} can't be read ({error}).") from error


def index(text: str) -> int:
    """Read a whole number, counted from 0."""
    if not text.strip().isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r}: write a whole number from 0 up")
    return int(text)


def number(text: str) -> float:
    """Read a number above 0."""
    value = _finite(text)
    if value is None or value <= 0:
        raise argparse.ArgumentTypeError(f"{text!r}: write a number above 0")
    return value


def amount(text: str) -> float:
    """Read a number, 0 or more."""
    value = _finite(text)
    if value is None or value < 0:
        raise argparse.ArgumentTypeError(f"{text!r}: write a number, 0 or more")
    return value


def limits(text: str) -> tuple[float, float]:
    """Read ``-1,1``: two numbers, the lower first."""
    return _rising(_two(text, "two numbers, such as 0,1"))


def factors(text: str) -> tuple[float, float]:
    """Read ``0.9,1.1``: two numbers, which may be equal."""
    return _two(text, "two numbers, such as 0.9,1.1")


def shares(text: str) -> tuple[float, float]:
    """Read ``0.5,0.05``: two numbers, in any order."""
    return _two(text, "two numbers, such as 0.5,0.05")


def size(text: str) -> tuple[int, int]:
    """Read ``H,W``, or one number for both."""
    if text.strip().isdecimal():
        return whole(text), whole(text)
    return pair(text)


def sample(text: str) -> int | str:
    """Read which sample: counted from 0, or by the name of its file."""
    return index(text) if _NUMBER.fullmatch(text.strip()) or not text.strip() else text


def _finite(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _numbers(text: str) -> tuple[float, float]:
    return _rising(_two(text, "one of the names, or two numbers, such as 0,1"))


def _two(text: str, what: str) -> tuple[float, float]:
    try:
        low, high = map(float, text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r}: write {what}") from None
    return low, high


def _rising(pair: tuple[float, float]) -> tuple[float, float]:
    if not pair[0] < pair[1]:
        written = ",".join(f"{value:g}" for value in pair)
        raise argparse.ArgumentTypeError(f"{written!r}: write the lower number first")
    return pair
