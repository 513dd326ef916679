"""What the routes answer: panels, and one sentence where there are none."""

from __future__ import annotations

import gzip
import json
import struct
from urllib.parse import quote

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

keras = pytest.importorskip("keras")
pytest.importorskip("starlette")

from cases.pages import images, network, site, site_of
from cases.recordings import VECTOR, maps, named
from layerscope.core.network import Layer, Network
from layerscope.instruments.samples import SampleRecordings
from layerscope.interfaces.page.subject import PageSubject
from layerscope.interfaces.page.wire import packed
from layerscope.recordings.recording import Recording
from layerscope.views.explorer.moment import Moment

#: Names that a model from elsewhere may have, as far as Keras takes them.
HOSTILE = [
    "<script>alert(1)</script>",
    "</script><script>alert(1)",
    "\"'><img src=x onerror=alert(1)>",
    "..\\..\\etc",
    "a" * 2_000,
    "\x1b[31mred\x07\x00",
    "\u202egnp.exe",
    "\ud800",
    "&lt;b&gt;%2e%2e%00",
    "${alert(1)}`",
    "%s{0}{nonce}",
]


@pytest.fixture(scope="module")
def served():
    with site("conv") as page:
        yield page


@pytest.fixture
def client(served):
    """A browser that was let in."""
    return served.enter()


def sent(reply):
    """The bytes of an answer, unpacked where they are packed."""
    packed = reply.headers.get("content-encoding") == "gzip"
    return gzip.decompress(reply.body) if packed else reply.body


def header_of(data):
    (length,) = struct.unpack("<I", data[:4])
    return json.loads(data[4 : 4 + length])["header"]


def test_the_outline_tells_what_there_is(client):
    reply = client.get("/api/outline")
    assert reply.headers["content-type"] == "application/json"
    outline = json.loads(sent(reply))
    assert [layer["address"] for layer in outline["layers"]][:1] == ["conv"]
    assert len(outline["samples"]) == 3
    assert outline["generation"] == 0


@pytest.mark.parametrize("encoding", ["gzip, deflate, br", "identity", None])
def test_a_panel_comes_as_its_bytes_packed_where_the_browser_takes_that(client, served, encoding):
    headers = {"accept-encoding": encoding} if encoding else {}
    reply = client.get("/api/panel/layer", query={"address": "conv"}, headers=headers)
    assert reply.status == 200
    assert reply.headers["content-type"] == "application/vnd.layerscope.panel"
    assert ("content-encoding" in reply.headers) == (encoding is not None and "gzip" in encoding)
    assert sent(reply) == packed(served.subject.panel("layer", {"address": "conv"}))


def test_where_there_is_nothing_to_show_the_answer_is_empty(client, served, monkeypatch):
    monkeypatch.setattr(served.subject, "panel", lambda name, words: None)
    for _ in range(2):
        reply = client.get("/api/panel/none_here")
        assert (reply.status, reply.body) == (204, b"")


@pytest.mark.parametrize(
    ("path", "query", "message"),
    [
        ("layer", {"address": "con"}, "There is no layer 'con': did you mean 'conv'"),
        ("layer", {"address": "conv", "sample": "9"}, "There is no sample 9"),
        ("layer", {"address": "conv", "sample": "-1"}, "sample='-1' is no number"),
        ("layer", {"address": "conv", "sample": "9" * 300}, "is no number"),
        ("passage", {"depth": "x"}, "depth='x' is no number"),
        ("unit.histogram", {"address": "conv:99"}, "conv"),
        ("unit.nothing", {"address": "conv:0"}, "nothing"),
        ("..%2f..%2fetc", {}, "There is nothing of this kind"),
        ("nothing", {}, "There is no panel 'nothing'"),
        ("%3Cscript%3E", {}, "There is no panel '<script>'"),
    ],
)
def test_what_is_not_there_is_one_sentence(client, path, query, message):
    reply = client.get(f"/api/panel/{path}", query=query)
    assert reply.status in (404, 422)
    assert reply.headers["content-type"] == "application/json"
    assert message in reply.json()["error"]
    assert "Traceback" not in reply.text


@given(
    st.sampled_from(["layer", "passage", "unit.histogram", "unit.map", "unit.", ""]) | st.text(),
    st.dictionaries(
        st.sampled_from(["address", "sample", "step", "scale", "depth", "open", "x"]),
        st.text() | st.sampled_from(["conv", "conv:0", "conv:1:2", "0", "1", "unit", "network"]),
    ),
)
def test_no_question_is_a_fault(served, name, words):
    client = served.enter()
    path = quote(name.encode("utf-8", "surrogatepass"), safe="")
    reply = client.get(f"/api/panel/{path}", query=words)
    assert reply.status in (200, 204, 404, 422), reply.text
    if reply.status > 204:
        assert list(reply.json()) == ["error"]


class FixedSubject(PageSubject):
    """The page of a recording made by hand, whose names are whatever a file may hold."""

    def __init__(self, recording):
        super().__init__()
        self.recording = recording

    @property
    def names(self):
        return list(self.recording.samples)

    def moment(self, query):
        return Moment(self.recording, query.sample, classes=self.classes)


