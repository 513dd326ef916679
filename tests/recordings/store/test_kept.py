"""What a recording keeps of its network, and recordings from before layers said their kind."""

from __future__ import annotations

from typing import Any

import pytest

from layerscope.core.network import Layer, Network, to_json
from layerscope.core.reads import Reads, ReceivedValue
from layerscope.core.receptive_field import field
from layerscope.core.silence import rectified
from layerscope.core.windows import Window
from layerscope.recordings.store.kept import check_attributes, network_of
from layerscope.recordings.store.plain_json import UnexpectedError
from layerscope.views.diagram.boxes import graph_of
from layerscope.views.diagram.kinds import colour_of

MAPS = ("sample", "y", "x", "channel")
#: Types that were recorded, by the colour that they were drawn in.
OLD = {
    "input": ["InputLayer", "Input"],
    "conv": ["Conv2D", "Conv1d", "ConvTranspose2d", "DepthwiseConv2D", "SeparableConv1D", "conv2d",
             "ConvInteger", "convolution"],
    "dense": ["Dense", "Linear", "Gemm", "MatMul", "EinsumDense", "linear", "addmm", "Embedding",
              "Bilinear"],
    "pool": ["MaxPooling2D", "AdaptiveAvgPool2d", "GlobalAveragePool", "max_pool2d"],
    "recurrent": ["LSTM", "GRUCell", "SimpleRNN", "Bidirectional", "ConvLSTM2D"],
    "attention": ["MultiHeadAttention", "Attention weights", "TransformerEncoderLayer",
                  "scaled_dot_product_attention"],
    "merge": ["Add", "add", "iadd", "Concatenate", "cat", "stack", "Mul", "truediv", "Subtract",
              "Maximum", "Sum"],
    "norm": ["BatchNormalization", "BatchNorm2d", "LayerNorm", "GroupNorm", "Rescaling",
             "Normalization", "RMSNorm", "batch_norm"],
    "shape": ["Flatten", "flatten", "Reshape", "Permute", "Transpose", "ZeroPadding2D", "Pad",
              "Cropping2D", "UpSampling2D", "RepeatVector", "Squeeze", "GetItem", "Slice", "Cast",
              "ExpandDims", "PixelShuffle", "Gather"],
    "other": ["ReLU", "relu_", "Softmax", "GELU", "LeakyReLU", "Activation", "Dropout", "Lambda",
              "Identity", "MyBlock", "exp", "mean", "where"],
}  # fmt: skip


def old(*layers: Layer) -> Network:
    """What is read of a recording of these layers that was made before they said their kind."""
    attributes = {"network": to_json(Network("old", "Keras 3", layers))}
    for layer in attributes["network"]["layers"]:
        del layer["kind"], layer["activation"]
    check_attributes(attributes)
    network = network_of(attributes)
    assert network is not None
    return network


@pytest.mark.parametrize(("colour", "name"), [(c, n) for c, names in OLD.items() for n in names])
def test_an_old_recording_draws_as_it_did(colour: str, name: str) -> None:
    (layer,) = old(Layer("x", name))
    assert colour_of(layer) == colour


def test_an_old_recording_has_the_boxes_and_the_blanks_that_it_had() -> None:
    chain = ("ZeroPadding2D", "Conv2D", "BatchNormalization", "ReLU", "Dropout", "MaxPooling2D")
    network = old(
        Layer("x", "InputLayer", "input"),
        *(Layer(str(i), name, inputs=(str(i - 1) if i else "x",)) for i, name in enumerate(chain)),
        Layer("dense", "Dense", settings={"activation": "relu"}, inputs=("5",)),
        Layer("softmax", "Activation", settings={"activation": "softmax"}, inputs=("dense",)),
    )
    boxes = [[layer.address for layer in box.layers] for box in graph_of(network).boxes.values()]
    assert boxes == [["x"], ["0", "1"], ["2", "3", "4"], ["5"], ["dense", "softmax"]]
    silent = {layer.address: rectified(network, layer.address) for layer in network}
    assert silent == {
        "x": False, "0": False, "1": False, "2": False, "3": True, "4": True, "5": True,
        "dense": True, "softmax": False,
    }  # fmt: skip


