"""Values are what a module returned, whatever the program writes into them, however selected."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from cases import torch_programs as programs


@pytest.mark.parametrize("seed", range(60))
def test_every_address_is_what_its_module_returned(seed: int) -> None:
    program = programs.program(seed)
    right = programs.expected(program)
    for selection in programs.selections(program, right):
        programs.check(program, selection, right)


@pytest.mark.parametrize("name", [*programs.WRITES, *programs.UNCOUNTED])
def test_each_way_of_writing(name: str) -> None:
    """A block that writes into what its layer returned, with that way alone."""
    for seed in range(6):
        program = programs.writing(name, seed)
        right = programs.expected(program)
        for selection in programs.selections(program, right, count=2):
            programs.check(program, selection, right)
