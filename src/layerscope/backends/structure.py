"""What tells a network without parameters from another: its structure, as a digest."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Iterator
from types import CodeType
from typing import Any

from layerscope.core.network import Network

#: Where in memory something is, as a repr says: another place in each process.
_PLACE = re.compile(r" at 0x[0-9a-fA-F]+")


def name_bytes(name: str) -> bytes:
    """Return a name as bytes for a digest, whatever it holds: not every name is valid UTF-8."""
    return name.encode("utf-8", "surrogatepass")


def structure_digest(
    network: Network, details: Iterable[Any], functions: Iterable[Callable[..., Any]]
) -> str:
    """Return SHA-256 over the layers, their order, edges and settings.

    It is the same in each process. ``details`` are what else the framework tells of them, as JSON
    or by its repr; ``functions`` are those of the user's that are part of the network, which are
    told apart by the names and numbers in their code.
    """
    rows = [
        (row.address, row.type, row.role, row.shape, sorted(row.settings.items()), row.inputs)
        for row in network
    ]
    named = [list(_code_words(function)) for function in functions]
    described = json.dumps([rows, list(details), named], default=repr, sort_keys=True)
    return hashlib.sha256(_PLACE.sub("", described).encode("ascii")).hexdigest()


def _code_words(function: Callable[..., Any]) -> Iterator[str]:
    """Yield what a function calls and the constants in it; not bytecode, which Python changes."""
    code = getattr(function, "__code__", None)
    waiting = [code] if isinstance(code, CodeType) else []
    while waiting:
        code = waiting.pop()
        yield from code.co_names
        for constant in code.co_consts:
            if isinstance(constant, CodeType):
                waiting.append(constant)
            elif not isinstance(constant, str):  # a docstring is no part of it, nor a name
                yield repr(constant)
