"""A file with its network in it: what a person gives passes through every layer in the browser."""

from __future__ import annotations

import io

import numpy as np
import pytest
from playwright.sync_api import expect

import layerscope as ls
from cases import page_models
from cases.page_colours import levels, shows
from cases.page_truth import near
from cases.page_visits import Visit


@pytest.fixture(scope="module")
def model():
    return page_models.digits()


@pytest.fixture(scope="module")
def live_file(tmp_path_factory, model):
    path = tmp_path_factory.mktemp("live") / "digits.html"
    return ls.report(model, page_models.digit_images(2), path, live=True)


@pytest.fixture
def there(chromium, live_file):
    made = Visit(chromium, live_file.as_uri())
    made.page.goto(f"{made.url}#/conv2d_1")
    made.settled()
    yield made
    assert not made.close()


def picture() -> np.ndarray:
    """An image of two bars that the file does not hold, ``(28, 28)``, 0 to 255."""
    image = np.zeros((28, 28), np.uint8)
    image[4:24, 8:11] = 255
    image[12:16, 8:22] = 128
    return image


def give(there, image: np.ndarray) -> np.ndarray:
    """Choose an image as a person does; returns it as the network receives it."""
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(image).save(file, "PNG")
    there.page.get_by_role("button", name="Try your own").click()
    there.page.get_by_label("Image file").set_input_files(
        {"name": "bars.png", "mimeType": "image/png", "buffer": file.getvalue()}
    )
    expect(there.page.get_by_role("button", name="sample 2:")).to_have_attribute(
        "aria-pressed", "true"
    )
    there.settled()
    there.page.keyboard.press("Escape")
    return (image.astype(np.float32) / 255)[None, :, :, None]


def test_every_layer_follows_an_image_that_a_person_gives(there, model):
    acts = ls.activations(model, give(there, picture()))
    for layer in ("conv2d", "max_pooling2d", "conv2d_1", "max_pooling2d_1"):
        there.page.goto(f"{there.url}#/{layer}?sample=2")
        there.settled()
        values = acts[layer].transpose("sample", "channel", "y", "x").values[0].astype(float)
        expected = levels(values, "layer")
        probes = there.probed(there.canvas(layer), step=9)
        assert len(probes) > 200
        wrong = [
            probe for probe in probes
            if not shows(probe.colour, expected[probe.unit, probe.y, probe.x], "viridis")
            and np.ptp(values[probe.unit])
        ]  # fmt: skip
        assert not wrong


def test_it_answers_as_the_framework_does(there, model):
    acts = ls.activations(model, give(there, picture()))
    values = acts["dense"].values[0]
    rows = there.page.get_by_role("region", name="What the network answered").locator("tbody tr")
    best = np.argsort(-values)[:5]
    expect(rows).to_have_count(5)
    for row, unit in zip(rows.all(), best, strict=True):
        assert row.inner_text().split()[0] == f"dense:{unit}"
        assert f"{100 * values[unit]:.1f} %" in row.inner_text()


def test_a_drawing_passes_through_while_it_is_drawn(there):
    there.page.get_by_role("button", name="Try your own").click()
    board = there.page.locator(".drawing canvas").bounding_box()
    at = lambda x, y: (board["x"] + x * board["width"], board["y"] + y * board["height"])  # noqa: E731
    there.page.mouse.move(*at(0.3, 0.2))
    there.page.mouse.down()
    there.page.mouse.move(*at(0.7, 0.2), steps=5)
    expect(there.page.get_by_role("button", name="sample 2:")).to_be_visible()
    there.settled()
    before = there.pixels(there.canvas("conv2d_1"))
    there.page.mouse.move(*at(0.4, 0.8), steps=5)
    there.page.mouse.up()
    there.page.wait_for_function("performance.getEntriesByName('layerscope.given').length > 1")
    there.settled()
    assert (there.pixels(there.canvas("conv2d_1")) != before).any()


def test_the_unit_s_page_follows_too(there, model):
    acts = ls.activations(model, give(there, picture()))
    there.page.goto(f"{there.url}#/conv2d:0?sample=2")
    there.settled()
    values = acts["conv2d"].values[0, :, :, 0]
    panel = there.page.get_by_role("region", name="Histogram", exact=True)
    expect(panel).to_contain_text(f"{values.size} values of this sample")
    largest = panel.locator("svg > text").last.text_content()
    assert near(float(largest.replace("−", "-")), float(values.max()))
