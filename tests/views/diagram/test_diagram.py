from __future__ import annotations

import io
import itertools
import re
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cases.amounts import examples
from cases.drawings import check, expected, joined
from cases.networks import chain, layer, network, networks, wired
from cases.recordings import maps, recording
from layerscope.core.errors import ViewError
from layerscope.core.network import Network
from layerscope.recordings.recording import Recording
from layerscope.views.diagram import diagram

styles = st.sampled_from(["vertical", "horizontal"])


@pytest.mark.slow
@settings(max_examples=examples(40))
@given(networks(), styles, st.booleans(), st.sampled_from([None, 0, 1, 2]), st.booleans())
def test_nothing_overlaps_and_no_line_strays(
    net: Network, style: str, collapse: bool, depth: int | None, told: bool
) -> None:
    shown = {"show_shapes": told, "show_layer_names": told}
    picture = diagram(net, style=style, collapse=collapse, depth=depth, wrap=1, **shown)
    header = picture.header
    check(header, style == "horizontal")


@settings(max_examples=examples(40))
@given(networks(), styles, st.sampled_from([None, None, 0, 1]))
def test_boxes_are_joined_as_the_layers_are(net: Network, style: str, depth: int | None) -> None:
    header = diagram(net, style=style, collapse=False, depth=depth, wrap=1).header
    addresses = [address for box in header["boxes"] for address in box["addresses"]]
    assert len(set(addresses)) == len(addresses)
    assert {layer.address for layer in net} <= set(addresses)
    received = {source for layer in net for source in layer.inputs}
    assert set(addresses) <= {layer.address for layer in net} | received
    assert joined(header, style == "horizontal") == expected(net, header)


@settings(max_examples=examples(25))
@given(networks(20), styles)
def test_each_box_may_carry_a_map(net: Network, style: str) -> None:
    acts = Recording({layer.address: maps(2) for layer in net}, network=net)
    picture = diagram(net, acts, style=style, wrap=1)
    assert len(picture) == sum(
        any(address in acts for address in box["addresses"]) for box in picture.header["boxes"]
    )
    check(picture.header, style == "horizontal")
    assert joined(picture.header, style == "horizontal") == expected(net, picture.header)


@settings(max_examples=examples(25))
@given(networks(20), styles)
def test_the_same_network_gives_the_same_picture(net: Network, style: str) -> None:
    assert diagram(net, style=style).svg() == diagram(net, style=style).svg()


@pytest.mark.parametrize("style", ["vertical", "horizontal"])
@pytest.mark.parametrize("alike", [True, False])
def test_a_chain_of_a_thousand(style: str, alike: bool) -> None:
    header = diagram(chain(1000, alike), style=style, wrap=1).header
    assert len(header["boxes"]) == (1 if alike else 1000)
    assert len(header["lines"]) == (0 if alike else 999)
    along = header["size"][style == "vertical"]
    assert along > 30_000 or alike
    assert max(box["box"][0] + box["box"][2] for box in header["boxes"]) <= header["size"][0]


@pytest.mark.slow
@pytest.mark.parametrize("style", ["vertical", "horizontal"])
def test_every_layer_feeds_all_later_ones(style: str) -> None:
    net = wired([(f"n{i}", f"n{j}") for j in range(30) for i in range(j)])
    header = diagram(net, style=style, wrap=1).header
    check(header, style == "horizontal")
    assert len(joined(header, style == "horizontal")) == 435


@pytest.mark.parametrize("separator", ["/", "."])
def test_sixty_levels(separator: str) -> None:
    names = [separator.join([f"b{j}" for j in range(i)] + ["x"]) for i in range(60)]
    net = wired(list(itertools.pairwise(names)))
    header = diagram(net, wrap=1).header
    assert len(header["frames"]) == 58
    check(header, horizontal=False)
    assert diagram(net, depth=3).header["boxes"][-1]["addresses"] == names[4:]


def test_one_layer_is_a_box_and_none_a_sentence() -> None:
    assert len(diagram(chain(1)).header["boxes"]) == 1
    with pytest.raises(ViewError, match="'random' has no layers: there is nothing to draw"):
        diagram(chain(0))


