"""A person's own input over HTTP: images, numbers, and what is refused in a sentence."""

from __future__ import annotations

import io
import json
from typing import Any

import numpy as np
import pytest
from PIL import Image

import layerscope as ls
from cases.closed_form import draw_weights
from layerscope.instruments.samples import SampleRecordings
from layerscope.interfaces.page.subject import PageSubject

keras = pytest.importorskip("keras")
pytest.importorskip("starlette")
pytest.importorskip("httpx")

from cases.pages import site
from cases.route_client import RouteClient, computed, error_of
from layerscope.interfaces.server import own_input
from layerscope.interfaces.server.own_input import input_routes


def of_images() -> Any:
    layers = [keras.layers.Conv2D(2, 3, name="conv"), keras.layers.Flatten()]
    model = keras.Sequential([keras.Input((8, 10, 1)), *layers, keras.layers.Dense(3, name="out")])
    return draw_weights(model, 0)


def of_numbers() -> Any:
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, name="out")])
    return draw_weights(model, 0)


def client_of(subject: PageSubject) -> RouteClient:
    return RouteClient(input_routes(subject, computed))


@pytest.fixture(scope="module")
def images() -> PageSubject:
    return PageSubject(SampleRecordings(of_images(), np.zeros((2, 8, 10, 1), np.float32)))


@pytest.fixture(scope="module")
def numbers() -> PageSubject:
    return PageSubject(SampleRecordings(of_numbers(), np.ones((1, 3), np.float32)))


def png(pixels: Any) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def test_an_image_becomes_a_sample_and_takes_its_own_place(images: PageSubject) -> None:
    client = client_of(images)
    pixels = np.random.RandomState(0).randint(0, 256, (8, 10)).astype(np.uint8)
    before = images.generation

    added = client.post("/api/input?name=seven.png", content=png(pixels)).json()
    assert added == {"sample": 2, "name": "seven.png", "edition": 1, "generation": before + 1}
    again = client.post("/api/input?name=drawing&into=2", content=png(255 - pixels)).json()

    assert again == {"sample": 2, "name": "drawing", "edition": 2, "generation": before + 2}
    assert images.outline()["samples"][2] == {"name": "drawing", "edition": 2}
    assert images.samples is not None
    recording, row = images.samples.recording(2)
    x = (255 - pixels).astype(np.float32)[None, ..., None] / np.float32(255)
    expected = ls.activations(images.samples.model, x)
    assert np.array_equal(recording["out"].values[row], expected["out"].values[0])


def test_numbers_become_a_sample(numbers: PageSubject) -> None:
    client = client_of(numbers)
    sent = client.post("/api/input?name=numbers", json={"numbers": [1, -2.5, 1e3]})
    assert sent.json()["sample"] == 1
    assert numbers.samples is not None
    recording, row = numbers.samples.recording(1)
    (received,) = recording.inputs.values()
    assert received.values[row].tolist() == [1, -2.5, 1000]


def test_the_outline_says_what_can_be_given(images: PageSubject, numbers: PageSubject) -> None:
    form = images.outline()["inputs"]
    assert (form["form"], form["shape"], form["grey"]) == ("image", (8, 10, 1), True)
    form = numbers.outline()["inputs"]
    assert (form["form"], form["shape"], form["lows"]) == ("vector", (3,), (1, 1, 1))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "'x' is no image that opens"),
        (b"hello", "'x' is no image that opens"),
        (png(np.arange(1600, dtype=np.uint8).reshape(40, 40))[:90], "x can't be read as an image"),
        (b"P5 70000 70000 255\n", "more than 65 million pixels"),
    ],
    ids=["empty", "text", "cut", "bomb"],
)
def test_what_is_no_image_is_a_sentence(images: PageSubject, content: bytes, words: str) -> None:
    count = len(images.names)
    assert words in error_of(client_of(images).post("/api/input?name=x", content=content))
    assert len(images.names) == count


