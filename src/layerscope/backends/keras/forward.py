"""One watched pass through a Keras model: what it called, and the values that were selected."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import keras

from layerscope.backends.keras import tree
from layerscope.backends.keras.attention import AttentionWatch
from layerscope.backends.keras.call_order import CallOrder
from layerscope.backends.keras.calls import Perform, as_it_is, intercepted
from layerscope.backends.keras.engines import Engine
from layerscope.backends.keras.inputs import input_layers, inputs_by_name
from layerscope.backends.keras.kinds import kind_of
from layerscope.backends.trace import PassComplete, Subject, Trace
from layerscope.core.network import Network
from layerscope.core.selection import Selection


@dataclass(frozen=True)
class Facts:
    """What a pass showed besides its values."""

    network: Network
    aliases: Mapping[str, str]
    input_axes: Mapping[str, tuple[str, ...]]
    axes: Mapping[str, tuple[str, ...]]
    kept: tuple[str, ...]
    complete: bool  #: whether it ran to its end
    guessed: tuple[str, ...] = ()  #: the layers whose source was guessed
    unseen: tuple[str, ...] = ()  #: those some of whose sources are not known
    left_out: tuple[str, ...] = ()  #: those called where no value can be seen, as in a loop
    inside_loops: tuple[str, ...] = ()  #: what can be had at every step of a loop
    #: Of values that were reduced in the pass.
    shapes: Mapping[str, tuple[int, ...]] = field(default_factory=dict)


def watched(
    model: Any,
    x: Any,
    selection: Selection,
    engine: Engine,
    values: dict[str, Any],
    keep: Any,
    *,
    known: Mapping[int, Subject] | None = None,
    perform: Perform = as_it_is,
    training: bool | None = False,
    attention_shifts: Mapping[str, Any] | None = None,
) -> tuple[Any, Facts]:
    """Run the model, and note what it calls.

    ``known`` saves finding out what is known of its layers; ``perform`` makes the calls. Without a
    ``training``, layers are in inference, too, and those can be told that the model's own code
    calls so. ``attention_shifts`` are added to attention weights, by their addresses.
    """
    known = tree.subjects(model) if known is None else known
    is_value = engine.value_test()
    trace = Trace(
        selection,
        batch=leaves(x)[0].shape[0],
        is_value=is_value,
        default_layout=engine.default_layout,
        values=values,
        keep=keep,
    )
    listed = {layer.address: layer for layer in input_layers(model)}
    for name, value in inputs_by_name(model, x).items():
        trace.receive(name, value, listed=listed.get(name))
    attention = AttentionWatch(trace, is_value, attention_shifts)
    subject_of = subject_lookup(trace, model, known)
    try:
        with intercepted(trace, subject_of, perform=perform, attention=attention):
            output, complete = model(x, training=training), True
    except PassComplete:
        output, complete = None, False
    except Exception:
        if not trace.is_over:  # else what the model's own code makes of being ended
            raise
        output, complete = None, False
    axes = {layer.address: layer.axes or () for layer in trace.layers}
    axes |= {alias: axes.get(of, ()) for alias, of in trace.aliases.items()} | trace.inside_loops
    network = trace.network("", "", ())
    facts = Facts(network, trace.aliases, trace.input_axes, axes, tuple(values), complete)
    facts = replace(facts, guessed=tuple(trace.guessed), unseen=tuple(trace.unseen))
    # A loop that the framework has fused calls nothing.
    loops = tuple(f"{subject.address}/" for subject in known.values() if subject.opaque)
    inside = [one.address for one in known.values() if one.address.startswith(loops)]
    left_out = tuple(dict.fromkeys((*trace.left_out, *inside)))
    return output, replace(facts, left_out=left_out, inside_loops=tuple(trace.inside_loops))


@contextmanager
def unrecorded(model: Any) -> Iterator[None]:
    """Let calls of the model end in plain errors, and record nothing of them."""
    trace = Trace(
        Selection(),
        batch=None,
        is_value=lambda _: False,
        default_layout="channels_last",
        values={},
        may_stop=False,
    )
    with intercepted(trace, subject_lookup(trace, model, tree.subjects(model))):
        yield


def subject_lookup(
    trace: Trace, model: Any, known: Mapping[int, Subject]
) -> Callable[[Any], Subject | None]:
    """Return what tells of the operation being called; of one made in the pass, its name."""
    order = CallOrder(model)

    def subject_of(operation: Any) -> Subject | None:
        subject = known.get(id(operation))
        if subject is not None:
            return order.subject(operation, subject)
        outer = trace.inside()
        if outer is None or not isinstance(operation, keras.Layer):
            return None
        inside = "" if outer is known[id(model)] else outer.address + "/"
        kind, activation = kind_of(operation)
        return Subject(
            inside + operation.name, type(operation).__name__, kind=kind, activation=activation
        )

    return subject_of


def leaves(x: Any) -> list[Any]:
    """Return the tensors of an input, in whatever structure it is."""
    return list(keras.tree.flatten(x))
