"""One's own input: drawn, dropped, chosen, typed; every panel follows in place."""

from __future__ import annotations

import base64
import io
from typing import Any

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import expect

import layerscope as ls
from cases import page_models

SEVEN = [(0.3, 0.25), (0.7, 0.25), (0.55, 0.55), (0.48, 0.8)]

#: What is on the board, as grey levels.
LEVELS = """(canvas) => {
  const data = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
  return Array.from({ length: data.length / 4 }, (_, i) => data[4 * i]);
}"""

DROP = """([name, type, data]) => {
  const bytes = Uint8Array.from(atob(data), (c) => c.charCodeAt(0));
  const transfer = new DataTransfer();
  transfer.items.add(new File([bytes], name, { type }));
  for (const kind of ["dragenter", "dragover", "drop"]) {
    const init = { dataTransfer: transfer, bubbles: true, cancelable: true };
    document.body.dispatchEvent(new DragEvent(kind, init));
  }
}"""


def open_dialog(there: Any) -> Any:
    there.page.get_by_role("button", name="Try your own").click()
    dialog = there.page.get_by_role("dialog", name="Your own input")
    expect(dialog).to_be_visible()
    return dialog


def draw(there: Any, board: Any, points: Any = SEVEN) -> None:
    box = board.bounding_box()
    mouse = there.page.mouse
    places = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in points]
    mouse.move(*places[0])
    mouse.down()
    for place in places[1:]:
        mouse.move(*place, steps=5)
    mouse.up()


def sample_button(there: Any, name: str) -> Any:
    return there.page.get_by_role("group", name="Samples").get_by_role("button", name=name)


def answered(there: Any) -> dict[str, float]:
    rows = there.page.get_by_role("region", name="What the network answered").get_by_role("row")
    cells = [row.get_by_role("cell").all_inner_texts() for row in rows.all()]
    return {row[0]: number(row[-1]) for row in cells}


def number(text: str) -> float:
    return float(text.removesuffix(" %").replace("−", "-"))


def expected(network: str, x: Any) -> Any:
    model = getattr(page_models, network)()
    last = list(ls.activations(model, x).values())[-1]
    return last.values[0]


def expect_answers(there: Any, network: str, x: Any, times: float = 100) -> None:
    values = expected(network, x.astype(np.float32))
    shown = answered(there)
    assert shown
    for address, value in shown.items():
        assert value == pytest.approx(times * values[int(address.split(":")[1])], abs=0.06)


def png(pixels: Any) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def test_a_digit_is_drawn_and_the_passage_follows(visit):
    there = visit("digits")
    board = open_dialog(there).get_by_role("application", name="Draw here")
    draw(there, board)
    expect(sample_button(there, "drawing").last).to_have_attribute("aria-pressed", "true")
    there.settled()

    levels = np.array(board.evaluate(LEVELS)).reshape(28, 28)
    assert levels[7, 8:20].min() > 200  # the bar of the seven
    assert levels[12, 9] == levels[0, 0] == 0
    expect_answers(there, "digits", levels[None, ..., None] / 255)


def test_a_drawing_goes_on_in_its_own_sample(visit):
    there = visit("digits")
    board = open_dialog(there).get_by_role("application", name="Draw here")
    count = sample_button(there, "drawing").count()
    draw(there, board)
    expect(sample_button(there, "drawing")).to_have_count(count + 1)
    there.settled()
    draw(there, board, [(0.2, 0.6), (0.8, 0.6)])
    there.settled()

    expect(sample_button(there, "drawing")).to_have_count(count + 1)
    levels = np.array(board.evaluate(LEVELS)).reshape(28, 28)
    expect_answers(there, "digits", levels[None, ..., None] / 255)


def test_a_drawing_is_kept_and_another_begun(visit):
    there = visit("digits")
    dialog = open_dialog(there)
    board = dialog.get_by_role("application", name="Draw here")
    count = sample_button(there, "drawing").count()
    draw(there, board)
    expect(sample_button(there, "drawing")).to_have_count(count + 1)
    dialog.get_by_role("button", name="Keep, and draw another").click()
    expect(sample_button(there, "drawing")).to_have_count(count + 2)
    assert max(board.evaluate(LEVELS)) == 0


def test_the_board_is_drawn_on_with_the_keyboard(visit):
    there = visit("digits")
    there.page.keyboard.press("i")
    board = there.page.get_by_role("application", name="Draw here")
    expect(board).to_be_focused()
    there.page.keyboard.press(" ")
    for _ in range(6):
        there.page.keyboard.press("ArrowRight")
    expect(there.page.get_by_text("row 14, column 20, pen down").first).to_be_attached()
    levels = np.array(board.evaluate(LEVELS)).reshape(28, 28)
    assert (levels[13:15, 14:20] > 100).all()
    there.page.keyboard.press("Delete")
    assert max(board.evaluate(LEVELS)) == 0
    there.page.keyboard.press("Escape")
    expect(there.page.get_by_role("dialog", name="Your own input")).to_be_hidden()
    expect(there.page.get_by_role("button", name="Try your own")).to_be_focused()


