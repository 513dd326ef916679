"""What a model is to us: a frozen description, free of any framework."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal, overload

from layerscope.core.addresses import unknown_address
from layerscope.core.axes import Layout
from layerscope.core.display import Displayed
from layerscope.core.layer_kinds import Kind
from layerscope.core.reads import (
    NOTHING,
    Reads,
    ReceivedValue,
    reads_from_json,
    reads_to_json,
    received_from_json,
    received_to_json,
)
from layerscope.core.table import setting_text, shape_text, size_text, text_table
from layerscope.core.text import message

if TYPE_CHECKING:
    import pandas as pd

Shape = tuple[int | None, ...]


@dataclass(frozen=True, slots=True)
class Parameter:
    """One array of weights."""

    key: str  #: how ``weights`` names it: ``conv2d/kernel``, ``conv1.weight``, ``coefs_0``
    shape: tuple[int, ...]
    dtype: str
    trainable: bool
    bias: bool
    nbytes: int

    @property
    def size(self) -> int:
        """The number of values."""
        count = 1
        for length in self.shape:
            count *= length
        return count


@dataclass(frozen=True, slots=True)
class Layer:
    """One call of one layer, or one of the values that it returned."""

    address: str  #: unique in its network; ``relu#2`` is the second call of ``relu``
    type: str
    #: A *container* hands on what a layer in it returned, which ``inputs`` names; edges lead to
    #: that one. Its row is there for its name, or for parameters that no layer in it holds.
    role: Literal["input", "layer", "operation", "container"] = "layer"
    shape: Shape | None = None  #: of what it returns, in the framework's own layout
    axes: tuple[str, ...] | None = None  #: the names of those axes, in the same order
    settings: Mapping[str, Any] = field(default_factory=dict)
    parameters: tuple[Parameter, ...] = ()  #: its own; a second call has none of its own
    inputs: tuple[str, ...] = ()  #: the addresses whose values it received
    kind: Kind = "other"  #: what it is, in the words of ``layer_kinds``, whatever its framework
    activation: str | None = None  #: the function that it applies, or is: ``relu``; None for none
    #: It only works out shapes, or hands on the same numbers in another shape or type, and is not
    #: shown unless it is asked for.
    plumbing: bool = False
    #: Which of the values that it receives its own are computed from, where its kind leaves that
    #: open.
    reads: Reads = NOTHING
    #: What it received, where that is not what ``inputs`` returned, each once.
    received: tuple[ReceivedValue, ...] = ()
    unseen: bool = False  #: some of what it received was made by code that nobody saw

    @property
    def weights(self) -> int:
        """How many numbers its parameters hold, biases aside."""
        return sum(p.size for p in self.parameters if not p.bias)

    @property
    def biases(self) -> int:
        """How many biases it has."""
        return sum(p.size for p in self.parameters if p.bias)

    @property
    def trainable(self) -> bool | None:
        """Whether training changes any of its parameters; None where it has none."""
        return any(p.trainable for p in self.parameters) if self.parameters else None


@dataclass(frozen=True, slots=True)
class Origin:
    """The file that a model was opened from."""

    path: str
    format: str  #: ``Keras HDF5``, ``ONNX opset 8``
    written_by: str = ""  #: ``Keras 2.1.6 on TensorFlow``, where the file says so
    repairs: tuple[str, ...] = ()  #: what had to be changed for it to open, in words

    def __str__(self) -> str:
        writer = f", written by {self.written_by}" if self.written_by else ""
        lines = [f"Opened from {self.path} ({self.format}{writer})"]
        lines += [f"Repaired: {repair}" for repair in self.repairs]
        return "\n".join(map(message, lines))


@dataclass(frozen=True)
class Network(Displayed):
    """The layers of a model in execution order."""

    name: str
    framework: str
    layers: tuple[Layer, ...]
    parameters: tuple[Parameter, ...] = ()  #: all of them, each once, also those of no layer
    notes: tuple[str, ...] = ()  #: what a reader should know: layers left out, order not known
    origin: Origin | None = None  #: where it was opened from

    @property
    def total(self) -> int:
        """The number of parameters."""
        return sum(p.size for p in self.parameters)

    @property
    def trainable(self) -> int:
        """The number of parameters that training changes."""
        return sum(p.size for p in self.parameters if p.trainable)

    @property
    def non_trainable(self) -> int:
        """The number of parameters that training leaves alone."""
        return self.total - self.trainable

    @property
    def nbytes(self) -> int:
        """What the parameters take in memory."""
        return sum(p.nbytes for p in self.parameters)

    def __len__(self) -> int:
        return len(self.layers)

    def __iter__(self) -> Iterator[Layer]:
        return iter(self.layers)

    def __contains__(self, address: object) -> bool:
        return any(layer.address == address for layer in self.layers)

    @overload
    def __getitem__(self, which: str | int) -> Layer: ...
    @overload
    def __getitem__(self, which: slice) -> tuple[Layer, ...]: ...
    def __getitem__(self, which: str | int | slice) -> Layer | tuple[Layer, ...]:
        if not isinstance(which, str):
            return self.layers[which]
        for layer in self.layers:
            if layer.address == which:
                return layer
        raise unknown_address(which, [layer.address for layer in self.layers])

    def __str__(self) -> str:
        return self.text()

    def text(self, width: int | None = None) -> str:
        """Return the layers as a table; on ``width`` columns of a terminal, or in full."""
        layers = shown(self).layers
        first = {layer.address for layer in whole_layers(layers)}
        hidden = len(self.layers) - len(layers)
        plumbing = [f"{PLUMBING.format(hidden)}: --all shows them"] if hidden else []
        rows = [
            (
                layer.address,
                layer.type if layer.address in first else "",
                shape_text(layer.shape),
                ", ".join(f"{name} {setting_text(v)}" for name, v in layer.settings.items())
                if layer.address in first
                else "",
                f"{layer.weights:,}" if layer.parameters else "",
                f"{layer.biases:,}" if layer.parameters else "",
                "" if layer.trainable is None else "yes" if layer.trainable else "no",
            )
            for layer in layers
        ]
        columns = ("layer", "type", "output shape", "settings", "weights", "biases", "trainable")
        return "\n".join(
            [
                message(f"{self.name} ({self.framework})"),
                *([str(self.origin)] if self.origin else []),
                text_table(columns, rows, ("weights", "biases"), width, whole=("output shape",)),
                f"Parameters: {self.total:,} ({size_text(self.nbytes)}), "
                f"{self.trainable:,} trainable, {self.non_trainable:,} non-trainable",
                *(message(f"Note: {note}") for note in (*self.notes, *plumbing)),
            ]
        )

    __repr__ = __str__

    def to_frame(self) -> pd.DataFrame:
        """Return the layers as a data frame of pandas, one row for each, by their addresses."""
        import pandas as pd

        rows = [
            {
                "layer": layer.address,
                "type": layer.type,
                "kind": layer.kind,
                "activation": layer.activation,
                "shape": layer.shape,
                "settings": dict(layer.settings),
                "weights": layer.weights,
                "biases": layer.biases,
                "trainable": layer.trainable,
                "inputs": layer.inputs,
            }
            for layer in self.layers
        ]
        columns = ["layer", "type", "kind", "activation", "shape", "settings", "weights", "biases",
                   "trainable", "inputs"]  # fmt: skip
        return pd.DataFrame(rows, columns=columns).set_index("layer")


#: How a further value of a call is addressed: ``lstm[1]``.
PART = re.compile(r"(?P<whole>.+?)\[[^\]]*\]", re.DOTALL)


def whole_layers(layers: Sequence[Layer]) -> tuple[Layer, ...]:
    """Return the layers, each once: without the further values of a call that returned several."""
    by_address = {layer.address: layer for layer in layers}

    def is_further(layer: Layer) -> bool:
        part = PART.fullmatch(layer.address)
        first = by_address.get(part["whole"]) if part is not None else None
        return first is not None and first.type == layer.type

    return tuple(layer for layer in layers if not is_further(layer))


#: What is not shown of some networks, and how many rows it is.
PLUMBING = "{} rows of plumbing are hidden, such as shapes and changes of type"


def shown(network: Network) -> Network:
    """Return the network without its plumbing; edges lead past what hands on the same numbers."""
    hidden = {row.address: row for row in network if row.plumbing}
    if not hidden or len(hidden) == len(network):
        return network
    leads: dict[str, tuple[str, ...]] = {}

    def seen(inputs: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(dict.fromkeys(a for name in inputs for a in leads.get(name, (name,))))

    rows = []
    for row in network:  # in execution order
        inputs = seen(row.inputs)
        if row.address in hidden:
            leads[row.address] = () if row.role == "operation" else inputs
        else:
            rows.append(replace(row, inputs=inputs))
    return replace(network, layers=tuple(rows))


def revealed(network: Network, addresses: Collection[str] | None = None) -> Network:
    """Return the network with its plumbing shown, all of it or that of these addresses."""
    rows = tuple(
        replace(row, plumbing=False)
        if row.plumbing and (addresses is None or row.address in addresses)
        else row
        for row in network
    )
    return replace(network, layers=rows)


def computing(
    network: Network, aliases: Mapping[str, str] | None = None
) -> tuple[Network, dict[str, str]]:
    """Return the network without containers and plumbing, and the other names of its layers.

    A container's own name, and what stood under it, become names of the layer that it hands on,
    which takes over its parameters. One that hands on the network's input stays.
    """
    network = shown(network)
    addresses = {row.address for row in network}
    handed_on = {
        row.address: row.inputs[0]
        for row in network
        if row.role == "container" and row.inputs[0] in addresses
    }

    def layer_of(address: str) -> str:
        while address in handed_on:
            address = handed_on[address]
        return address

    taken_over: dict[str, tuple[Parameter, ...]] = {}
    for row in network:
        if row.address in handed_on and row.parameters:
            layer = layer_of(row.address)
            taken_over[layer] = (*taken_over.get(layer, ()), *row.parameters)
    rows = tuple(
        replace(row, parameters=(*row.parameters, *taken_over[row.address]))
        if row.address in taken_over
        else row
        for row in network
        if row.address not in handed_on
    )
    names = {alias: layer_of(of) for alias, of in (aliases or {}).items()}
    names |= {container: layer_of(container) for container in handed_on}
    known = {row.address for row in rows}
    names = {alias: of for alias, of in names.items() if alias not in known}
    return replace(network, layers=rows), names


def to_json(network: Network) -> dict[str, Any]:
    """Return a network as numbers, strings, lists and dicts; ``from_json`` reads it back.

    Settings that JSON has no form for become text.
    """
    described = asdict(network)
    for row, layer in zip(described["layers"], network, strict=True):
        row["reads"] = reads_to_json(layer.reads)
        row["received"] = [received_to_json(each) for each in layer.received]
        for name in ("plumbing", "reads", "received", "unseen"):
            if not row[name]:
                del row[name]
    return dict(json.loads(json.dumps(described, default=str)))


def from_json(described: Mapping[str, Any]) -> Network:
    """Return what ``to_json`` wrote."""
    origin = described["origin"]
    return Network(
        name=described["name"],
        framework=described["framework"],
        layers=tuple(map(_layer, described["layers"])),
        parameters=tuple(map(_parameter, described["parameters"])),
        notes=tuple(described["notes"]),
        origin=origin and Origin(**{**origin, "repairs": tuple(origin["repairs"])}),
    )


def _layer(described: Mapping[str, Any]) -> Layer:
    tuples = {
        name: None if described[name] is None else tuple(described[name])
        for name in ("shape", "axes", "inputs")
    }
    settings = {name: _tuples(value) for name, value in described["settings"].items()}
    parameters = tuple(map(_parameter, described["parameters"]))
    further: dict[str, Any] = {}
    if "reads" in described:
        further["reads"] = reads_from_json(described["reads"])
    if "received" in described:
        further["received"] = tuple(map(received_from_json, described["received"]))
    return Layer(
        **{**described, **tuples, **further, "settings": settings, "parameters": parameters}
    )


def _parameter(described: Mapping[str, Any]) -> Parameter:
    return Parameter(**{**described, "shape": tuple(described["shape"])})


def _tuples(value: Any) -> Any:
    return tuple(map(_tuples, value)) if isinstance(value, list) else value


@dataclass(frozen=True, slots=True)
class InputSpec:
    """What a model expects at one of its inputs.

    ``shape`` is in the model's own layout, None where any length will do; None altogether where the
    model does not say. A state that goes in beside the data may count its samples along another
    axis than the first, or along none.
    """

    name: str
    shape: Shape | None = None
    dtype: str = "float32"
    layout: Layout = "channels_last"
    samples: int | None = 0  #: which axis counts the samples; None where none does
    certain: bool = True  #: False for a guess, which serves images but refuses no array
    values: tuple[str, ...] = ()  #: what the values of a vector are called, where that is known
