"""Any address as the name of a flat Zarr group."""

from __future__ import annotations

import hashlib
import re

_UNSAFE = re.compile(r"[^a-z0-9_-]+")
_LONGEST = 60


def safe_name(text: str) -> str:
    """A name of lower case letters, digits, ``_``, ``-`` and at most one dot, for any text.

    A text that is all that, at most 60 characters long, is its own name. Every other one is
    shortened to something readable, followed by a dot and a digest of the whole text; so two texts
    never share a name, not even on a file system that does not tell upper from lower case. The
    text can't be had back: it is kept as an attribute beside the name.
    """
    readable = _UNSAFE.sub("-", text.lower())[:_LONGEST]
    if text and readable == text:
        return text
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:12]
    return f"{readable.strip('-')}.{digest}"


def group_name(kind: str, address: str) -> str:
    """The name of the group that holds this address' arrays, such as ``activations.conv2d``."""
    return f"{kind}.{safe_name(address)}"
