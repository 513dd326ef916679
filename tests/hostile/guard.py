"""What a process that opens hostile files does besides: code run, files touched, memory taken.

Python's own actions are seen by an audit hook; what libraries do in C is seen where it matters: a
folder called ``outside``, whose files no hostile file may reach, is watched by the kernel.
"""

from __future__ import annotations

import ctypes
import os
import resource
import sys
import sysconfig
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import layerscope

GIGABYTE = 2**30
#: A file below 10 MB may take so much memory, and so many seconds of the processor.
MOST_BYTES, MOST_SECONDS = 2 * GIGABYTE, 30

_PROGRAMS = ("os.system", "os.exec", "os.posix_spawn", "os.spawn", "os.fork", "os.forkpty",
             "os.startfile", "subprocess.Popen", "pty.spawn")  # fmt: skip
_CHANGES = ("os.remove", "os.rename", "os.rmdir", "os.mkdir", "os.link", "os.symlink", "os.chmod",
            "os.truncate", "shutil.rmtree", "shutil.move", "shutil.copyfile")  # fmt: skip
_NETWORK = ("socket.connect", "socket.getaddrinfo", "urllib.Request")
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
#: What the Python library and the frameworks read of the system as they please.
_SYSTEM = ("/proc", "/sys", "/dev/null", "/dev/urandom", "/usr", "/lib", "/etc/localtime",
           "/etc/mime.types", "/etc/ld.so.cache", "/etc/timezone", "/etc/fonts")  # fmt: skip
#: Kinds of events of the kernel: read, written, closed after writing, opened, made, removed.
_ACCESS = 0x1 | 0x2 | 0x8 | 0x20 | 0x100 | 0x200


class Guard:
    """Notes what it does not allow, until it is asked."""

    def __init__(self, own: Path, outside: Path, readable: Sequence[Path]) -> None:
        here = Path(__file__).parents[2]
        python = [sys.prefix, sys.base_prefix, *sysconfig.get_paths().values(), *sys.path[1:]]
        self._own = _roots([own])
        self._readable = (*self._own, *_roots([here / "src", here / "tests", *python, *_SYSTEM]))
        self._readable += _roots(readable)
        self._file: tuple[str, ...] = ()
        self._faults: list[str] = []
        self._active = False
        self._outside = outside
        # The one program that is started: Python, on a module of ours that reads HDF5 files.
        reader = Path(layerscope.__file__).parent / "backends/keras/files/hdf5_child.py"
        self._reader = [sys.executable, "-I", "-S", str(reader)]
        self._events = _watched(outside)
        sys.addaudithook(self._see)

    @contextmanager
    def watching(self, *paths: Path) -> Iterator[list[str]]:
        """Fills the list that it gives with what was not allowed while the block ran."""
        # What is beside a file is read too, where the file says so: weights, shards.
        self._file = _roots([path.parent for path in paths])
        found: list[str] = []
        modules = set(sys.modules)
        self._faults.clear()
        list(self._reached())  # by who made the file: a secret may have been put there for it
        self._active = True
        try:
            yield found
        finally:
            self._active = False
            found += dict.fromkeys(self._faults)
            found += [f"imported {name}" for name in self._strange(set(sys.modules) - modules)]
            found += self._reached()

    def _see(self, event: str, args: tuple[Any, ...]) -> None:
        if not self._active:
            return
        if event in _PROGRAMS:
            if event == "subprocess.Popen" and args[1] == self._reader:
                return
            self._faults.append(f"{event} {str(args[:2])[:200]}")
        elif event in _NETWORK:
            self._faults.append(f"{event} {str(args[1:])[:200]}")
        elif event == "open" and isinstance(args[0], str | bytes | os.PathLike):
            self._opened(os.fsdecode(args[0]), args[1], args[2])
        elif event in _CHANGES:
            # Where a link leads is looked at when it is followed.
            names = args[1:2] if event in ("os.link", "os.symlink") else args
            for name in names:
                is_path = isinstance(name, str | bytes | os.PathLike)
                if is_path and not self._is_in(os.fsdecode(name), self._own):
                    self._faults.append(f"{event} {name!r}")

    def _opened(self, name: str, mode: object, flags: object) -> None:
        writes = isinstance(flags, int) and bool(flags & _WRITES)
        writes = writes or (isinstance(mode, str) and bool(set(mode) & set("wax+")))
        if name in ("/dev/null", "/dev/tty"):
            return
        if writes and not self._is_in(name, self._own):
            self._faults.append(f"wrote {name!r}")
        elif not writes and not self._is_in(name, (*self._readable, *self._file)):
            self._faults.append(f"read {name!r}")

    def _is_in(self, name: str, roots: Sequence[str]) -> bool:
        # The text as well as what it leads to: a link may be in a folder, or lead to one.
        where = os.path.realpath(name)
        return any(where == root or where.startswith(root + os.sep) for root in roots)

    def _strange(self, names: set[str]) -> Iterator[str]:
        """Modules that are neither of an installed package nor of the project."""
        for name in sorted(names):
            file = getattr(sys.modules.get(name), "__file__", None)
            if name.startswith("canary") or (file and not self._is_in(file, self._readable)):
                yield name

    def _reached(self) -> Iterator[str]:
        if self._events is None:
            return
        try:
            content = os.read(self._events, 65536)
        except BlockingIOError:
            return
        names = content[16:].rstrip(b"\0").rpartition(b"\0")[2]
        yield f"reached {str(self._outside)!r} ({names.decode(errors='replace')})"


@contextmanager
def at_most(nbytes: int, seconds: int) -> Iterator[None]:
    """Give no more address space and no more of the processor than that: both have other users.

    What asks for more memory gets an error, what takes more time is ended.
    """
    used = resource.getrusage(resource.RUSAGE_SELF)
    until = int(used.ru_utime + used.ru_stime) + seconds
    cpu = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (until, cpu[1]))
    in_use = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (in_use + nbytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
        resource.setrlimit(resource.RLIMIT_CPU, cpu)


def seconds_used() -> float:
    """Seconds of the processor that this process and those it has started have taken."""
    usages = map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def memory() -> int:
    """The bytes that this process has in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def forget_peak() -> None:
    """Have ``peak`` begin anew."""
    Path("/proc/self/clear_refs").write_text("5")


def peak() -> int:
    """The most bytes that this process had in memory since ``forget_peak``.

    What ``getrusage`` tells is at first that of the process which started this one.
    """
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * int(next(line for line in lines if line.startswith("VmHWM")).split()[1])


def _roots(paths: Sequence[Any]) -> tuple[str, ...]:
    return tuple(os.path.realpath(str(path)) for path in paths)


def _watched(folder: Path) -> int | None:
    """A descriptor from which the kernel tells of each access to what is in a folder."""
    if not sys.platform.startswith("linux"):
        return None
    libc = ctypes.CDLL(None, use_errno=True)
    descriptor: int = libc.inotify_init1(os.O_NONBLOCK)
    if libc.inotify_add_watch(descriptor, os.fsencode(folder), _ACCESS) < 0:
        raise OSError(ctypes.get_errno(), "the kernel does not watch", str(folder))
    return descriptor
