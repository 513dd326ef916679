"""scikit-learn: pickles that run, and ``.skops`` archives that name what they should not."""

from __future__ import annotations

import json
import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hostile.bombs import archive, deflated
from hostile.crafted_arrays import canary, described, no_files, npy
from hostile.files import File
from hostile.seeds import installed


def files(folder: Path, outside: Path) -> Iterator[File]:
    """All of them, in turn."""
    run = pickle.dumps(canary(outside))
    for name in ("m.pkl", "m.pickle", "m.joblib"):
        for what, content in (("that runs", run), ("that is empty", b""), ("of zeros", bytes(999))):
            path = folder / name
            path.write_bytes(content)
            yield File("sklearn", f"a pickle {what}, {name}", str(path), opens=False)
            path.unlink()
    if installed("skops"):
        for what, members in _skops(outside).items():
            path = folder / "m.skops"
            path.write_bytes(archive(members))
            yield File("sklearn", f"a .skops file with {what}", str(path), opens=False)
            path.unlink()
    yield from no_files(folder, ["m.pkl", "m.skops"], "sklearn", "model")


def _bomb() -> tuple[bytes, int]:
    head = npy(described("'<f4'", "(75000000,)"))
    return deflated(300_000_000, head), 300_000_000 + len(head)


def _node(**more: Any) -> dict[str, Any]:
    return {"__class__": "dict", "__module__": "builtins", "__loader__": "DictNode",
            "content": {}, "key_types": _keys(), "__id__": 1, **more}  # fmt: skip


def _keys() -> dict[str, Any]:
    return {"__class__": "list", "__module__": "builtins", "__loader__": "ListNode", "content": [],
            "__id__": 2}  # fmt: skip


def _schema(node: Any) -> dict[str, bytes]:
    root = {**node, "protocol": 2, "_skops_version": "0.13"} if isinstance(node, dict) else node
    return {"schema.json": json.dumps(root).encode()}


def _array(name: str = "a.npy") -> dict[str, Any]:
    return {"__class__": "ndarray", "__module__": "numpy", "__loader__": "NdArrayNode",
            "type": "numpy", "file": name, "__id__": 3}  # fmt: skip


def _method(module: str, name: str) -> dict[str, Any]:
    return {"__class__": name, "__module__": module, "__loader__": "FunctionNode",
            "content": {"module_path": module, "function": name}, "__id__": 3}  # fmt: skip


def _deep(levels: int) -> Any:
    node = _node()
    for _ in range(levels):
        node = _node(content={"a": node})
    return node


def _skops(outside: Path) -> dict[str, dict[str, Any]]:
    held = {f"an array of {what}": {**_schema(_array()), "a.npy": content}
            for what, content in {
                "10^12": npy(described("'<f4'", "(1000000000000,)")),
                "objects": npy(described("'|O'", "(1,)")) + pickle.dumps(canary(outside)),
                "300 MB": _bomb(),
                "nothing": b"",
            }.items()}  # fmt: skip
    return held | {
        "a function of the system": _schema(_method("os", "system")),
        "an object that runs": _schema({
            "__class__": "Popen", "__module__": "subprocess", "__loader__": "ObjectNode",
            "content": _node(content={"args": "x"}), "__id__": 3}),
        "a reduction that runs": _schema({
            "__class__": "system", "__module__": "os", "__loader__": "ReduceNode", "__id__": 3,
            "reduce": {"args": _node()}, "content": _node()}),
        "a loader of its own": _schema(_node(__loader__="EvilNode")),
        "a loader that is a number": _schema(_node(__loader__=3)),
        "a module that is not there": _schema(_method("canary", "run")),
        "a plain dict": _schema(_node()), "dicts 200 deep": _schema(_deep(200)),
        "dicts 20,000 deep": {"schema.json": b'{"content":' * 20_000 + b"1" + b"}" * 20_000},
        "itself": _schema(_node(content={"a": {"__loader__": "CachedNode", "__id__": 1,
                                               "__class__": "x", "__module__": "x"}})),
        "no schema": {"x": b""}, "a schema that is a list": {"schema.json": b"[]"},
        "a schema that is null": {"schema.json": b"null"},
        "a protocol of its own": {"schema.json": json.dumps(_node() | {"protocol": "x"}).encode()},
        "a schema of 300 MB": {"schema.json": (deflated(300_000_000), 300_000_000)},
        "a way out": {**_schema(_array("../../outside/secret.npy")), "../../outside/x": b""},
        "an array that is not there": _schema(_array("none.npy")),
        "an array outside": _schema(_array(str(outside / "secret.npy"))),
    }  # fmt: skip
