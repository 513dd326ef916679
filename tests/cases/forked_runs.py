"""A script that imports its framework once, and runs in a process of its own for each test.

What is imported takes seconds, and whole trainings of the tests milliseconds. So a script asks,
where its work begins, for the :func:`arguments` of a run: it waits there, and for each run that a
:class:`Program` is asked for a copy of it, forked, goes on as if it had been started with them.
"""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

#: Where scripts find what is in `cases`, whatever folder they are in.
_HERE = Path(__file__).parents[1]


class Program:
    """A script that waits for runs."""

    def __init__(self, script: Path, *words: str) -> None:
        paths = [str(_HERE), os.environ.get("PYTHONPATH", "")]
        self._process = subprocess.Popen(
            [sys.executable, "-W", "ignore", str(script), *words],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))},
            start_new_session=True,
        )

    def run(self, *words: object, seconds: float = 200) -> subprocess.CompletedProcess[str]:
        """Run the script with these arguments, until all that holds its output has ended."""
        arguments = [str(word) for word in words]
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(arguments) + "\n")
        self._process.stdin.flush()
        if not select.select([self._process.stdout], [], [], seconds)[0]:
            self.end()
            raise TimeoutError(f"{self._process.args} with {arguments} takes over {seconds} s.")
        answer = self._process.stdout.readline()
        assert answer, f"{self._process.args} has ended: {self._process.wait()}"
        return subprocess.CompletedProcess(arguments, *json.loads(answer))

    def end(self) -> None:
        """End the script, and whatever runs of it have left."""
        with suppress(ProcessLookupError):  # it has ended already
            os.killpg(self._process.pid, signal.SIGKILL)
        with self._process:
            self._process.kill()


@contextmanager
def started(script: Path, *words: str) -> Iterator[Program]:
    """Start a script that asks for its :func:`arguments`; it is ended with the block."""
    program = Program(script, *words)
    try:
        yield program
    finally:
        program.end()


def arguments() -> list[str]:
    """Return the arguments of a run, in a process of its own for each of them."""
    while line := sys.stdin.readline():
        pipes = [os.pipe(), os.pipe()]
        process = os.fork()
        if process == 0:
            for number, (reading, writing) in enumerate(pipes, 1):
                os.dup2(writing, number)
                os.close(reading)
                os.close(writing)
            os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
            return list(json.loads(line))
        for _, writing in pipes:
            os.close(writing)
        texts = _read([reading for reading, _ in pipes])
        status = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
        sys.stdout.write(json.dumps([status, *texts]) + "\n")
        sys.stdout.flush()
    os._exit(0)


def _read(pipes: list[int]) -> list[str]:
    """Return all that comes out of pipes, to their ends."""
    content = dict.fromkeys(pipes, b"")
    opened = set(pipes)
    while opened:
        for pipe in select.select(opened, [], [])[0]:
            part = os.read(pipe, 65_536)
            content[pipe] += part
            if not part:
                opened.remove(pipe)
                os.close(pipe)
    return [text.decode() for text in content.values()]
