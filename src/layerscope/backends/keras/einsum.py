"""What the letters of an EinsumDense's equation stand for."""

from __future__ import annotations

from dataclasses import dataclass

_SPACE = {0: (), 1: ("position",), 2: ("y", "x"), 3: ("z", "y", "x")}


@dataclass(frozen=True, slots=True)
class Equation:
    """The names of the axes of an equation such as ``abc,cde->abde``.

    What it sums over are inputs, what is new in its result are channels; the first of two is the
    head. What it keeps are samples and positions. A kernel of one input and one new axis is that of
    a dense layer, and has units. Where there is an ellipsis, its axes have no names.
    """

    kernel: tuple[str, ...]
    output: tuple[str, ...]
    open: bool  #: there is an ellipsis
    heads: bool  #: its result is split into heads, and what it is given is not

    @classmethod
    def read(cls, equation: str) -> Equation:
        """Read the equation as Keras writes it."""
        operands, _, output = equation.replace(" ", "").partition("->")
        given, _, kernel = operands.partition(",")
        is_open = "..." in equation
        given, output = given.replace(".", ""), output.replace(".", "")
        kept = [letter for letter in output if letter in given]
        summed = [letter for letter in given if letter in kernel and letter not in output]
        new = [letter for letter in output if letter not in given]
        names = dict(zip(kept, _kept(len(kept), is_open), strict=True))
        last = "unit" if len(kernel) == 2 and len(new) == 1 else "channel"
        names |= dict(zip(new, _several(len(new), last, "head"), strict=True))
        first = "axis" if len(new) > 1 else "head"
        names |= dict(zip(summed, _several(len(summed), "input", first), strict=True))
        others = {letter: f"axis{i}" for i, letter in enumerate(kernel) if letter not in names}
        names |= others
        return cls(
            tuple(names[letter] for letter in kernel),
            tuple(names[letter] for letter in output),
            is_open,
            len(new) == 2 and len(summed) == 1 and not is_open,
        )


def _kept(count: int, is_open: bool) -> tuple[str, ...]:
    """Name the axes that are kept: samples, and positions."""
    space = count - 1 + is_open
    named = _SPACE.get(space, tuple(f"axis{i}" for i in range(space)))
    return named if is_open else ("sample", *named)[:count]


def _several(count: int, last: str, first: str) -> tuple[str, ...]:
    """Name axes that go together, the last of them the finest."""
    if count < 2:
        return (last,)[:count]
    further = tuple(f"axis{i}" for i in range(count - 2))
    return (*further, first if first != "axis" else f"axis{count - 2}", last)