def test_an_image_is_dropped_anywhere(visit):
    there = visit("digits")
    pixels = np.random.RandomState(3).randint(0, 256, (28, 28)).astype(np.uint8)
    sent = base64.b64encode(png(pixels)).decode()
    there.page.evaluate(DROP, ["noise.png", "image/png", sent])
    expect(sample_button(there, "noise.png")).to_have_attribute("aria-pressed", "true")
    there.settled()
    expect_answers(there, "digits", pixels[None, ..., None] / 255)


def test_what_another_window_was_given_leaves_no_hole(visit):
    one, other = visit("digits"), visit("digits")
    buttons = other.page.get_by_role("group", name="Samples").get_by_role("button", name="sample ")
    before = buttons.count()
    for there, name in ((one, "here.png"), (other, "there.png")):
        pixels = np.full((28, 28), 90, np.uint8)
        data = base64.b64encode(png(pixels)).decode()
        there.page.evaluate(DROP, [name, "image/png", data])
        expect(sample_button(there, name)).to_have_attribute("aria-pressed", "true")
        there.settled()
    assert buttons.count() == before + 2


def test_an_image_is_chosen_and_what_is_none_is_said(visit, tmp_path):
    there = visit("residual")
    there.allow(r"status of 422")
    pixels = np.random.RandomState(4).randint(0, 256, (24, 24, 3)).astype(np.uint8)
    (tmp_path / "photo.png").write_bytes(png(pixels))
    (tmp_path / "notes.png").write_text("no image at all")
    dialog = open_dialog(there)
    dialog.get_by_label("Image file").set_input_files(tmp_path / "notes.png")
    expect(dialog.get_by_role("status")).to_contain_text("'notes.png' is no image that opens")
    dialog.get_by_label("Image file").set_input_files(tmp_path / "photo.png")
    expect(sample_button(there, "photo.png")).to_have_attribute("aria-pressed", "true")
    expect(dialog.get_by_role("status")).to_be_empty()


def test_numbers_are_typed_and_slid(visit):
    there = visit("mlp")
    dialog = open_dialog(there)
    given = page_models.INPUTS["mlp"]()[:1].astype(np.float64)
    fields = [dialog.get_by_label(f"value {i}", exact=True) for i in range(6)]
    expect(fields[2]).to_have_value(f"{float(f'{given[0, 2]:.6g}'):.6g}")
    fields[2].fill("1.5")
    expect(sample_button(there, "numbers").last).to_have_attribute("aria-pressed", "true")
    there.settled()
    given[0, 2] = 1.5
    expect_answers(there, "mlp", given, times=1)

    slider = dialog.get_by_label("value 4, between")
    slider.focus()
    there.page.keyboard.press("End")
    there.settled()
    given[0, 4] = float(fields[4].input_value())
    assert given[0, 4] == pytest.approx(page_models.INPUTS["mlp"]()[:, 4].max(), rel=1e-3)
    expect_answers(there, "mlp", given, times=1)


def test_a_field_that_holds_no_number_says_so(visit):
    there = visit("mlp")
    field = open_dialog(there).get_by_label("value 1", exact=True)
    field.fill("")
    expect(field).to_have_attribute("aria-invalid", "true")
    field.fill("2")
    expect(field).to_have_attribute("aria-invalid", "false")
    expect(sample_button(there, "numbers").last).to_have_attribute("aria-pressed", "true")


def test_tokens_are_typed_and_those_that_there_are_none_of_are_said(visit):
    there = visit("transformer")
    there.allow(r"status of 422")
    dialog = open_dialog(there)
    tokens = page_models.INPUTS["transformer"]()[:1]
    first = dialog.get_by_label("value 0", exact=True)
    expect(first).to_have_value(str(tokens[0, 0]))
    first.fill("99")
    expect(dialog.get_by_role("status")).to_contain_text("index out of range")
    first.fill("7")
    expect(sample_button(there, "numbers").last).to_have_attribute("aria-pressed", "true")
    there.settled()
    tokens[0, 0] = 7
    values = expected("transformer", tokens)
    for address, value in answered(there).items():
        assert value == pytest.approx(values[int(address.split(":")[1])], abs=0.006)


def test_without_a_camera_there_is_a_sentence(visit):
    there = visit("residual")
    dialog = open_dialog(there)
    dialog.get_by_role("button", name="Camera", exact=True).click()
    expect(dialog.get_by_role("status")).to_contain_text("camera")
