"""Reads a stranger's HDF5 file in a process of its own: ``python -I -S hdf5_child.py``.

The HDF5 library believes what a file says: a damaged one can have it run in circles, take all
memory or crash, and it can't be interrupted. So it runs here, where a limit can end it, and hands
plain data on: what to read comes in on stdin, what is in the file goes out on stdout, both in JSON.

This module is run by its path and imports nothing of the package.
"""

from __future__ import annotations

import errno
import faulthandler
import json
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

#: The texts that Keras wrote beside groups and arrays; nothing reads the others.
_TEXTS = re.compile(r"(model_config|keras_version|backend|dtype|(layer|weight)_names\d*)\Z")
#: Numbers, and texts of a fixed length: what is in the file as it is in memory.
_PLAIN = "fiubcSV"
#: The memory, in bytes, that reading the index of a file may take.
_INDEX_MEMORY = 2**30


class RefusedError(Exception):
    """What is wrong with the file: the end of a sentence that begins with its name."""


def main() -> None:
    """Read what stdin asks for, within its limits, and write the answer to stdout."""
    request = json.load(sys.stdin)
    # The parent ends this process; where there is no parent any more, it ends by itself.
    faulthandler.dump_traceback_later(request["patience"] + 5, exit=True, file=2)
    _limit_processor(request["processor"])
    sys.path += request["packages"]
    sys.stdout.write(json.dumps(answer(request, limited=True)))


def answer(request: dict[str, Any], *, limited: bool = False) -> dict[str, Any]:
    """Read the file at ``path`` and return its ``nodes``, or the ``refused`` or ``damaged`` why.

    Arrays that are not in the file as they are in memory are written to the file ``copies``. No
    more than ``most`` bytes of arrays, nor of texts, are taken.
    """
    try:
        import h5py
    except ImportError as error:
        return {"missing": str(error)}
    limit = _memory_limit() if limited else None
    try:
        with h5py.File(request["path"], "r") as file:
            nodes, waiting = _index(file, request)
            if limit is not None:
                limit(_INDEX_MEMORY + max((item.nbytes for _, item in waiting), default=0))
            _copy(waiting, Path(request["copies"]))
    except RefusedError as error:
        return {"refused": str(error)}
    # What h5py raises for damaged files, UnicodeDecodeError (a ValueError) among it.
    except (OSError, KeyError, ValueError, RuntimeError, AttributeError, IndexError, TypeError,
            MemoryError, RecursionError) as error:  # fmt: skip
        return {"damaged": str(error) or type(error).__name__}
    return {"nodes": nodes}


def _index(file: Any, request: dict[str, Any]) -> tuple[list[dict[str, Any]], list[Any]]:
    """Return what is in the file, parents first, and the arrays that have to be copied."""
    import h5py

    nodes = [{"texts": dict(_texts(file.attrs))}]
    groups, waiting, seen, size = [(0, file)], [], {h5py.h5o.get_info(file.id).addr}, 0
    letters = _letters(nodes[0])
    while groups:
        parent, group = groups.pop()
        for name in group:
            if not isinstance(group.get(name, getlink=True), h5py.HardLink):
                raise RefusedError(f"is no model file: {name!r} in it is a link to another place")
            item = group[name]
            where = h5py.h5o.get_info(item.id).addr
            if where in seen:
                raise RefusedError(f"is damaged: it holds {name!r} twice")
            seen.add(where)
            node = {"parent": parent, "name": name, "texts": dict(_texts(item.attrs))}
            letters += _letters(node)
            if isinstance(item, h5py.Group):
                groups.append((len(nodes), item))
            elif isinstance(item, h5py.Dataset):
                if item.external or item.is_virtual:
                    raise RefusedError(
                        f"is no model file: the numbers of {name!r} are in another file"
                    )
                size += (item.size or 0) * item.dtype.itemsize
                node.update(_described(item))
                if node["dtype"] and node["at"] is None:
                    waiting.append((node, item))
            nodes.append(node)
            for what, count in (("arrays", size), ("texts", letters)):
                if count > request["most"]:
                    raise RefusedError(
                        f"is damaged: its {request['size']:,} bytes claim to hold {what} of "
                        f"{count:,}"
                    )
    return nodes, waiting


def _described(item: Any) -> dict[str, Any]:
    """Return a dataset's shape and type, and where its numbers are as they are in memory."""
    import h5py

    dtype, at = item.dtype, None
    plain = item.shape is not None and dtype.kind in _PLAIN and dtype.names is None
    same = plain and dtype.kind != "b" and item.id.get_type() == h5py.h5t.py_create(dtype)
    if same and item.id.get_storage_size() == item.nbytes:  # 0 where it was never written
        at = item.id.get_offset()  # None where it is in parts, or packed
    shape = None if item.shape is None else list(item.shape)
    return {"shape": shape, "dtype": dtype.str if plain else "", "at": at}


def _texts(attributes: Any) -> Iterator[tuple[str, str | list[str]]]:
    import numpy as np

    for name in attributes:
        if _TEXTS.match(name):
            value = attributes[name]
            if isinstance(value, str | bytes):
                yield name, _text(value)
            else:
                yield name, [_text(one) for one in np.atleast_1d(value)]


def _text(value: Any) -> str:
    return value.decode("utf8", "replace") if isinstance(value, bytes) else str(value)


def _letters(node: dict[str, Any]) -> int:
    texts = node["texts"].values()
    return len(node.get("name", "")) + sum(
        len(text) if isinstance(text, str) else sum(map(len, text)) for text in texts
    )


def _copy(waiting: list[Any], path: Path) -> None:
    """Write these arrays, one after the other, and note where they are."""
    import numpy as np

    if not waiting:
        return
    with path.open("wb") as out:
        for node, item in waiting:
            values = np.ascontiguousarray(item[()], item.dtype)
            node["at"], node["copied"] = out.tell(), True
            try:
                out.write(values.data if values.nbytes else b"")
            except OSError as error:
                if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                    raise
                raise RefusedError(
                    f"can't be read: there is no room for its arrays in {str(path.parent)!r}"
                ) from error


def _limit_processor(seconds: int) -> None:
    """Have the system end this process when it has taken so many seconds of the processor."""
    try:
        import resource
    except ImportError:
        return
    _limit(resource.RLIMIT_CPU, seconds)
    _limit(resource.RLIMIT_CORE, 0)


def _memory_limit() -> Callable[[int], None] | None:
    """Return a function that limits the memory from now on, None where the system has no limits."""
    try:
        import resource

        pages = int(Path("/proc/self/statm").read_text().split()[0])
    except (ImportError, OSError):
        return None
    used = pages * resource.getpagesize()
    _limit(resource.RLIMIT_AS, used + _INDEX_MEMORY)
    return lambda nbytes: _limit(resource.RLIMIT_AS, used + nbytes)


def _limit(what: int, most: int) -> None:
    """Set a limit of the system's, below the one that this process can't go above."""
    import resource

    _, hard = resource.getrlimit(what)
    unlimited = hard == resource.RLIM_INFINITY
    resource.setrlimit(what, (most if unlimited else min(most, hard), hard))


if __name__ == "__main__":
    main()
