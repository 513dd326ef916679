from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cases.networks import HOSTILE, chain, layer, network, networks
from cases.recordings import maps, recording
from layerscope.core.network import Network
from layerscope.views.diagram import diagram

SVG = "{http://www.w3.org/2000/svg}"


@pytest.mark.slow
@given(networks(15, hostile=True), st.sampled_from(["vertical", "horizontal"]))
def test_no_name_breaks_it(net: Network, style: str) -> None:
    picture = diagram(net, style=style)
    text = picture.svg({"Title": net.name, "layerscope:model": '<script>"&\x00\ud800'})
    root = ET.fromstring(text.encode())
    assert not list(root.iter(f"{SVG}script"))
    ids = [element.get("id") for element in root.iter() if element.get("id") is not None]
    assert len(set(ids)) == len(ids) == len(picture.header["boxes"])
    assert all(re.search(r"\s", str(name)) is None for name in ids)
    written = [element.text for element in root.iter(f"{SVG}text")]
    assert written == [text["text"] for text in picture.header["texts"]]
    assert text == diagram(net, style=style).svg(
        {"Title": net.name, "layerscope:model": '<script>"&\x00\ud800'}
    )


@pytest.mark.parametrize("name", HOSTILE)
def test_each_of_those_names(name: str, tmp_path: Path) -> None:
    net = network([layer(name, "Dense"), layer("b", name, inputs=(name,))], name)
    for kind in ("svg", "png"):
        diagram(net).save(tmp_path / f"net.{kind}")
    root = ET.parse(tmp_path / "net.svg").getroot()
    assert len(list(root.iter(f"{SVG}g"))) == 2


def test_a_name_may_not_look_like_another_escaped() -> None:
    names = ["a b", "a%20;b", "a%25;20;b", "a\nb"]
    net = network([layer(n, "Dense", inputs=tuple(names[:i])) for i, n in enumerate(names)])
    root = ET.fromstring(diagram(net).svg())
    assert len({group.get("id") for group in root.iter(f"{SVG}g")}) == 4


def test_it_needs_nothing_from_elsewhere() -> None:
    acts = recording({"conv": maps(3)})
    text = diagram(acts.network, acts).svg()
    assert re.findall(r'href="([^"]{0,21})', text) == ["data:image/png;base64"]
    assert not re.findall(r"url\(|@import|<style|<!DOCTYPE|<\?", text)
    assert re.findall(r"https?://[^\"]*", text) == ["http://www.w3.org/2000/svg"]


def test_where_it_comes_from_is_inside(tmp_path: Path) -> None:
    acts = recording({"conv": maps(3)}, digest=lambda: {"model": "abc", "input": "Käse & Brot"})
    saved = diagram(acts.network, acts).save(tmp_path / "net.svg")
    (told,) = ET.parse(saved).getroot().findall(f"{SVG}desc")
    assert "model: abc; input: Käse & Brot" in str(told.text)
    assert "Software: layerscope" in str(told.text)


def test_its_size_is_the_header_s() -> None:
    picture = diagram(chain(4))
    root = ET.fromstring(picture.svg())
    width, height = picture.header["size"]
    assert (root.get("width"), root.get("height")) == (str(width), str(height))
    assert root.get("viewBox") == f"0 0 {width} {height}"
