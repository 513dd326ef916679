"""What objects hold is put back in place, however deep it lies."""

from __future__ import annotations

import copy
import dataclasses
import random
from collections import OrderedDict, defaultdict, deque
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from layerscope.backends.torch.object_state import ObjectState


class Plain:
    """An object with attributes."""

    def __init__(self, **attributes: Any) -> None:
        self.__dict__.update(attributes)


class Slotted:
    __slots__ = ("__private", "value")

    def __init__(self, value: Any) -> None:
        self.value = value


@dataclasses.dataclass
class Record:
    flag: bool = False
    items: list[int] = dataclasses.field(default_factory=list)


class Odd(OrderedDict):  # type: ignore[type-arg]
    """A dict that keeps count of what is done to it."""

    writes = 0

    def __setitem__(self, key: Any, value: Any) -> None:
        type(self).writes += 1
        super().__setitem__(key, value)


def _made() -> Plain:
    return Plain(
        number=1,
        text="a",
        items=[1, [2, 3]],
        table={"a": 1, "b": {"c": [4]}},
        ordered=OrderedDict(x=1, y=2),
        counted=defaultdict(list, k=[1]),
        odd=Odd(p=1),
        members={1, 2},
        queue=deque([1, 2], maxlen=5),
        inner=Plain(flag=False, list=[]),
        pair=(Plain(n=0), 3),
        slotted=Slotted(1),
        record=Record(),
        array=np.arange(4.0),
        generator=np.random.default_rng(0),
        python=random.Random(0),
    )


def _append(o: Any) -> None:
    o.items.append(4)


def _deep(o: Any) -> None:
    o.items[1].clear()


def _new_attribute(o: Any) -> None:
    o.later = Plain()


def _gone(o: Any) -> None:
    del o.text


def _renamed(o: Any) -> None:
    o.table["z"] = o.table.pop("b")


def _order(o: Any) -> None:
    o.ordered.move_to_end("x")


def _default(o: Any) -> None:
    _ = o.counted["new"]


def _slot(o: Any) -> None:
    o.slotted.value = 2


def _array(o: Any) -> None:
    o.array[1] = 9


def _drawn(o: Any) -> None:
    o.generator.random()


CHANGES = [
    _append, _deep, _new_attribute, _gone, _renamed, _order, _default, _slot, _array, _drawn,
    lambda o: setattr(o, "number", 2), lambda o: o.members.add(3), lambda o: o.queue.popleft(),
    lambda o: setattr(o.inner, "flag", True), lambda o: o.inner.list.append(1),
    lambda o: setattr(o.pair[0], "n", 1), lambda o: o.record.items.append(1),
    lambda o: o.odd.update(p=2, q=3), lambda o: o.python.random(),
    lambda o: o.table["b"]["c"].append(5), lambda o: setattr(o, "inner", Plain()),
]  # fmt: skip


def _content(value: Any) -> Any:
    """All that a thing holds, as plain values."""
    if isinstance(value, Plain | Record):
        return {name: _content(item) for name, item in vars(value).items()}
    if isinstance(value, Slotted):
        return _content(value.value)
    if isinstance(value, dict):
        return [(key, _content(item)) for key, item in value.items()]
    if isinstance(value, list | tuple | deque):
        return [_content(item) for item in value]
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, np.random.Generator):
        return copy.deepcopy(value.bit_generator.state)
    return value.getstate() if isinstance(value, random.Random) else value


@given(st.lists(st.sampled_from(CHANGES), max_size=6))
def test_whatever_is_changed_is_put_back_in_place(changes: list[Any]) -> None:
    thing = _made()
    lists = thing.items, thing.table, thing.inner, thing.members
    state, before = ObjectState(thing), _content(thing)
    for change in changes:
        try:
            change(thing)
        except (AttributeError, KeyError, IndexError):  # what another change has taken away
            continue
    state.restore()
    assert _content(thing) == before
    now = thing.items, thing.table, thing.inner, thing.members
    assert all(one is other for one, other in zip(lists, now, strict=True))


@pytest.mark.parametrize("change", CHANGES, ids=map(str, range(len(CHANGES))))
def test_a_change_is_noticed(change: Any) -> None:
    thing = _made()
    del thing.array, thing.generator, thing.python  # of which nothing tells but a copy
    state = ObjectState(thing)
    assert state.is_current()
    try:
        change(thing)
    except AttributeError:
        return
    assert not state.is_current()


def test_the_class_of_a_dict_is_not_asked() -> None:
    thing = Plain(odd=Odd(p=1))
    state = ObjectState(thing)
    thing.odd["q"] = 2
    writes = Odd.writes
    state.restore()
    assert dict(thing.odd) == {"p": 1}
    assert Odd.writes == writes


def test_leaves_are_left_and_listed() -> None:
    class Leaf:
        def __init__(self) -> None:
            self.items = [1]

    thing = Plain(leaf=Leaf(), many=[Leaf(), Leaf()])
    state = ObjectState(thing, (Leaf,))
    thing.leaf.items.append(2)
    state.restore()
    assert thing.leaf.items == [1, 2]
    assert set(map(id, state.leaves)) == {id(thing.leaf), *map(id, thing.many)}


def test_what_closures_hold_is_their_owners() -> None:
    seen: list[int] = []
    thing = Plain(hook=lambda: seen.append(1))
    state = ObjectState(thing)
    thing.hook()
    state.restore()
    assert seen == [1]


def test_what_refers_to_the_root_is_told() -> None:
    thing = Plain(child=Plain())
    assert not ObjectState(thing).refers_to_root
    thing.child.parent = thing
    assert ObjectState(thing).refers_to_root


@pytest.mark.parametrize("kind", [dict, OrderedDict])
@pytest.mark.parametrize(
    "change",
    [
        lambda held: held.update(b=[]),
        lambda held: held.update(a=True),
        lambda held: held.__setitem__("d", held.pop("c")),
        lambda held: held.__setitem__("b", held.pop("b")),
        lambda held: held.clear(),
        lambda held: held.update(d=1),
    ],
    ids=["an equal list", "an equal number", "renamed", "moved to the end", "empty", "one more"],
)
def test_a_dict_with_other_keys_or_other_objects_is_another(kind: Any, change: Any) -> None:
    held = kind(a=1, b=[], c="text")
    entries = list(held.items())
    state = ObjectState([kind(x=0), held, kind(y=0)])
    assert state.is_current()
    change(held)
    assert not state.is_current()
    state.restore()
    assert state.is_current()
    assert [key for key, _ in entries] == list(held)
    assert all(now is was for now, (_, was) in zip(held.values(), entries, strict=True))
