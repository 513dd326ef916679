from __future__ import annotations

import itertools
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cases.drawings import sampled
from cases.networks import chain, networks
from layerscope.core.errors import OutputError, ViewError
from layerscope.core.network import Network
from layerscope.views.diagram import diagram
from layerscope.views.diagram.paths import path_of


@pytest.mark.parametrize("kind", ["png", "svg", "pdf"])
def test_saved_where_asked(kind: str, tmp_path: Path) -> None:
    path = diagram(chain(3)).save(tmp_path / f"net.{kind}")
    begins = {"png": b"\x89PNG", "svg": b"<svg xmlns=", "pdf": b"%PDF"}[kind]
    assert path.read_bytes().startswith(begins)
    with pytest.raises(OutputError, match=r"can't be written \(No such file or directory\)"):
        diagram(chain(3)).save(tmp_path / "absent" / f"net.{kind}")


@pytest.mark.parametrize("name", ["net.jpg", "net", "net.svgz"])
def test_other_kinds_of_files(name: str, tmp_path: Path) -> None:
    with pytest.raises(ViewError, match=r"save to \.png, \.svg or \.pdf"):
        diagram(chain(3)).save(tmp_path / name)
    assert not list(tmp_path.iterdir())


@given(networks(12), st.sampled_from(["vertical", "horizontal"]))
def test_the_header_is_json(net: Network, style: str) -> None:
    header = diagram(net, style=style).header
    again = json.loads(json.dumps(header))
    assert again.keys() == header.keys()
    assert len(again["boxes"]) == len(header["boxes"]) > 0


number = st.floats(-999, 999).map(lambda x: round(x, 1))


@given(st.lists(st.tuples(number, number), min_size=2, max_size=6), st.booleans())
def test_a_path_goes_through_its_points(
    points: list[tuple[float, float]], horizontal: bool
) -> None:
    path = path_of(tuple(points), horizontal)
    assert [own[-1] for _, own in path] == points
    along = 0 if horizontal else 1
    if all(a[along] <= b[along] for a, b in itertools.pairwise(points)):
        seen = [point[along] for point in sampled(path)]
        assert all(a <= b + 0.11 for a, b in itertools.pairwise(seen))
