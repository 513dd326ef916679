"""Files are handed to a child one by one; one that ends or hangs is replaced, and noted."""

from __future__ import annotations

import contextlib
import os
import selectors
import subprocess
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from hostile.files import File, Report

#: A file that has not answered by then hangs; a bound on the processor's time is the child's.
_HANGS = 240


@dataclass(frozen=True, slots=True)
class Fault:
    """A file, and what was wrong about opening it."""

    file: File
    faults: tuple[str, ...]

    def __str__(self) -> str:
        return f"[{self.file.format}] {self.file.what}: {'; '.join(self.faults)}"


@dataclass(frozen=True, slots=True)
class Folders:
    """Where things are: side by side, so that ``../outside`` leads to one from another."""

    root: Path

    @property
    def outside(self) -> Path:
        """What no file may reach; it holds a ``secret`` in several formats."""
        return self._made("outside")

    @property
    def seeds(self) -> Path:
        """Small real files."""
        return self._made("seeds")

    @property
    def files(self) -> Path:
        """Hostile files, a folder for each."""
        return self._made("files")

    @property
    def work(self) -> Path:
        """What the child may write to."""
        return self._made("work")

    def _made(self, name: str) -> Path:
        path = self.root / name
        path.mkdir(exist_ok=True)
        return path


class Runner:
    """A child process, started when there is a file for it, and again when it has ended."""

    def __init__(self, folders: Folders, backend: str | None = None) -> None:
        self.folders = folders
        self._backend = backend
        self._child: subprocess.Popen[str] | None = None

    def reports(self, files: Iterable[File]) -> Iterator[tuple[File, Report]]:
        """Each file, and what came of opening it."""
        for file in files:
            yield file, self._report(file)

    def _report(self, file: File) -> Report:
        child = self._child or self._start()
        ended = ""
        try:
            assert child.stdin is not None
            assert child.stdout is not None
            child.stdin.write(file.line())
            child.stdin.flush()
            line = _line(child.stdout)
        except (BrokenPipeError, TimeoutError) as error:
            line, ended = "", str(error)
        if line:
            return Report.of(line)
        if not ended or child.poll() is not None:
            ended = f"the process ended with {child.wait(_HANGS)}"
        self.end()
        return Report(False, "", (ended,), 0.0, 0)

    def _start(self) -> subprocess.Popen[str]:
        work, here = self.folders.work, Path(__file__).parents[2]
        for name in ("tmp", "home"):
            (work / name).mkdir(exist_ok=True)
        path = os.pathsep.join(filter(None, [str(here / "tests"), os.environ.get("PYTHONPATH")]))
        env = {
            **os.environ, "PYTHONPATH": path, "TMPDIR": str(work / "tmp"),
            "HOME": str(work / "home"), "TF_CPP_MIN_LOG_LEVEL": "3",
            "JAX_DISABLE_MOST_OPTIMIZATIONS": "1", "JAX_PLATFORMS": "cpu",
            "PYTHONDONTWRITEBYTECODE": "1", "TORCHINDUCTOR_CACHE_DIR": str(work / "tmp"),
        }  # fmt: skip
        if self._backend is not None:
            env["KERAS_BACKEND"] = self._backend
        command = [sys.executable, "-m", "hostile.child", str(work), str(self.folders.outside)]
        self._child = subprocess.Popen(
            command, env=env, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        return self._child

    def end(self) -> None:
        """End the child; the next file gets another one."""
        child, self._child = self._child, None
        if child is None:
            return
        if child.stdin is not None:
            # Closing flushes, and a child that was killed reads no more.
            with contextlib.suppress(BrokenPipeError):
                child.stdin.close()
        try:
            child.wait(10)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
        if child.stdout is not None:
            child.stdout.close()


def faults_of(results: Iterable[tuple[File, Report]]) -> Iterator[Fault]:
    """Those of which something is wrong."""
    for file, report in results:
        if report.faults:
            yield Fault(file, report.faults)


def _line(stream: IO[Any]) -> str:
    """The next line, or an empty text at the end; raises TimeoutError when none comes."""
    with selectors.DefaultSelector() as selector:
        selector.register(stream, selectors.EVENT_READ)
        if not selector.select(_HANGS):
            raise TimeoutError(f"hangs: no answer in {_HANGS} s")
    return str(stream.readline())
