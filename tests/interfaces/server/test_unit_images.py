"""Images of units made on the server: begun, watched, cancelled, and shown."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import layerscope as ls
from cases.closed_form import draw_weights
from layerscope.core.errors import InputError
from layerscope.instruments.features import unit_images as module
from layerscope.instruments.samples import SampleRecordings
from layerscope.interfaces.page.opening import page_subject
from layerscope.interfaces.page.subject import PageSubject

keras = pytest.importorskip("keras")
pytest.importorskip("starlette")
pytest.importorskip("httpx")

from cases.route_client import RouteClient, error_of
from layerscope.interfaces.server.jobs import Jobs
from layerscope.interfaces.server.unit_images import image_routes

X = np.random.RandomState(1).rand(3, 12, 12, 1).astype(np.float32)


@pytest.fixture(scope="module")
def model() -> Any:
    layers = [keras.layers.Conv2D(2, 3, name="conv"), keras.layers.Flatten()]
    made = keras.Sequential([keras.Input((12, 12, 1)), *layers, keras.layers.Dense(3, name="out")])
    return draw_weights(made, 0)


@pytest.fixture
def jobs() -> Iterator[Jobs]:
    made = Jobs()
    yield made
    made.end()
    made.join()


class Held:
    """Feature visualization that waits in each step until the test lets it go on."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.go, self.seen = threading.Semaphore(0), threading.Semaphore(0)
        self.free = threading.Event()
        monkeypatch.setattr(module, "features", self._features)

    def _features(self, *words: Any, watch: Any, **options: Any) -> Any:
        def held(report: Any) -> bool:
            if not self.free.is_set():
                self.go.acquire()
            ended = bool(watch(report))
            self.seen.release()
            return ended

        return ls.features(*words, watch=held, steps=6, transforms=[], retry=False, **options)

    def step(self) -> None:
        self.go.release()
        self.seen.acquire()

    def finish(self) -> None:
        self.free.set()
        self.go.release()


def test_an_image_is_made_while_one_watches(
    model: Any, jobs: Jobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = Held(monkeypatch)
    subject = PageSubject(SampleRecordings(model, X))
    client = RouteClient(image_routes(subject, jobs))
    before = subject.generation
    assert subject.panel("unit.features", {"address": "conv:1"}) is None

    begun = client.post("/api/images?address=conv:1").json()
    path = f"/api/images/{begun['job']}"
    assert begun["address"] == "conv:1"
    held.step()
    held.step()
    seen = client.get(path).json()
    assert (seen["state"], seen["step"], seen["steps"], seen["images"]) == ("running", 2, 6, 1)
    assert client.get(path + "/image").content[4:20].startswith(b'{"header":')
    held.finish()
    jobs.join()

    done = client.get(path).json()
    assert (done["state"], done["step"], done["edition"]) == ("done", 6, 1)
    assert client.get(path + "/image").status_code == 204
    assert subject.generation > before
    assert subject.outline()["images"] == {"reason": "", "editions": {"conv:1": 1}}


def test_the_panel_shows_the_image_and_its_grades(
    model: Any, jobs: Jobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = Held(monkeypatch)
    subject = PageSubject(SampleRecordings(model, X))
    RouteClient(image_routes(subject, jobs)).post("/api/images?address=conv:1")
    held.finish()
    jobs.join()

    panel = subject.panel("unit.features", {"address": "conv:1"})
    expected = ls.features(
        model, "conv:1", samples=X, steps=6, transforms=[], retry=False, size=(12, 12)
    )
    assert panel is not None
    assert panel.header["shape"] == [1, 12, 12]
    shown = np.frombuffer(panel.buffers["pixels"], np.uint8).reshape(12, 12, 3)
    image = expected.image()[:, :, 0]
    assert (shown == shown[:, :, :1]).all()
    order = np.argsort(image.ravel())
    assert (np.diff(shown[:, :, 0].ravel()[order].astype(int)) >= 0).all()
    assert panel.header["notes"][0] == str(expected.grades[0]).removeprefix("conv:1: ")
    assert "× the samples' largest" in panel.header["notes"][0]
    assert subject.panel("unit.features", {"address": "conv:0"}) is None


def test_cancelled_it_ends_with_what_there_is(
    model: Any, jobs: Jobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = Held(monkeypatch)
    subject = PageSubject(SampleRecordings(model, X))
    client = RouteClient(image_routes(subject, jobs))
    path = f"/api/images/{client.post('/api/images?address=conv:0').json()['job']}"
    held.step()
    client.post(path + "/cancel")
    held.step()
    jobs.join()

    assert client.get(path).json()["state"] == "cancelled"
    panel = subject.panel("unit.features", {"address": "conv:0"})
    assert panel is not None
    assert "stopped after 2 steps" in panel.header["notes"]
    assert "these figures are means over its map" in panel.header["notes"]


def test_panels_are_answered_while_an_image_is_made(
    model: Any, jobs: Jobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = Held(monkeypatch)
    subject = PageSubject(SampleRecordings(model, X))
    RouteClient(image_routes(subject, jobs)).post("/api/images?address=conv:1")
    held.step()
    panel = subject.panel("layer", {"address": "conv", "sample": "1"})
    assert panel is not None
    assert panel.header["shape"] == [2, 10, 10]
    held.finish()


def test_what_can_not_be_made_is_a_sentence(model: Any, jobs: Jobs) -> None:
    client = RouteClient(image_routes(PageSubject(SampleRecordings(model, X)), jobs))
    number = client.post("/api/images?address=nowhere:1").json()["job"]
    jobs.join()
    seen = client.get(f"/api/images/{number}").json()
    assert seen["state"] == "failed"
    assert "nowhere" in seen["error"]
    assert "no job 99 any more" in error_of(client.get("/api/images/99"))
    assert "is no number" in error_of(client.get("/api/images/x"))
    assert "is no number" in error_of(client.get(f"/api/images/{'9' * 5000}"))


def test_without_a_model_there_is_a_reason(jobs: Jobs) -> None:
    subject = PageSubject()
    answer = RouteClient(image_routes(subject, jobs)).post("/api/images?address=conv:1")
    assert error_of(answer) == subject.images.reason
    assert "no model" in subject.images.reason


def test_images_made_beforehand_are_shown(model: Any) -> None:
    made = ls.features(model, ls.objectives.units("conv", [0]), steps=2, progress=False)
    subject = page_subject(model, X, features=made)
    assert subject.panel("unit.features", {"address": "conv:0"}) is not None
    assert subject.panel("unit.features", {"address": "conv:1"}) is None
    assert subject.outline()["images"]["editions"] == {}
    with pytest.raises(InputError, match=r"features= takes what features\(model, …\) returned"):
        page_subject(model, X, features=[made, 3])  # type: ignore[list-item]
