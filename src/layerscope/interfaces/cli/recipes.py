"""The options that say how images for units are made, and what they come to."""

from __future__ import annotations

import argparse
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from layerscope.core.errors import InputError
from layerscope.interfaces.cli import options

if TYPE_CHECKING:
    from layerscope.instruments.features.ascent.task import Task
    from layerscope.instruments.features.image.recipes import Recipe

#: The options that are values of a recipe, by its own names for them.
_VALUES = (
    "steps", "step_size", "optimizer", "normalize", "octaves", "octave_scale", "detail", "size",
    "input_range", "start", "contrast", "parameterization", "decorrelate", "bounds", "border",
    "blur", "pad", "jitter", "scale", "rotate",
)  # fmt: skip
_SHORT = ("blur", "pad", "jitter", "scale", "rotate")  #: of those, what --transforms says too


@dataclass(frozen=True, slots=True)
class Making:
    """How images are made: what the options say."""

    recipe: Recipe
    samples: tuple[str, ...] = ()
    seed: int = 0
    batch: int = 1
    at_once: int | None = None
    retry: bool = True
    values: Any = field(default=None, compare=False)  #: the samples, as they are read

    @classmethod
    def of(cls, args: argparse.Namespace) -> Making:
        """Those of a command that has :func:`add_recipe`.

        Raises InputError for a value that makes no sense.
        """
        from layerscope.instruments.features.features import usual_recipe
        from layerscope.instruments.features.image.recipes import recipe

        changes = {name: getattr(args, name) for name in _VALUES}
        changes["transforms"] = _transforms(args)
        made = recipe(args.recipe or usual_recipe(args.start), **changes)
        samples = tuple(args.samples or ())
        return cls(
            made, samples, args.seed, args.batch, args.at_once, args.retry, _values_of(samples)
        )

    def options(self) -> dict[str, Any]:
        """As ``features`` takes them."""
        return {
            "recipe": self.recipe,
            "samples": self.values,
            "seed": self.seed,
            "batch": self.batch,
            "at_once": self.at_once,
            "retry": self.retry,
        }

    def settled(self, model: Any, objective: Any) -> Task:
        """What is known before the first step; raises what is wrong, with nothing written yet."""
        from layerscope.instruments.features.ascent.task import task_of

        return task_of(
            model,
            objective,
            self.recipe,
            samples=self.values,
            seed=self.seed,
            variants=self.batch,
            at_once=self.at_once,
        )


def add_recipe(parser: argparse.ArgumentParser) -> None:
    """What there is to be said about how images are made; see :class:`Making`."""
    group = parser.add_argument_group("how images are made, each in place of the recipe's own")
    add = group.add_argument
    add("--recipe", metavar="NAME", help="lucid (default), deepdream (default where --start is an "
        "image), tutorial or chollet")  # fmt: skip
    add("--steps", type=options.whole, metavar="N", help="steps at each octave")
    add("--step-size", type=options.number, metavar="X", help="how far, on a range from -1 to 1")
    add("--optimizer", metavar="NAME", help="adam, or ascent: the normalized gradient")
    add("--normalize", metavar="BY", help="divide the gradient by its std, its l2 norm, or none")
    add("--octaves", type=options.whole, metavar="N", help="sizes to go through")
    add("--octave-scale", type=options.number, metavar="X", help="from each size to the next")
    add(
        "--detail",
        action=argparse.BooleanOptionalAction,
        help="give back what an image to start with loses where it is made smaller",
    )
    add("--size", type=options.size, metavar="H,W", help="of the image; one number for a square")
    add("--input-range", type=options.limits, metavar="LO,HI", help="the values that the network "
        "takes (default: 0,255 where it scales pixels itself, else those of the samples or of the "
        "start, else 0,1)")  # fmt: skip
    add("--start", metavar="START", help="normal, uniform, fourier, zeros, or an image")
    add("--contrast", type=options.amount, metavar="X", help="of noise to start with")
    add("--parameterization", metavar="OF", help="what is moved: pixel or fourier")
    add(
        "--decorrelate",
        action=argparse.BooleanOptionalAction,
        help="colours as photographs, or the samples, have them",
    )
    add("--bounds", metavar="HOW", help="how values are kept in range: clip or sigmoid")
    add("--border", type=options.index, metavar="N", help="pixels of a map not to count, each side")
    add("--transforms", metavar="LIST", help="in each step, to the copy that the network sees: "
        "'pad(12), jitter(8), scale((0.9, 1.1)), rotate(10, p=0.5)', or none")  # fmt: skip
    add("--blur", type=options.amount, metavar="X", help="the width of a Gaussian; 0 for none")
    add("--pad", type=options.index, metavar="N", help="so many pixels; 0 for none")
    add("--jitter", type=options.index, metavar="N", help="so many pixels; 0 for none")
    add(
        "--scale", type=options.factors, metavar="LO,HI", help="from and to which factor; 1,1: none"
    )
    add("--rotate", type=options.amount, metavar="X", help="so many degrees; 0 for none")
    _add_runs(parser)