def test_what_a_layer_says_is_kept() -> None:
    made = Network("new", "Keras 3", (
        Layer("a", "Conv2D", kind="norm", activation="gelu"), Layer("b", "ReLU", kind="other"),
    ))  # fmt: skip
    attributes: dict[str, Any] = {"network": to_json(made)}
    check_attributes(attributes)
    assert network_of(attributes) == made
    attributes["network"]["layers"][0]["kind"] = "hologram"  # of a layerscope that is yet to come
    read = network_of(attributes)
    assert read is not None
    assert (read["a"].kind, read["a"].activation) == ("other", "gelu")


@pytest.mark.parametrize("field", ["kind", "activation"])
def test_what_is_no_text_is_refused(field: str) -> None:
    attributes = {"network": to_json(Network("n", "?", (Layer("a", "Dense"),)))}
    attributes["network"]["layers"][0][field] = ["conv"]
    with pytest.raises(UnexpectedError, match=f"{field} is a list, and not text"):
        check_attributes(attributes)


def reading(**stated: Any) -> dict[str, Any]:
    """Return what a recording keeps of a layer that states this of itself."""
    layers = (
        Layer("x", "Input", "input", (None, 4, 4, 1), MAPS, kind="input"),
        Layer("a", "Conv2D", shape=(None, 4, 4, 1), axes=MAPS, inputs=("x",), kind="conv"),
    )
    attributes: dict[str, Any] = {"network": to_json(Network("new", "Keras 3", layers))}
    attributes["network"]["layers"][1] |= stated
    return attributes


def test_what_a_layer_reads_is_kept() -> None:
    windows = [{"size": 3, "before": "same"}, {"way": "nearest", "scale": 2.0}]
    attributes = reading(reads={"windows": windows, "mixes": [-1]}, received=[["x", None]])
    check_attributes(attributes)
    network = network_of(attributes)
    assert network is not None
    assert network["a"].reads == Reads(
        (Window(3, before="same"), Window(way="nearest", scale=2.0)), (-1,)
    )
    assert network["a"].received == (ReceivedValue("x", None),)


@pytest.mark.parametrize(
    "stated",
    [
        {"reads": {"windows": [{"way": "round about"}]}},
        {"reads": {"windows": [{"size": -1}]}},
        {"reads": {"windows": [{"stride": 0}]}},
        {"reads": {"windows": [{"before": "never"}]}},
        {"reads": {"windows": [{"scale": float("nan")}]}},
        {"reads": {"windows": [{"length": 3}]}},
        {"reads": {"moves": [{"by": "magic"}]}},
        {"received": [["x"]]},
        {"received": [["x", [{"numbers": ["a"]}]]]},
        {"unseen": "yes"},
    ],
    ids=str,
)
def test_what_no_layer_can_read_is_refused(stated: dict[str, Any]) -> None:
    with pytest.raises(UnexpectedError):
        check_attributes(reading(**stated))


@pytest.mark.parametrize(
    "reads",
    [
        {"windows": [{"size": 2**62}]},
        {"windows": [{"dilation": 2**62, "size": 3, "before": -(2**62)}]},
        {"moves": [{"by": "order", "numbers": [7, 0, 0]}]},
        {"moves": [{"by": "slice", "numbers": [0, 1, 5]}]},
        {"moves": [{"by": "take", "numbers": [9, -5]}]},
        {"moves": [{"by": "take"}]},
        {"moves": [{"by": "shape", "shape": [2**40, 0]}]},
    ],
    ids=str,
)
def test_what_can_not_be_gone_back_through_reaches_everything(reads: dict[str, Any]) -> None:
    attributes = reading(reads=reads)
    check_attributes(attributes)
    network = network_of(attributes)
    assert network is not None
    assert field(network, "a:0@1,1").whole


def test_a_recording_without_a_network() -> None:
    assert network_of({}) is None