def page_of_names(name):
    layers = (
        Layer(name, name, kind="conv", shape=(None, 5, 7, 2), inputs=("input",)),
        Layer("answer", "Dense", kind="dense", shape=(None, 3), inputs=(name,)),
    )
    arrays = {name: maps(2, samples=1), "answer": named([[1.0, 2.0, 3.0]], VECTOR)}
    network = Network(name, name, layers)
    subject = FixedSubject(Recording(arrays, network=network, samples=[name], notes=(name,)))
    subject.classes = (name,) * 3
    return subject


@pytest.mark.parametrize("name", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_names_are_data(name):
    """They arrive as they are in JSON, and nowhere in the document or in a header."""
    with site_of(page_of_names(name)) as page:
        client = page.enter()
        document = client.get("/")
        assert document.text.count("<") == client.get("/").text.count("<")
        assert name not in document.text
        outline = client.get("/api/outline")
        assert json.loads(sent(outline))["layers"][0]["address"] == name
        reply = client.get("/api/panel/layer", query={"address": name})
        if "\ud800" in name:  # no browser can write it into an address
            assert reply.status == 422
        else:
            assert header_of(sent(reply))["address"] == name
        passage = client.get("/api/panel/passage")
        assert passage.status == 200
        wrong = client.get("/api/panel/layer", query={"address": f"{name}:99"})
        assert wrong.status == 422
        assert wrong.json()["error"].isprintable()
        for answer in (document, outline, reply, passage, wrong):
            for value in answer.headers.values():
                assert name not in value
                assert value.isprintable()


def breaking(error):
    """A layer that raises when it is looked at."""

    class Breaking(keras.layers.Layer):
        def call(self, x):
            if broken:
                raise error
            return x

        def compute_output_shape(self, shape):
            return shape

    broken = []
    model = keras.Sequential([keras.Input((12, 12, 1)), Breaking(name="breaking")])
    broken.append(True)
    return model


@pytest.mark.parametrize(
    "error",
    [ValueError("<b>no</b>"), RuntimeError("a\nb"), KeyError("k"), SystemExit(1), OSError(5, "x")],
    ids=lambda error: type(error).__name__,
)
def test_what_a_model_raises_is_one_sentence_and_the_page_lives(error, caplog):
    with site_of(PageSubject(SampleRecordings(breaking(error), images(1)))) as page:
        client = page.enter()
        for address in ("/api/outline", "/api/panel/passage"):
            reply = client.get(address)
            assert reply.status == 422, reply.text
            assert "\n" not in reply.json()["error"]
            assert "Traceback" not in reply.text
        assert client.get("/").status == 200
        assert client.faults == []
    assert not caplog.records


def test_a_fault_of_our_own_says_so_and_is_told_in_the_terminal(client, served, monkeypatch):
    """What the server is told is what it logs; the page hears no more than that there is one."""

    def fail(name, words):
        raise ZeroDivisionError("secret of the house")

    monkeypatch.setattr(served.subject, "panel", fail)
    reply = client.get("/api/panel/layer", query={"address": "conv", "sample": "1"})
    assert reply.status == 500
    assert reply.json()["error"].startswith("This is a fault of layerscope")
    assert "secret" not in reply.text
    assert reply.headers["x-content-type-options"] == "nosniff"
    assert [str(fault) for fault in client.faults] == ["secret of the house"]
    client.faults.clear()


def test_an_answer_is_computed_once_and_again_for_a_later_generation(client, served, monkeypatch):
    asked, panel = [], served.subject.panel
    monkeypatch.setattr(
        served.subject, "panel", lambda name, words: asked.append(name) or panel(name, words)
    )
    query = {"address": "conv", "scale": "unit", "sample": "2"}
    first = client.get("/api/panel/layer", query=query)
    again = client.get("/api/panel/layer", query=dict(reversed(query.items())))
    assert (len(asked), first.body) == (1, again.body)
    monkeypatch.setattr(PageSubject, "generation", served.subject.generation + 1)
    assert client.get("/api/panel/layer", query=query).status == 200
    assert len(asked) == 2


def test_what_is_new_is_seen_by_those_who_asked_before(monkeypatch):
    samples = SampleRecordings(network("conv"), images(1))
    subject = PageSubject(samples)
    with site_of(subject) as page:
        client = page.enter()
        assert len(json.loads(sent(client.get("/api/outline")))["samples"]) == 1
        samples.add(np.ones((1, 12, 12, 1), np.float32))
        monkeypatch.setattr(PageSubject, "generation", 1)
        outline = json.loads(sent(client.get("/api/outline")))
        assert (len(outline["samples"]), outline["generation"]) == (2, 1)


def test_changes_are_never_kept(client, served, monkeypatch):
    for number in range(3):
        monkeypatch.setattr(served.subject, "changes", lambda n=number: {"generation": n})
        assert client.get("/api/changes").json() == {"generation": number}