def _add_runs(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--seed", type=options.index, default=0, metavar="N", help="of all that is random")
    add("--batch", type=options.whole, default=1, metavar="N", help="images of each ADDRESS")
    add(
        "--samples",
        nargs="+",
        action="extend",
        metavar="INPUT",
        help="data that the network is for: how does an image compare with the best of them? "
        "Images, arrays in .npy or .npz files, folders or globs of these, or digits",
    )
    add(
        "--no-retry",
        dest="retry",
        action="store_false",
        help="do not try again, with another start, where a unit never fired",
    )
    add("--at-once", type=options.whole, metavar="N", help="images in one batch (default: up to "
        "16, as memory allows)")  # fmt: skip


def _transforms(args: argparse.Namespace) -> list[Any] | None:
    """The list that --transforms says, where it does.

    Raises InputError where it can't be read, or something else says the same.
    """
    if args.transforms is None:
        return None
    from layerscope.interfaces.cli.transform_texts import parse_transforms

    twice = next((name for name in _SHORT if getattr(args, name) is not None), None)
    if twice is not None:
        raise InputError(
            f"--{twice} and --transforms say the same: leave out --{twice}, and write it in the "
            "list."
        )
    return [] if args.transforms == "none" else parse_transforms(args.transforms)


def _values_of(samples: Sequence[str]) -> Any:
    """What ``features`` takes for the samples; None where there are none.

    Raises InputError for a file that is not there, and for several of which one is noise or zeros.
    """
    if len(samples) < 2:
        return samples[0] if samples else None
    from layerscope.backends.digits import with_samples
    from layerscope.inputs import listed
    from layerscope.inputs.named import is_named

    alone = next(filter(is_named, samples), None)
    if alone is not None:
        raise InputError(
            f"--samples: {alone!r} is one sample and stands alone; a file of that name is "
            f"'./{alone}'."
        )
    images = with_samples(list(samples))
    return listed(samples) if images == list(samples) else images


def samples_text(samples: Sequence[str]) -> str:
    """What the samples hold, in a few words: others have others.

    Reads each of their files once, to its end.
    """
    from layerscope.inputs.array_files import array_file

    digest, count = hashlib.sha256(), 0
    for text in _each(samples):
        digest.update(f"{Path(text).name}\n".encode("utf-8", "surrogatepass"))
        file = array_file(text)
        path = Path(text) if file is None else file.path
        try:
            with path.open("rb") as stream:
                content = hashlib.file_digest(stream, "sha256").digest()
            count += 1
        except OSError:  # no file, such as digits:7, or one that is skipped as it can't be read
            content = b""
        digest.update(content)
    if not count:
        return " ".join(samples) or "none"
    return f"{count} file{'s' * (count != 1)} ({digest.hexdigest()[:12]})"


def _each(samples: Sequence[str]) -> Iterator[str]:
    """The samples, with the files of a folder or a glob in place of it."""
    from layerscope.inputs import files_of

    for text in samples:
        files = None if text.partition(":")[0] == "digits" else files_of(text)
        yield from (text,) if files is None else files.paths
