"""Serves the page of a network of :mod:`cases.page_models`: ``python page_server.py NAME FILE``."""

from __future__ import annotations

import sys

import numpy as np

from cases import page_models
from layerscope.instruments.samples import SampleRecordings
from layerscope.interfaces.page.subject import PageSubject
from layerscope.interfaces.server.serve import Server


def main(name: str, path: str) -> None:
    model = getattr(page_models, name)()
    server = Server(PageSubject(SampleRecordings(model, np.load(path))))
    sys.stdout.write(f"{server.url}\n")
    sys.stdout.flush()
    server.wait()


if __name__ == "__main__":
    main(*sys.argv[1:])