def test_large_networks_are_closed_as_far_as_needed() -> None:
    names = [f"a{i // 100}/b{i // 10}/c{i}" for i in range(400)]
    net = wired(list(itertools.pairwise(names)))
    picture = diagram(net, collapse=False)
    assert len(picture.header["boxes"]) == 40
    assert "drawn to depth 1 of 2" in [text["text"] for text in picture.header["texts"]]
    assert len(diagram(net, collapse=False, depth=9).header["boxes"]) == 400
    assert len(diagram(net, collapse=False, depth=0).header["boxes"]) == 4
    assert len(diagram(net, collapse=False, depth=0, expand="a1/b12").header["boxes"]) == 3 + 9 + 10
    assert len(diagram(net, collapse=False, depth=0, expand=["a*"]).header["boxes"]) == 400


def test_the_heading_tells_what_it_is() -> None:
    picture = diagram(network([layer("a", "Dense"), layer("b", "Dense", inputs=("a",))]))
    assert [text["text"] for text in picture.header["texts"]][:2] == [
        "random", "none, 2 layers, no parameters"
    ]  # fmt: skip
    assert picture.header["title"] == "random: architecture"
    acts = recording({"conv": maps(2)})
    notes = [text["text"] for text in diagram(acts.network, acts, sample=1).header["texts"]]
    assert (
        "in each box the channel that varies most on sample 1, drawn on its layer's range" in notes
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"style": "x"}, "There is no style 'x': 'vertical', 'horizontal', 'volume' are known."),
        ({"style": None}, "There is no style None"),
        ({"depth": -1}, "depth=-1: pass how many levels of blocks to open, 0 or more."),
        ({"depth": True}, "depth=True: pass how many"),
        ({"depth": "2"}, "depth='2': pass how many"),
        ({"depth": 1.0}, "depth=1.0: pass how many"),
        ({"expand": "nothing*"}, "There is no block 'nothing*' to expand: there are 'e'."),
        ({"expand": 5}, "expand=5: pass the name of a block, a glob, or a list of them."),
        ({"expand": ["e", None]}, "expand=['e', None]: pass the name"),
        ({"expand": None}, "expand=None: pass the name"),
        ({"ground": "green"}, "There is no ground 'green': 'dark' and 'light' are known."),
        ({"ground": []}, "There is no ground []"),
        ({"palette": "viridi"}, "There is no palette 'viridi': did you mean"),
        ({"palette": 3}, "palette=3: pass a name"),
        ({"scale": "x"}, "scale='x' is none: pass 'unit', 'layer'"),
        ({"scale": (2, 1)}, "scale=(2, 1) is none"),
        ({"unit": -1}, "unit=-1: pass the number of a channel"),
        ({"sample": 7}, "There is no sample 7: there are 2, counted from 0."),
    ],
)
def test_nonsense_gets_one_sentence(options: dict[str, Any], message: str) -> None:
    net = wired([("x", "e/a"), ("e/a", "e/b"), ("e/b", "y")])
    acts = Recording({"e/a": maps(2)}, network=net)
    with pytest.raises(ViewError, match="^" + re.escape(message)) as error:
        diagram(net, acts, **options)
    assert "\n" not in str(error.value)


def test_a_recording_and_nothing_else() -> None:
    with pytest.raises(ViewError, match="A view takes a recording, and this is a ndarray"):
        diagram(chain(2), np.zeros(3))  # type: ignore[arg-type]


def test_a_model_that_does_not_know_its_order() -> None:
    net = network([layer("a", "Linear"), layer("b", "Linear")])
    with pytest.raises(ViewError, match="before it is run: pass activations") as error:
        diagram(net)
    assert "\n" not in str(error.value)


def test_the_check_sees_what_is_wrong() -> None:
    header = diagram(wired([("a", "b"), ("a", "c"), ("b", "d"), ("c", "d")])).header
    check(header, horizontal=False)
    moved = {**header["boxes"][0], "box": header["boxes"][1]["box"]}
    with pytest.raises(AssertionError, match="boxes overlap"):
        check({**header, "boxes": [*header["boxes"], moved]}, horizontal=False)
    x, y, width, height = header["boxes"][3]["box"]
    through = {"source": "a", "path": [("M", ((x, y - 1),)), ("L", ((x + width, y + height),))]}
    with pytest.raises(AssertionError, match="a line crosses the box"):
        check({**header, "lines": [through]}, horizontal=False)
    less = {**header, "lines": header["lines"][1:]}
    assert joined(less, horizontal=False) < joined(header, horizontal=False)
    assert io.BytesIO(diagram(chain(1)).png()).read(4) == b"\x89PNG"
