"""Whatever is asked and sent, by whoever was let in: an answer or a sentence, and never a fault."""

from __future__ import annotations

import io
import json

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from PIL import Image

pytest.importorskip("keras")
pytest.importorskip("starlette")

from cases.pages import site

_NUMBERS = st.floats(allow_nan=True, allow_infinity=True) | st.integers(-(10**400), 10**400)
_VALUES = st.recursive(
    st.none() | st.booleans() | _NUMBERS | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=12,
)
#: Numbers in the shape that the network takes, or nearly so.
_PICTURES = st.sampled_from(
    [
        [[[0.5]] * 12] * 12,
        [[0.5] * 12] * 12,
        [0.5] * 144,
        [[[float("nan")]] * 12] * 12,
        [[["x"]] * 12] * 12,
        [[[0.5]] * 12] * 11 + [[[0.5]] * 11],
        [[[1e400]] * 12] * 12,
        [[[10**400]] * 12] * 12,
    ]
)
_NAMES = st.text(max_size=300) | st.sampled_from(["../x", "<b>", "\x00", "\x1b[31m", ""])
_PLACES = st.text(max_size=20) | st.integers(-2, 40).map(str)


@pytest.fixture(scope="module")
def served():
    with site("conv") as page:
        yield page


def sent(served, data, content_type, **query):
    client = served.enter()
    headers = {"origin": client.origin, "content-type": content_type}
    return client.ask("POST", "/api/input", query=query, headers=headers, body=data)


def is_answer(reply):
    if reply.status != 200:
        assert reply.status in (413, 422), reply.text
        assert list(reply.json()) == ["error"]
        assert reply.json()["error"].isprintable()
    return True


@given(_VALUES | st.fixed_dictionaries({"numbers": _VALUES | _PICTURES}), _NAMES, _PLACES)
@example({"numbers": [[[0.5]] * 12] * 12}, "a", "")
@example(10**5000, "a", "")
def test_numbers_that_are_none_are_one_sentence(served, value, name, into):
    data = _json(value)
    assert is_answer(sent(served, data, "application/json", name=name, into=into))


def _json(value):
    """JSON of any value, also of numbers that have too many digits to be written by Python."""
    try:
        return json.dumps(value).encode()
    except ValueError:
        return b"9" * 5_001


@given(
    st.binary(max_size=2_000), st.sampled_from(["application/json", "image/png", "", "x/\ud800"])
)
@example(b"[" * 90_000, "application/json")
@example(b"[" * 200_000, "application/json")
@example(b'{"numbers": 1' + b"0" * 90_000 + b"}", "application/json")
@example(b"\xff\xfe{}", "application/json")
@example(b"", "image/png")
def test_bytes_that_are_no_input_are_one_sentence(served, data, content_type):
    assert is_answer(sent(served, data, content_type))


def picture(kind, size=(30, 20)):
    pixels = np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, kind)
    return file.getvalue()


@given(st.sampled_from(["PNG", "JPEG", "GIF", "WEBP", "BMP", "TIFF"]), st.data())
def test_pictures_that_are_damaged_are_one_sentence_or_a_picture(served, kind, data):
    """Some bytes changed, and the end cut off."""
    damaged = bytearray(picture(kind))
    for place in data.draw(st.lists(st.integers(0, len(damaged) - 1), max_size=8)):
        damaged[place] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(damaged)))
    assert is_answer(sent(served, bytes(damaged[:cut]), f"image/{kind.lower()}"))


_SEGMENTS = st.sampled_from(
    ["api", "images", "panel", "outline", "changes", "input", "image", "cancel", "1", "-1", "0",
     "9" * 30, "unit.map", "..", "", "%2e%2e", "%00", "%ff", "web", "main.js", ";", "x"]
)  # fmt: skip


@given(st.lists(_SEGMENTS, max_size=6), st.sampled_from(["GET", "HEAD", "POST"]))
def test_no_address_is_a_fault(served, segments, method):
    client = served.enter()
    headers = {"origin": client.origin} if method == "POST" else {}
    reply = client.ask(method, "/" + "/".join(segments), headers=headers)
    assert reply.status in (200, 204, 303, 404, 405, 422), reply.text
    assert client.faults == []


def test_a_client_that_leaves_while_it_sends_is_no_fault(served):
    client = served.enter()
    headers = {"origin": client.origin, "content-length": "1000"}
    client.ask("POST", "/api/input", headers=headers, body=b"x" * 10, leaves=True)
    assert client.faults == []
