"""Whether anything that a compiled pass depends on has changed since it was compiled.

A compiled pass would not notice by itself that a layer has another activation now. So all that a
model's layers hold, besides the values of their variables, is read and compared with what was read
when the pass was compiled.

Reading all of it takes longer than running a small network. Nearly always nothing has changed, and
that is cheap to show: most attributes hold objects that can't change in place, so it is enough that
they are the same objects as before; only what can change is read again.
"""

from __future__ import annotations

import functools
import itertools
import weakref
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Any

import keras

from layerscope.backends.keras.readings import (
    Reading,
    SettingsReader,
    is_fixed,
    is_own,
    is_reachable,
    leaves,
)

#: What Keras notes on any layer and what yet matters to the values or the description of a pass.
_MATTERS = frozenset(
    {"name", "autocast", "_dtype_policy", "_trainable", "_supports_masking", "_remat_mode",
     "_convert_input_args", "_layers", "_functional", "_trainable_variables",
     "_non_trainable_variables"}
)  # fmt: skip
#: What ``fit`` and ``compile`` note on a model.
_OF_TRAINING = frozenset(
    {"optimizer", "history", "_compile_config", "_compiled_trainable_state", "_jax_state",
     "_eval_epoch_iterator", "stop_training", "stop_evaluating", "stop_predicting",
     "train_function", "test_function", "predict_function"}
)  # fmt: skip
#: What TensorFlow notes of checkpoints, from the first time that it looks for them.
_OF_CHECKPOINTS = frozenset(
    {"_self_name_based_restores", "_self_saveable_object_factories", "_self_setattr_tracking",
     "_self_unconditional_checkpoint_dependencies", "_self_unconditional_deferred_dependencies",
     "_self_unconditional_dependency_names", "_self_update_uid"}
)  # fmt: skip
#: What follows from a functional model's other attributes.
_DERIVED = frozenset({"_nodes", "_operations_by_depth"})
#: Lists of what is looked at by itself: it is enough that they hold the same.
_LISTS = ("_layers", "_operations", "_trainable_variables", "_non_trainable_variables")
_NODES = "_nodes_by_depth"

_LOOKED_AT = (keras.Operation, keras.Variable)
_REMEMBERED = 8

