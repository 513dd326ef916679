"""The options that say how images for units are made, and what they come to."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from layerscope.core.errors import InputError
from layerscope.instruments.features.image.recipe_values import ValueForm
from layerscope.instruments.features.image.recipes import recipe, value_forms
from layerscope.interfaces.cli import options

if TYPE_CHECKING:
    from layerscope.instruments.features.every_unit import FeatureOptions

#: How an option whose value has this form is read, and what stands for the value in its help.
_READ: dict[str, tuple[Callable[[str], Any], str]] = {
    "count": (options.whole, "N"),
    "whole": (options.index, "N"),
    "amount": (options.amount, "X"),
    "positive": (options.number, "X"),
    "above 1": (options.number, "X"),
    "size": (options.size, "H,W"),
    "limits": (options.limits, "LO,HI"),
    "factors": (options.factors, "LO,HI"),
    "shares": (options.shares, "FROM,TO"),
}
#: What stands for the value of an option that is a text.
_TEXTS = {
    "optimizer": "NAME", "normalize": "BY", "parameterization": "OF", "bounds": "HOW",
    "start": "START", "transforms": "LIST",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Making:
    """How images are made: what the options say."""

    options: FeatureOptions
    samples: tuple[str, ...] = ()  #: as they were written

    @classmethod
    def of(cls, args: argparse.Namespace) -> Making:
        """Read those of a command that has :func:`add_recipe`.

        Raises InputError for a value that makes no sense.
        """
        from layerscope.instruments.features.every_unit import FeatureOptions
        from layerscope.instruments.features.image.starts import usual_recipe

        changes = {name: getattr(args, name) for name in _offered()}
        changes["transforms"] = _transforms(args)
        made = recipe(args.recipe or usual_recipe(args.start), **changes)
        samples = tuple(args.samples or ())
        values = _values_of(samples)
        return cls(
            FeatureOptions(made, values, args.seed, args.batch, args.at_once, args.retry), samples
        )


def add_recipe(parser: argparse.ArgumentParser) -> None:
    """Add what there is to be said about how images are made; see :class:`Making`."""
    group = parser.add_argument_group("how images are made, each in place of the recipe's own")
    group.add_argument("--recipe", metavar="NAME", help="lucid (default), deepdream (default where "
        "--start is an image), tutorial, chollet or maco")  # fmt: skip
    for name, form in _offered().items():
        _add_value(group, name, form)
    _add_runs(parser)


def _offered() -> dict[str, ValueForm]:
    """Return the values of a recipe that have an option each; --transforms says the others."""
    return {name: form for name, form in value_forms().items() if form.alone}


def _add_value(group: Any, name: str, form: ValueForm) -> None:
    """Add the option that is a value of the recipe, as its form has it read."""
    option = f"--{name.replace('_', '-')}"
    if form.form == "flag":
        group.add_argument(option, action=argparse.BooleanOptionalAction, help=form.help)
    elif form.form in _READ:
        read, placeholder = _READ[form.form]
        group.add_argument(option, type=read, metavar=placeholder, help=form.help)
    else:
        group.add_argument(option, metavar=_TEXTS.get(name, "TEXT"), help=form.help)


def _add_runs(parser: argparse.ArgumentParser) -> None:
    """Add the options that are arguments of ``features``, and no values of a recipe."""
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
        help="do not try again, with larger steps, where a unit never fired",
    )
    add("--at-once", type=options.whole, metavar="N", help="images in one batch (default: up to "
        "16, as memory allows)")  # fmt: skip


def _transforms(args: argparse.Namespace) -> list[Any] | None:
    """Return the list that --transforms says, where it does.

    Raises InputError where it can't be read, or something else says the same.
    """
    if args.transforms is None:
        return None
    from layerscope.interfaces.cli.transform_texts import parse_transforms

    short = (name for name, form in _offered().items() if form.shorthand)
    twice = next((name for name in short if getattr(args, name) is not None), None)
    if twice is not None:
        raise InputError(
            f"--{twice} and --transforms say the same: leave out --{twice}, and write it in the "
            "list."
        )
    return [] if args.transforms == "none" else parse_transforms(args.transforms)


def _values_of(samples: Sequence[str]) -> Any:
    """Return what ``features`` takes for the samples; None where there are none.

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
