"""Which names below a recording's folder are layerscope's own: no others are ever removed."""

from __future__ import annotations

import re

_SAFE = r"([a-z0-9_-]+|[a-z0-9_-]*\.[0-9a-f]{12})"
_GROUP = (
    r"about|step|epoch|wall_time|sample|metrics|activations|weights"
    rf"|(activations|weights|input)\.{_SAFE}"
)
_ARRAY = rf"[A-Za-z_][A-Za-z0-9_]*|{_SAFE}"
_CHUNK = r"c(\.\d+)*"
_FOLDER = re.compile(rf"({_GROUP})(/({_ARRAY}))?")
#: What a writer that was killed leaves half written.
_PARTIAL = re.compile(rf"partial\.(.+\.)?(zarr\.json|{_CHUNK}|claim)")
_FILE = re.compile(rf"zarr\.json|{_CHUNK}")

#: A lock, and the token of whoever writes. Not a key of Zarr, and within an array, where nobody
#: lists what lies there.
CLAIM = "step/claim"
#: What tells that a run was begun here: these go last.
BEGUN = ("about/zarr.json", CLAIM)


def is_folder(path: str) -> bool:
    """Return whether layerscope gives a folder such a name: ``activations.conv/values``."""
    return _FOLDER.fullmatch(path) is not None


def is_file(key: str) -> bool:
    """Return whether layerscope writes a file so named: ``activations.conv/values/c.0.0``."""
    folder, _, name = key.rpartition("/")
    if folder == "step" and (key == CLAIM or is_partial(name)):
        return True
    if not folder:
        return key == "zarr.json"
    return is_folder(folder) and _FILE.fullmatch(name) is not None


def partial_name(key: str) -> str:
    """Return the name under which a file is written before it is put in its place."""
    return f"partial.{key.replace('/', '.')}"


def is_partial(name: str) -> bool:
    """Return whether it is such a name."""
    return _PARTIAL.fullmatch(name) is not None
