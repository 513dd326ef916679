"""Layers that are no maps: vectors, attention, indexes of words, as the page shows them."""

from __future__ import annotations

import numpy as np

from cases.page_truth import near, truth, vector


def test_every_unit_of_a_vector_has_a_row_with_its_value(look):
    there = look("mlp", "0")
    values = vector("mlp", "0")
    probes = there.probed(there.canvas("0"), step=10)
    assert {probe.unit for probe in probes} == set(range(40))
    assert all(probe.exact and near(probe.value, values[probe.unit]) for probe in probes)
    there.choose("Order", "strongest first")
    first = next(probe for probe in there.probed(there.canvas("0"), step=10))
    assert first.unit == values.argmax()


def test_a_row_leads_to_the_unit(look):
    there = look("mlp", "0")
    there.canvas("0").click(position={"x": 60, "y": 12})
    there.settled()
    assert there.view == "0:0"


def test_attention_by_heads_their_mean_and_the_rollout(look):
    layer = next(
        name for name in truth("transformer") if "query" in truth("transformer")[name].dims
    )
    there = look("transformer", layer.replace("#", "%23"))
    canvas = there.canvas(layer)
    weights = truth("transformer")[layer].values[0]
    assert canvas.get_attribute("aria-label").endswith("4 heads of 9 by 9")
    heard = [one.text for one in there.heard(canvas, 23)]
    assert {text.split(" @ ")[0] for text in heard} == {f"{layer}:{head}" for head in range(4)}
    for text in heard:
        name, place = text.split(" @ ")
        where, value = place.split(" = ≈ ")
        query, key = (int(word.split()[1]) for word in where.split(", "))
        head = weights[int(name.rpartition(":")[2])]
        assert abs(float(value.replace("−", "-")) - head[query, key]) < np.ptp(head) / 200 + 0.006
    there.choose("How it is shown", "mean of heads")
    assert "one map of 9 by 9" in canvas.get_attribute("aria-label")
    assert "as=mean" in there.view
    there.choose("How it is shown", "rollout from the input")
    assert "one map of 9 by 9" in canvas.get_attribute("aria-label")


def test_the_indexes_of_words_are_cells_with_numbers(look):
    there = look("transformer", "input")
    tokens = truth("transformer").input.values[0]
    heard = [one.text for one in there.heard(there.canvas("input"), 10)]
    assert {text.split(" = ")[1] for text in heard} == {str(token) for token in tokens}
