"""Pictures and lines of Python that are taken along."""

from __future__ import annotations

import base64
import io
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import expect

import layerscope
from cases.page_truth import truth

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture
def saved():
    """Clicks a button of a panel, or of the page where there is none; returns the file's bytes."""

    def save(there, format_, region=None):
        place = there.page.get_by_role("region", name=region, exact=True) if region else there.page
        if region:
            place.hover()
        with there.page.expect_download() as download:
            place.get_by_role("button", name=format_, exact=True).first.click()
        value = download.value
        assert value.suggested_filename.endswith(format_.lower())
        return value.path().read_bytes()

    return save


def test_a_layer_is_saved_as_it_is_seen(look, saved):
    there = look("digits", "conv2d_1?zoom=64&palette=magma")
    seen = there.pixels(there.canvas("conv2d_1"))
    image = np.asarray(Image.open(io.BytesIO(saved(there, "PNG"))).convert("RGB"))
    assert image.shape[1] == 2 * seen.shape[1]  # sharp where screens are
    maps = there.probed(there.canvas("conv2d_1"), step=7)
    assert len(maps) > 300
    for probe in maps:
        x, y = probe.at
        assert tuple(image[int(2 * y), int(2 * x)]) == probe.colour


def test_all_channels_are_saved_not_only_those_in_view(look, saved):
    there = look("wide", "0")
    image = Image.open(io.BytesIO(saved(there, "PNG")))
    height = there.page.locator(".stack").evaluate("(el) => el.scrollHeight")
    assert image.height >= height


def test_more_than_a_canvas_can_hold_is_saved_smaller(look, saved):
    there = look("wide", "0?zoom=256")
    image = Image.open(io.BytesIO(saved(there, "PNG")))
    assert image.height > 10_000
    assert np.asarray(image.convert("RGB")).std() > 1  # and it is not empty


def test_svg_is_well_formed_and_holds_the_same_picture(look, saved):
    there = look("hostile", "a:7")
    root = ET.fromstring(saved(there, "SVG"))
    assert root.tag == f"{SVG}svg"
    assert root.find(f"{SVG}title").text.startswith("a:7")
    href = root.find(f"{SVG}image").get("href")
    image = Image.open(io.BytesIO(base64.b64decode(href.partition("base64,")[2])))
    shown = there.probed(there.canvas("a:7"), step=17)
    pixels = np.asarray(image.convert("RGB"))
    times = image.width / there.pixels(there.canvas("a:7")).shape[1]
    for probe in shown:
        x, y = probe.at
        assert tuple(pixels[int(times * y), int(times * x)]) == probe.colour


@pytest.mark.parametrize("format_", ["PNG", "SVG"])
def test_a_histogram_is_saved(look, saved, format_):
    there = look("digits", "conv2d:3")
    data = saved(there, format_, "Histogram")
    if format_ == "PNG":
        pixels = np.asarray(Image.open(io.BytesIO(data)).convert("RGBA"))
        assert len(np.unique(pixels.reshape(-1, 4), axis=0)) > 3
    else:
        root = ET.fromstring(data)
        bars = [float(bar.get("height")) for bar in root.iter(f"{SVG}rect")]
        assert len(bars) > 20
        assert max(bars) > 50


def test_python_is_copied_that_draws_the_same(visit, tmp_path):
    there = visit("digits", "conv2d_1?sample=2", permissions=["clipboard-read", "clipboard-write"])
    there.page.get_by_role("button", name="Python", exact=True).first.click()
    expect(there.page.locator(".status")).to_have_text("Copied.")
    lines = there.page.evaluate("() => navigator.clipboard.readText()")
    *before, last = lines.strip().splitlines()
    names: dict[str, object] = {"ls": layerscope}
    exec("\n".join(before), names)
    panel = eval(last, names)
    wanted = layerscope.sheet(truth("digits"), "conv2d_1", sample=2)
    assert panel.header["title"] == wanted.header["title"]
    assert panel.buffers["pixels"] == wanted.buffers["pixels"]


def test_python_is_copied_where_there_is_no_clipboard(visit):
    there = visit("digits", "conv2d_1:3")
    region = there.page.get_by_role("region", name="Its map")
    region.hover()
    region.get_by_role("button", name="Python").click()
    expect(there.page.locator(".status")).to_have_text("Copied.")
