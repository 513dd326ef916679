"""Pages of small networks, for tests of the server: no socket, no browser."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from cases.asking import Asker
from layerscope.instruments.samples import SampleRecordings
from layerscope.interfaces.page.subject import PageSubject
from layerscope.interfaces.server.access import Access
from layerscope.interfaces.server.app import page_app
from layerscope.interfaces.server.computations import Computations


def network(*names: str) -> Any:
    """A Keras network of convolutions with these names, and a vector of answers."""
    import keras

    layers = [keras.layers.Conv2D(3, 3, activation="relu", name=name) for name in names]
    return keras.Sequential(
        [keras.Input((12, 12, 1)), *layers, keras.layers.Flatten(), keras.layers.Dense(4)]
    )


def images(count: int = 3) -> Any:
    """Images for it."""
    return np.random.default_rng(0).random((count, 12, 12, 1), dtype=np.float32)


@dataclass
class Site:
    """A page, its secrets, and a browser that asks for it."""

    subject: Any
    access: Access
    computations: Computations
    client: Asker

    def enter(self) -> Asker:
        """Open the whole address; return the browser, which has the cookie now."""
        self.client.cookies.clear()
        reply = self.client.get("/", query={"token": self.access.token})
        assert reply.status == 303, reply.text
        return self.client


@contextmanager
def site_of(subject: Any, most: int = 64, host: str = "127.0.0.1:8765") -> Iterator[Site]:
    """Serve a page of a subject."""
    access = Access()
    computations = Computations(most)
    app = page_app(subject, access, computations)
    try:
        yield Site(subject, access, computations, Asker(app, host))
    finally:
        computations.end()
        computations.wait()


@contextmanager
def site(*names: str) -> Iterator[Site]:
    """Serve a page of a network whose layers have these names."""
    samples = SampleRecordings(network(*(names or ("conv",))), images())
    with site_of(PageSubject(samples)) as served:
        yield served
