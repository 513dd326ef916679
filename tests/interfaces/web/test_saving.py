"""Panels as files: pictures that say where they come from."""

from __future__ import annotations

import io
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest
from PIL import Image

import layerscope as ls
from cases import page_models


def saved(there, panel: str, ending: str) -> bytes:
    """What the button of a panel saves."""
    region = there.page.get_by_role("region", name=panel, exact=True)
    region.hover()
    with there.page.expect_download() as download:
        region.get_by_role("button", name=ending, exact=True).click()
    return download.value.path().read_bytes()


@pytest.fixture(scope="module")
def digest() -> str:
    acts = ls.activations(page_models.digits(), page_models.INPUTS["digits"]())
    return acts.provenance["model"]


@pytest.mark.parametrize("panel", ["Its map", "Its kernel", "Histogram", "What drives it here"])
def test_a_panel_is_saved_with_where_it_comes_from(look, digest, panel):
    there = look("digits", "conv2d_1:2?sample=1")
    image = Image.open(io.BytesIO(saved(there, panel, "PNG")))
    image.load()
    fields = image.text
    assert fields["layerscope:model"] == digest
    assert fields["layerscope:sample"].startswith("1: ")
    assert fields["Software"] == f"layerscope {ls.__version__}"
    pixels = np.asarray(image.convert("RGB"), int)
    assert np.ptp(pixels) > 60  # there is something on it
    root = ElementTree.fromstring(saved(there, panel, "SVG"))
    desc = root.find("{http://www.w3.org/2000/svg}desc")
    assert desc is not None
    assert f"layerscope:model: {digest}" in (desc.text or "")
