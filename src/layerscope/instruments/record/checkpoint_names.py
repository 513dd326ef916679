"""What the name of a checkpoint says: its epoch, its step, and how good it was.

Understood, in this order: names of numbers that are written out (``epoch=12``, ``step300``,
``val_loss-0.25``, in any order); a whole number and one with a fraction, ``12-0.56``, as Keras'
ModelCheckpoint is often told to write them; the last whole number there is.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import PurePath

from layerscope.backends.registry import OPENERS, opener_plugins
from layerscope.core.errors import InputError

_NUMBER = r"-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?"
#: A word, perhaps a sign, and its number.
_NAMED = re.compile(rf"(?P<name>[A-Za-z][A-Za-z_]*?)[=_\-.: ]?(?P<number>{_NUMBER})(?![A-Za-z\d])")
_PAIR = re.compile(r"(?<!\d)(?<!\d\.)(?P<epoch>\d+)[-_](?P<value>-?\d+\.\d+)(?!\d)")
_WHOLE = re.compile(r"(?<!\d)(?<!\d\.)\d+(?!\d)(?!\.\d)")

#: Suffixes that names of checkpoints end in, besides those of files that open.
_SUFFIXES = frozenset({".weights", ".ckpt", ".tar"})

_EPOCH = frozenset({"epoch", "epochs", "ep"})
_STEP = frozenset(
    {"step", "steps", "global_step", "iter", "iteration", "iterations", "it", "batch"}
)
#: Words whose number is how good the network was.
_METRIC = re.compile(
    r"(?:(?:val|valid|train|test)_)?(?:loss|acc|accuracy|error|score|f1|auc|mae|mse)"
)


@dataclass(frozen=True)
class Named:
    """What the name of one file says."""

    path: str
    epoch: float | None = None
    step: int | None = None
    metrics: dict[str, float] = field(default_factory=dict)

    @property
    def number(self) -> int | None:
        """The number by which it is sorted, and called."""
        if self.step is not None:
            return self.step
        return None if self.epoch is None else int(self.epoch)


def read_name(path: str) -> Named:
    """Read what a name says: nothing where there is no number in it."""
    name = _without_suffixes(PurePath(path).name)
    numbers = {_word(m["name"].lower()): float(m["number"]) for m in _NAMED.finditer(name)}
    metrics = {word: value for word, value in numbers.items() if _METRIC.fullmatch(word)}
    epoch = next((n for word, n in numbers.items() if word in _EPOCH), None)
    step = next((n for word, n in numbers.items() if word in _STEP), None)
    if epoch is not None or step is not None:
        return Named(path, epoch, None if step is None else int(step), metrics)
    pair = _PAIR.search(name)
    if pair is not None:
        # Which quantity it was, the name does not tell: Keras calls it the one monitored.
        return Named(path, float(pair["epoch"]), None, {"monitor": float(pair["value"]), **metrics})
    whole = _WHOLE.findall(name)
    return Named(path, None, int(whole[-1]) if whole else None, metrics)


def _without_suffixes(name: str) -> str:
    """Return a name without suffixes such as ``.h5`` and ``.pt2``, whose digits number nothing."""
    known = {*_SUFFIXES, *OPENERS, *opener_plugins()}
    while PurePath(name).suffix.lower() in known:
        name = PurePath(name).stem
    return name


def _word(text: str) -> str:
    """Return the known word that ends a text, ``val_loss`` in ``best_val_loss``; else the text."""
    parts = text.strip("_-").split("_")
    ends = ("_".join(parts[i:]) for i in range(len(parts)))
    known = (end for end in ends if end in _EPOCH | _STEP or _METRIC.fullmatch(end))
    return next(known, text)


def in_order(paths: Sequence[str]) -> list[Named]:
    """Return the files by their numbers; in the order given where no name has one.

    Raises InputError when some names have a number and others have none, or two have the same.
    """
    named = [read_name(path) for path in paths]
    without = [one for one in named if one.number is None]
    if len(without) == len(named):
        return [Named(path, None, i) for i, path in enumerate(paths)]
    if without:
        raise InputError(
            f"{without[0].path!r} has no number in its name, and others have: each must say its "
            "epoch or step, or none of them."
        )
    named.sort(key=lambda one: one.number or 0)
    for one, other in itertools.pairwise(named):
        if one.number == other.number:
            raise InputError(
                f"{one.path!r} and {other.path!r} have the same number, {one.number}, in their "
                "names: each must be of another epoch or step."
            )
    return named
