"""The architectures of ``keras.applications``: one of each family, or all of them.

``LAYERSCOPE_APPLICATIONS=all`` asks for all, ``=share`` for those of the families that the gate
builds on this backend; ``nox -s applications`` runs the shares of the three backends.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

import layerscope as ls
from layerscope.core.network import computing

keras = pytest.importorskip("keras")

from cases import applications

PAGE = Path(__file__).parents[2] / "docs" / "applications.md"
BACKEND = keras.config.backend()
REFUSED = applications.REFUSED.get(BACKEND, ())
NAMES = {
    "all": tuple(sorted(applications.BUILDERS)),
    "families": applications.FAMILIES,
    "share": applications.SHARES[BACKEND],
}[os.environ.get("LAYERSCOPE_APPLICATIONS", "families")]
_SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module", params=[name for name in NAMES if name not in REFUSED])
def name(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="module")
def model(name: str) -> Any:
    return applications.build(name)


@pytest.fixture(scope="module")
def network(model: Any) -> Any:
    return ls.describe(model)


@pytest.fixture(scope="module")
def acts(name: str, model: Any) -> Any:
    return ls.activations(model, applications.image(name))


def operations(model: Any, inside: str = "") -> Iterator[tuple[str, Any]]:
    """Address and operation for every row that there is to be.

    That is every layer and operator of the graph; a model in it gives way to those it holds, the
    place where its input goes in aside.
    """
    for operation in model.layers if isinstance(model, keras.Sequential) else model.operations:
        if isinstance(operation, keras.Model):
            yield from operations(operation, f"{inside}{operation.name}/")
        elif not inside or not isinstance(operation, keras.layers.InputLayer):
            yield inside + operation.name, operation


def carrier(operation: Any) -> str:
    """The address of the row that has the value which an operation returns."""
    if isinstance(operation, keras.Model):
        return f"{operation.name}/{carrier(operation.layers[-1])}"
    return str(operation.name)


def test_describe_lists_every_layer_once(model: Any, network: Any) -> None:
    expected = dict(operations(model))
    rows = computing(network)[0]
    assert sorted(layer.address for layer in rows) == sorted(expected)
    for layer in rows:
        operation = expected[layer.address]
        assert layer.type == type(operation).__name__, layer.address
        assert layer.shape == tuple(operation.output.shape), layer.address


def test_describe_counts_every_parameter_once(model: Any, network: Any) -> None:
    assert network.total == model.count_params()
    assert network.total == sum(layer.weights + layer.biases for layer in network)
    assert network.trainable == sum(math.prod(v.shape) for v in model.trainable_variables)


def test_describe_knows_where_values_come_from(model: Any, network: Any) -> None:
    for operation in model.operations:
        if isinstance(operation, keras.Model | keras.layers.InputLayer):
            continue
        received = keras.tree.flatten(operation.input)
        sources = {carrier(tensor._keras_history.operation) for tensor in received}
        assert set(network[operation.name].inputs) == sources, operation.name


def test_activations_are_those_of_a_model_with_all_layers_as_outputs(
    name: str, model: Any, acts: Any
) -> None:
    inner = [op for op in model.operations if not isinstance(op, keras.layers.InputLayer)]
    outputs = keras.Model(model.input, [operation.output for operation in inner])
    x = applications.image(name)
    # Uncompiled, JAX would compile every operation by itself.
    values = outputs.predict(x, verbose=0) if BACKEND == "jax" else outputs(x, training=False)
    for operation, value in zip(inner, values, strict=True):
        expected = keras.ops.convert_to_numpy(value)
        seen = acts[operation.name].values
        assert seen.shape == expected.shape, operation.name
        assert np.isfinite(seen).all(), operation.name
        largest = np.abs(expected).max()
        assert np.abs(seen - expected).max() <= 1e-4 * largest, operation.name
    assert np.ptp(expected) > 0  # the image got through to the classes


def test_activations_have_every_layer_in_its_described_shape(
    model: Any, network: Any, acts: Any
) -> None:
    assert [layer.address for layer in acts.network] == [layer.address for layer in network]
    for layer in network:
        array = acts.inputs[layer.address] if layer.role == "input" else acts[layer.address]
        assert array.shape == (1, *layer.shape[1:]), layer.address
    rows = computing(network)[0]
    assert len(acts) == len(rows) - 1
    assert {layer.name for layer in model.layers[1:]} <= set(acts)


def test_a_diagram_has_every_layer(network: Any) -> None:
    diagram = ls.diagram(network, collapse=False)
    assert drawn(diagram) == sorted(layer.address for layer in computing(network)[0])
    check_picture(diagram)


def test_a_diagram_of_what_repeats_is_well_formed(network: Any) -> None:
    diagram = ls.diagram(network)
    assert set(drawn(diagram)) <= {layer.address for layer in network}
    check_picture(diagram)


def test_a_poster_shows_a_map_of_every_box(model: Any, acts: Any) -> None:
    poster = ls.diagram(model, acts)
    assert drawn(poster) == sorted(layer.address for layer in computing(acts.network)[0])
    assert len(poster.header["tiles"]) == len(poster.header["boxes"])
    svg = check_picture(poster)
    assert len(svg.findall(f"{_SVG}image")) == len(poster.header["boxes"])


def test_the_page_is_right(name: str, network: Any) -> None:
    row = rows()[name]
    assert row["family"] == applications.family(name)
    assert row["layers"] == len(computing(network)[0])
    assert row["parameters"] == network.total
    assert row["boxes"] == len(ls.diagram(network).header["boxes"])
    assert row[BACKEND] == "✓"


def test_the_page_says_what_keras_refuses() -> None:
    for name in applications.BUILDERS:
        assert (rows()[name][BACKEND] == "–") == (name in REFUSED), name
    for name in REFUSED:
        with pytest.raises(ValueError, match=f"not available with the {BACKEND} backend"):
            applications.build(name)


def test_the_page_has_a_row_for_each() -> None:
    assert list(rows()) == sorted(applications.BUILDERS)


def test_there_is_one_of_each_family() -> None:
    families = [applications.family(name) for name in applications.FAMILIES]
    assert sorted(families) == sorted(set(map(applications.family, applications.BUILDERS)))
    assert set(applications.FAMILIES) == set().union(*applications.SHARES.values())


def drawn(diagram: Any) -> list[str]:
    """The addresses in all boxes."""
    return sorted(address for box in diagram.header["boxes"] for address in box["addresses"])


def check_picture(diagram: Any) -> ElementTree.Element:
    """The picture as a document, in which all boxes stand, apart from one another."""
    svg = ElementTree.fromstring(diagram.svg())
    ids = [group.get("id") for group in svg.findall(f"{_SVG}g")]
    assert sorted(ids) == sorted(box["id"] for box in diagram.header["boxes"])
    width, height = diagram.header["size"]
    left, top, w, h = np.array([box["box"] for box in diagram.header["boxes"]]).T
    right, bottom = left + w, top + h
    assert min(left.min(), top.min()) >= 0
    assert right.max() <= width
    assert bottom.max() <= height
    beside = (right[:, None] <= left) | (right <= left[:, None])
    above = (bottom[:, None] <= top) | (bottom <= top[:, None])
    apart = beside | above
    np.fill_diagonal(apart, True)
    assert apart.all()
    return svg


def rows() -> dict[str, dict[str, Any]]:
    """The table of the page, by architecture."""
    table = re.findall(r"^\| (.*) \|$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    found = {}
    for line in table[2:]:
        cells = [cell.strip() for cell in line.split("|")]
        title, family, *numbers = cells[:5]
        counts = [int(number.replace(",", "")) for number in numbers]
        found[title.strip("`*")] = {
            "family": family,
            **dict(zip(("layers", "parameters", "boxes"), counts, strict=True)),
            **dict(zip(("jax", "tensorflow", "torch"), cells[5:], strict=True)),
        }
    return found
