from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from layerscope.recordings.store.array_layout import group_name, safe_name

ODD = ["a/b", "..", ".", "", "Conv", "conv", "CONV", "層", "слой", "x" * 300, "a b", "a\nb", "nul:"]


@given(st.text())
def test_a_name_is_safe_everywhere(text: str) -> None:
    assert re.fullmatch(r"[a-z0-9_-]*(\.[0-9a-f]{12})?", safe_name(text))
    assert 0 < len(safe_name(text)) <= 80


@given(st.lists(st.text(), unique=True))
def test_two_addresses_never_share_a_name(texts: list[str]) -> None:
    assert len({group_name("weights", text).lower() for text in texts}) == len(texts)


def test_odd_addresses_have_different_names_also_where_case_is_not_told_apart() -> None:
    assert len({safe_name(text).lower() for text in ODD}) == len(ODD)


@pytest.mark.parametrize("text", ["conv2d", "max_pooling2d_1", "block-3", "0"])
def test_a_plain_address_is_its_own_name(text: str) -> None:
    assert safe_name(text) == text


def test_a_long_address_stays_readable() -> None:
    assert safe_name("Encoder/Block_3/" + "x" * 300).startswith("encoder-block_3-xxx")