@pytest.mark.parametrize(
    ("sent", "words"),
    [
        ("[1, 2", "JSON is none"),
        ("[" * 50_000, "JSON is none"),
        ("[1, 2, 3]", 'sent as {"numbers": […]}'),
        ('{"numbers": [1, 2]}', "takes 3 numbers"),
        ('{"numbers": [1, 2, NaN]}', "Value 2 is nan"),
        ('{"numbers": [1, 2, "<b>"]}', "Value 2 is '<b>'"),
        ('{"numbers": {"0": 1}}', "takes 3 numbers"),
    ],
    ids=["cut", "deep", "list", "few", "nan", "text", "names"],
)
def test_what_are_no_numbers_is_a_sentence(numbers: PageSubject, sent: str, words: str) -> None:
    headers = {"content-type": "application/json"}
    client = client_of(numbers)
    assert words in error_of(client.post("/api/input", content=sent, headers=headers))


def test_what_a_model_does_not_take_is_a_sentence(
    images: PageSubject, numbers: PageSubject
) -> None:
    sent = json.dumps({"numbers": [1, 2, 3]})
    headers = {"content-type": "application/json"}
    answer = client_of(images).post("/api/input", content=sent, headers=headers)
    assert "The model takes no numbers" in error_of(answer)
    pixels = np.zeros((4, 4), np.uint8)
    answer = client_of(numbers).post("/api/input?name=a.png", content=png(pixels))
    assert "The model takes 3 numbers: type them." in error_of(answer)


def test_too_large_is_refused_before_it_is_read(
    images: PageSubject, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(own_input, "LARGEST_UPLOAD", 1_000_000)
    client = client_of(images)
    assert "up to 1 MB are read" in error_of(
        client.post("/api/input", content=bytes(10**6 + 1)), 413
    )

    async def pieces() -> Any:
        for _ in range(11):
            yield bytes(100_000)

    assert "up to 1 MB are read" in error_of(client.post("/api/input", content=pieces()), 413)
    headers = {"content-type": "application/json"}
    answer = client.post("/api/input", content=bytes(100_001), headers=headers)
    assert "up to 100 kB are read" in error_of(answer, 413)


@pytest.mark.parametrize("into", ["0", "1", "99", "-1", "x", "9" * 30])
def test_only_what_was_given_by_hand_is_replaced(images: PageSubject, into: str) -> None:
    pixels = np.zeros((8, 10), np.uint8)
    answer = client_of(images).post("/api/input", params={"into": into}, content=png(pixels))
    assert answer.status_code == 422


def test_names_are_made_harmless(images: PageSubject) -> None:
    pixels = np.zeros((8, 10), np.uint8)
    name = "<img src=x>\n\x1b[31m" + "x" * 500
    added = client_of(images).post("/api/input", params={"name": name}, content=png(pixels)).json()
    assert added["name"].startswith("<img src=x>")
    assert "\n" not in added["name"]
    assert "\x1b" not in added["name"]
    assert len(added["name"]) <= 120


def test_without_a_model_there_is_a_reason() -> None:
    subject = PageSubject()
    assert "There is no model here" in error_of(client_of(subject).post("/api/input", content=b"x"))


def test_on_the_page_it_comes_from_the_page_alone() -> None:
    with site("conv") as page:
        client = page.enter()
        own = {"origin": client.origin}
        content = png(np.zeros((12, 12), np.uint8))
        assert client.ask("POST", "/api/input", body=content).status == 403
        cross = {"origin": "http://127.0.0.1:1"}
        assert client.ask("POST", "/api/input", body=content, headers=cross).status == 403

        reply = client.ask("POST", "/api/input", body=content, headers=own, query={"name": "a"})
        assert (reply.status, reply.json()["sample"]) == (200, 3)
        outline = client.get("/api/outline").json()
        assert outline["samples"][3] == {"name": "a", "edition": 1}
        assert (
            client.get("/api/panel/layer", query={"address": "conv", "sample": "3"}).status == 200
        )

        assert client.ask("POST", "/api/input", body=b"x", headers=own).status == 422
        assert client.ask("POST", "/api/images", query={"address": "conv:0"}).status == 403
        client.cookies.clear()
        assert client.ask("POST", "/api/input", body=content, headers=own).status == 403
