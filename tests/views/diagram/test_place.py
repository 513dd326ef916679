from __future__ import annotations

import pytest

from cases.networks import wired
from layerscope.views.diagram.blocks import Block, Item, blocks_of, closed_below
from layerscope.views.diagram.boxes import graph_of
from layerscope.views.diagram.place import PAD, Placed, place

NET = wired([("a", "e/x"), ("b", "e/y"), ("e/x", "e/z"), ("e/y", "e/z"), ("e/z", "t"), ("a", "t")])


def placed(horizontal: bool, closed: bool = False) -> tuple[Block, Placed]:
    graph = graph_of(NET)
    root = closed_below(blocks_of(graph), 0 if closed else None, lambda name: False)
    size: tuple[float, float] = (60.0, 20.0)

    def size_of(item: Item) -> tuple[float, float]:
        return size

    return root, place(root, graph, size_of, lambda block: (90.0, 50.0), horizontal=horizontal)


@pytest.mark.parametrize("horizontal", [False, True])
def test_boxes_have_their_sizes_and_frames_hold_them(horizontal: bool) -> None:
    _, result = placed(horizontal)
    assert {box[2:] for box in result.boxes.values()} == {(60.0, 20.0)}
    ((block, (x, y, width, height)),) = result.frames
    assert block.name == "e"
    assert width >= 140  # its title has room
    for box in block.boxes:
        left, top, wide, high = result.boxes[box.id]
        assert x + PAD <= left
        assert left + wide <= x + width - PAD
        assert y + PAD <= top
        assert top + high <= y + height - PAD


@pytest.mark.parametrize("horizontal", [False, True])
def test_a_value_enters_a_frame_once_and_goes_on_inside(horizontal: bool) -> None:
    _, result = placed(horizontal)
    arrows = [segment.source for segment in result.segments if segment.arrow]
    assert sorted(arrows) == ["a", "a", "b", "e/x", "e/y", "e/z"]
    edges = sorted(segment.source for segment in result.segments if not segment.arrow)
    assert edges == ["a", "b", "e/z"]  # to the frame, to the frame, to its edge


def test_a_closed_block_is_a_box() -> None:
    root, result = placed(horizontal=False, closed=True)
    assert not result.frames
    assert len(result.boxes) == 4
    assert sum(segment.arrow for segment in result.segments) == len(result.segments) == 4
    assert {item.id for item in root.items} == result.boxes.keys()
