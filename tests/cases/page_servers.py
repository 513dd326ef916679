"""Servers of the page, each the command ``layerscope open`` in a process of its own.

Importing frameworks takes longer than all else a server does: it is done once, in a process of
which each server is a fork. That the command runs by itself is what ``tests/interfaces/cli`` tries.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path

TESTS = Path(__file__).parents[1]

#: What a server imports before it answers.
_PRELOADED = [
    "torch",
    "keras",
    "layerscope.interfaces.cli",
    "layerscope.interfaces.server.serve",
    "layerscope.instruments.activations",
    "layerscope.backends.keras.backend",
    "layerscope.backends.torch.backend",
]


class PageServers:
    """The servers that were started, until they are stopped."""

    def __init__(self) -> None:
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(_PRELOADED)
        self._processes: list[multiprocessing.process.BaseProcess] = []

    def start(self, argv: Sequence[str]) -> str:
        """Run ``layerscope open`` with these words; return the whole address that it prints."""
        reader, writer = self._context.Pipe(duplex=False)
        process = self._context.Process(target=_run, args=(list(argv), writer), daemon=True)
        with _environment():
            process.start()
        self._processes.append(process)
        writer.close()
        with os.fdopen(os.dup(reader.fileno()), encoding="utf-8") as printed:
            return printed.readline().strip()

    def stop(self) -> None:
        """End all of them."""
        for process in self._processes:
            process.terminate()
        for process in self._processes:
            process.join(60)
            assert process.exitcode is not None, "A server of the page does not end."


@contextmanager
def _environment() -> Iterator[None]:
    """What the process starts with of which all servers are forks, and they with it."""
    before = dict(os.environ)
    os.environ["KERAS_BACKEND"] = "torch"
    words = [str(TESTS), before.get("PYTHONPATH")]
    os.environ["PYTHONPATH"] = os.pathsep.join(word for word in words if word)
    yield
    os.environ.clear()
    os.environ.update(before)


def _run(argv: list[str], writer: Connection) -> None:
    """Run the command, with the pipe in place of its standard output."""
    os.dup2(writer.fileno(), 1)
    sys.stdout = os.fdopen(1, "w", encoding="utf-8", closefd=False)
    from layerscope.interfaces.cli import run

    sys.argv = ["layerscope", "open", *argv, "--no-browser"]
    run()