Pick = Callable[[Any], tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class _Watched:
    """One layer or operation as it was, and how to look at it again."""

    layer: weakref.ref[Any]
    names: tuple[str, ...]
    pick: Pick  #: the attributes that can't change in place
    lists: tuple[str, ...]
    identities: tuple[int, ...]  #: of those, and of what is in the lists
    rest: tuple[tuple[str, Reading], ...]  #: the attributes that can, as they were read
    kept: tuple[Any, ...]  #: the numbers and texts among them, whose ``id`` may not go to others


@dataclass(slots=True)
class _State:
    """All that was read at one moment, and how to look at it again."""

    lost: int  #: how many objects were gone
    process: Reading
    facts: list[Any] = field(default_factory=list)
    layers: list[_Watched] = field(default_factory=list)
    variables: dict[int, weakref.ref[Any]] = field(default_factory=dict)
    trainable: list[bool] = field(default_factory=list)
    classes: dict[weakref.ref[type], Reading] = field(default_factory=dict)
    nodes: list[tuple[weakref.ref[Any], Reading]] = field(default_factory=list)
    number: int = -1


class _ModelSettings:
    """The settings of one model."""

    def __init__(self) -> None:
        self._reader = SettingsReader(_LOOKED_AT)
        self._count = itertools.count()
        self._state: _State | None = None
        self._earlier: OrderedDict[tuple[Any, ...], int] = OrderedDict()

    def number(self, model: Any) -> int:
        """Return the same for as long as nothing changes, and again when it was changed back."""
        state = self._state
        if state is None or state.lost != self._reader.lost or self._has_changed(state):
            self._state = state = self._read(model)
        return state.number

    def _has_changed(self, state: _State) -> bool:
        read = self._reader.of
        for watched in state.layers:
            layer = watched.layer()
            if layer is None:
                return True
            attributes = vars(layer)
            if tuple(attributes) != watched.names:
                return True
            if watched.identities != tuple(map(id, _held(attributes, watched.pick, watched.lists))):
                return True
            for name, was in watched.rest:
                if read(attributes[name]) != was:
                    return True
        return (
            [getattr(v(), "trainable", None) for v in state.variables.values()] != state.trainable
            or any(self._class(kind()) != was for kind, was in state.classes.items())
            or any(self._constants(node()) != was for node, was in state.nodes)
            or _process() != state.process
        )

    def _read(self, model: Any) -> _State:
        state = _State(self._reader.lost, _process())
        pending, seen = [model], {id(model)}
        while pending:
            layer = pending.pop()
            self._read_layer(layer, state)
            self._read_nodes(layer, state)
            for value in _inside(layer):
                if id(value) in seen:
                    continue
                seen.add(id(value))
                if isinstance(value, keras.Variable):
                    state.variables[id(value)] = weakref.ref(value)
                    state.trainable.append(value.trainable)
                    state.facts.append(self._reader.token(value))
                else:
                    pending.append(value)
        state.facts += [tuple(state.trainable), tuple(state.classes.values()), state.process]
        whole = tuple(state.facts)
        number = self._earlier.pop(whole, None)
        state.number = next(self._count) if number is None else number
        self._earlier[whole] = state.number
        while len(self._earlier) > _REMEMBERED:
            self._earlier.popitem(last=False)
        return state

    def _read_layer(self, layer: Any, state: _State) -> None:
        read, token = self._reader.of, self._reader.token
        attributes = vars(layer)
        lists = tuple(name for name in _LISTS if isinstance(attributes.get(name), list))
        if isinstance(attributes.get(_NODES), dict):
            lists += (_NODES,)
        names = [n for n in _relevant(layer) if n not in lists]
        fixed = [
            n for n in names if isinstance(attributes[n], _LOOKED_AT) or is_fixed(attributes[n])
        ]
        rest = tuple((n, read(attributes[n])) for n in names if n not in fixed)
        pick: Pick = lambda attributes: tuple(attributes[n] for n in fixed)  # noqa: E731
        if len(fixed) > 1:
            pick = itemgetter(*fixed)
        identities = tuple(map(id, _held(attributes, pick, lists)))
        kept = tuple(attributes[n] for n in fixed if not is_reachable(attributes[n]))
        state.layers.append(
            _Watched(weakref.ref(layer), tuple(attributes), pick, lists, identities, rest, kept)
        )
        inside = tuple(
            tuple(map(token, _held(attributes, lambda _: (), (name,)))) for name in lists
        )
        state.facts.append(
            (token(layer), tuple((n, read(attributes[n])) for n in fixed), rest, inside)
        )
        reference = weakref.ref(type(layer))
        if reference not in state.classes:
            state.classes[reference] = self._class(type(layer))

    def _read_nodes(self, layer: Any, state: _State) -> None:
        """Return what a functional model gives its operations besides symbols."""
        for node in itertools.chain(*getattr(layer, _NODES, {}).values()):
            constants = self._constants(node)
            state.facts.append(constants)
            if not all(map(is_fixed, _given(node))):
                state.nodes.append((weakref.ref(node), constants))

    def _class(self, kind: Any) -> Reading:
        """Return what a class has its layers do."""
        bases = map(self._reader.of_class, _own_bases(kind))
        return self._reader.token(getattr(kind, "call", None)), *bases

    def _constants(self, node: Any) -> Reading:
        return tuple(map(self._reader.of, _given(node)))


#: What was read, by model. It goes with the model; none of it holds on to it.
_SETTINGS: weakref.WeakKeyDictionary[Any, _ModelSettings] = weakref.WeakKeyDictionary()


def settings_number(model: Any) -> int:
    """Return a number for a model's settings: another one whenever any of them differs."""
    settings = _SETTINGS.get(model)
    if settings is None:
        settings = _SETTINGS.setdefault(model, _ModelSettings())
    return settings.number(model)


def _inside(layer: Any) -> Iterator[Any]:
    """Yield the layers, operations and variables that a layer holds, or its class's code names."""
    attributes = vars(layer)
    for name in _relevant(layer):
        yield from leaves(attributes[name], _LOOKED_AT)
    for base in _own_bases(type(layer)):
        yield from leaves(dict(vars(base)), _LOOKED_AT)


def _relevant(layer: Any) -> list[str]:
    bookkeeping = _bookkeeping(isinstance(layer, keras.Model))
    return [name for name in vars(layer) if name not in bookkeeping]


def _held(attributes: Mapping[str, Any], pick: Pick, lists: tuple[str, ...]) -> Iterable[Any]:
    """Return the attributes picked, and what is in the lists."""
    if lists and lists[-1] == _NODES:
        nodes = attributes[_NODES].values()
        return itertools.chain(pick(attributes), *map(attributes.__getitem__, lists[:-1]), *nodes)
    return itertools.chain(pick(attributes), *map(attributes.__getitem__, lists))


def _given(node: Any) -> list[Any]:
    """Return what a node gives its operation besides symbols."""
    if node is None or not node.operation or node.is_input:
        return []
    given = keras.tree.flatten((node.arguments.args, node.arguments.kwargs))
    return [value for value in given if not isinstance(value, keras.KerasTensor)]


def _own_bases(kind: Any) -> list[type]:
    root = getattr(kind, "__module__", "").partition(".")[0]
    return [] if root == "keras" else [base for base in kind.__mro__ if is_own(base)]


def _process() -> Reading:
    """Return what Keras is told for the whole process, and layers ask for as they are called."""
    config = keras.config
    return config.floatx(), config.image_data_format(), config.is_flash_attention_enabled()


@functools.cache
def _bookkeeping(is_model: bool) -> frozenset[str]:
    """Return what Keras notes on any layer or model without changing what it computes."""
    if is_model:
        of_any = vars(keras.Sequential(name="notes")).keys() | _OF_TRAINING | _DERIVED
    else:
        of_any = vars(keras.layers.Layer(name="notes")).keys()
    return frozenset((of_any | _OF_CHECKPOINTS) - _MATTERS)
