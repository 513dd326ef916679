"""``layerscope features``: what do units look for? An image for each, made to make it fire."""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from layerscope.core.addresses import each_unit
from layerscope.core.console import say
from layerscope.core.errors import InputError
from layerscope.core.files import OutputFolder
from layerscope.core.foreign_errors import in_one_sentence
from layerscope.interfaces.cli import options
from layerscope.interfaces.cli.feature_pictures import (
    Drawing,
    check_drawing,
    draw,
    draw_curves,
    write_film,
)
from layerscope.interfaces.cli.model import opened
from layerscope.interfaces.cli.output import claim_file, claim_folder, file_name, safe
from layerscope.interfaces.cli.recipes import Making, add_recipe

_UNIT = re.compile(r"(?P<layer>.+):(?P<unit>[0-9]+)", re.DOTALL)
_FRAMES = 60  #: of a film, about, where --every does not say


@dataclass(slots=True)
class Group:
    """What is made in one batch: units of one layer, or one thing alone."""

    addresses: list[str]
    layer: str = ""  #: of units
    units: dict[int, None] = field(default_factory=dict)  #: each once, in order
    together: bool = False

    @property
    def objective(self) -> Any:
        """As ``features`` takes it."""
        if self.together:
            return self.addresses
        if not self.units:
            return self.addresses[0]
        from layerscope.instruments.features.objective.objectives import units

        return units(self.layer, self.units)


def add(commands: Any) -> None:
    """Add the command and its options."""
    parser = options.add_command(
        commands, "features", _run, "Write an image for each unit, made so that the unit fires."
    )
    options.add_model(parser)
    parser.add_argument(
        "address",
        nargs="+",
        metavar="ADDRESS",
        help="a channel or a class (conv2d:29), several (conv2d:3,30), a neuron (conv2d:29@7,3), "
        "or a layer (DeepDream)",
    )
    which = parser.add_mutually_exclusive_group()
    which.add_argument(
        "--all",
        action="store_true",
        help="an image for every unit of each layer; stopped, the same command goes on",
    )
    which.add_argument(
        "--together", action="store_true", help="one image for all ADDRESSes: their sum"
    )
    add_recipe(parser)
    parser.add_argument(
        "--every", type=options.whole, metavar="N", help="write an image every N steps, too"
    )
    parser.add_argument(
        "--film", metavar="FILE", help="a film of the making: a .webp, .gif or .mp4 file"
    )
    options.add_pictures(parser, None, "for images without colours (default: gray)", tiles="images")
    options.add_output(parser, "layerscope-NAME-features")


def _run(args: argparse.Namespace) -> None:
    from layerscope.backends.availability import choose_keras_backend
    from layerscope.instruments.describe import describe
    from layerscope.views.render.palette import known

    if args.palette is not None:
        known(args.palette)  # before anything is run
    _check(args)
    how = Making.of(args)
    film = _film_of(args)
    drawing = Drawing(args.columns, args.palette, args.reshape, args.ground)
    if args.backend is not None:  # whatever the file needs, gradients need Keras
        choose_keras_backend(args.backend)
    model = opened(args)
    network = describe(model)
    known_layers = [row.address for row in network]
    given = (unit for address in args.address for unit in each_unit(address, known_layers))
    addresses = list(dict.fromkeys(given))
    folder = Path(args.out or f"layerscope-{safe(network.name)}-features")
    if args.all:
        from layerscope.interfaces.cli.whole_layers import make_layers

        _check_layers(addresses, known_layers)
        make_layers(model, addresses, folder, how, drawing, force=args.force)
        return
    groups = groups_of(addresses, known_layers, together=args.together)
    with in_one_sentence():
        for group in groups:
            check_drawing(how.options.task(model, group.objective), drawing)
    output = claim_folder(folder, force=args.force)
    make(model, groups, addresses, output, how, drawing, every=_every(args, how), film=film)
    say(f"Written to {output.path}/")


def _check(args: argparse.Namespace) -> None:
    """Raise InputError for options that do not go together."""
    for option in ("every", "film"):
        if args.all and getattr(args, option) is not None:
            raise InputError(f"--{option} is for single units: leave out --all.")


def _check_layers(addresses: Sequence[str], known: Sequence[str]) -> None:
    """Raise InputError for an address that is of a unit."""
    for address in addresses:
        match = None if address in known else _UNIT.match(address)
        if match is not None:
            raise InputError(
                f"--all is for whole layers: write {match['layer']!r}, not {address!r}."
            )


def _film_of(args: argparse.Namespace) -> Path | None:
    """Return the file of the film, where it may be written."""
    if args.film is None:
        return None
    from layerscope.views.render.encoding import KINDS, check_kind

    path = claim_file(args.film, KINDS, force=args.force)
    check_kind(path, 8)
    return path


def _every(args: argparse.Namespace, how: Making) -> int | None:
    recipe = how.options.recipe
    if args.every is None and args.film is not None:
        return max(1, recipe.steps * recipe.octaves // _FRAMES)
    every: int | None = args.every
    return every


def groups_of(
    addresses: Sequence[str], known: Sequence[str], *, together: bool = False
) -> list[Group]:
    """Return the addresses by what is made in one batch, in the order of their first."""
    if together:
        return [Group(list(addresses), together=True)]
    groups: list[Group] = []
    of_layer: dict[str, Group] = {}
    for address in addresses:
        match = None if address in known else _UNIT.fullmatch(address)
        if match is None:
            groups.append(Group([address]))
            continue
        layer = match["layer"]
        if layer not in of_layer:
            of_layer[layer] = Group([], layer)
            groups.append(of_layer[layer])
        of_layer[layer].addresses.append(address)
        of_layer[layer].units[int(match["unit"])] = None
    return groups


def make(
    model: Any,
    groups: Sequence[Group],
    addresses: Sequence[str],
    output: OutputFolder,
    how: Making,
    drawing: Drawing,
    *,
    every: int | None = None,
    film: Path | None = None,
) -> None:
    """Make and draw the images of each group, and print what they reach.

    Raises KeyboardInterrupt when Ctrl-C stopped it: what there was is drawn.
    """
    from layerscope.instruments.features.features import features

    if film is not None and len(groups) > 1:
        raise InputError("A film is of one ADDRESS, or of units of one layer: name fewer.")
    sheets = [group for group in groups if len(group.addresses) > 1 and not group.together]
    count = len(addresses) + len(sheets)
    for number, group in enumerate(groups, 1):
        with in_one_sentence():
            made = features(model, group.objective, every=every, **how.options.arguments())
        # An image that is of no unit stands alone in what was made.
        names = {
            address if group.units else next(iter(made)): file_name(
                addresses.index(address) + 1, count, address
            )
            for address in group.addresses
        }
        if group.together:
            names = {next(iter(made)): file_name(1, 1, "+".join(addresses))}
        if group in sheets:
            place = len(addresses) + sheets.index(group) + 1
            names[group.layer] = file_name(place, count, group.layer)
        draw(made, names, output, drawing)
        draw_curves(made, "curves.png" if len(groups) == 1 else f"curves-{number}.png", output)
        say(*(f"Note: {note}" for note in made.notes), *map(str, made.grades))
        if film is not None:
            write_film(made, group.layer if group in sheets else next(iter(names)), film, drawing)
        if made.interrupted:
            raise KeyboardInterrupt(
                f"stopped after {len(made.history) - 1} steps; {output.path}/ has what there "
                "was then."
            )
