"""PyTorch's files: pickles that run, storages that claim, archives that lie."""

from __future__ import annotations

import io
import json
import pickle
import struct
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from hostile.bombs import archive, deflated
from hostile.crafted_arrays import canary, no_files
from hostile.files import File

MAKER = "hostile.seeds:torch_module"
Members = dict[str, Any]


def files(folder: Path, outside: Path) -> Iterator[File]:
    """Weights: all of them, in turn."""
    import torch

    sound = _members(_saved({"0.weight": torch.ones(2, 1, 3, 3)}))
    of_each = {
        "m.pt": _archives(sound, outside), "m.pth": _old(outside),
        "m.bin": _pickles(outside), "m.safetensors": _safetensors(),
    }  # fmt: skip
    for name, made in of_each.items():
        path = folder / name
        for what, content in made.items():
            path.write_bytes(content)
            yield File("torch", what, str(path), architecture=MAKER, opens=False)
            path.unlink()
    yield from no_files(folder, ["m.pt", "m.safetensors"], "torch", "model")
    yield from _shards(folder)


def _saved(value: Any, **options: Any) -> bytes:
    import torch

    held = io.BytesIO()
    torch.save(value, held, **options)
    return held.getvalue()


def _members(content: bytes) -> Members:
    with zipfile.ZipFile(io.BytesIO(content)) as held:
        return {name: held.read(name) for name in held.namelist()}


def _zeros(count: int) -> tuple[bytes, int]:
    return deflated(count), count


def _tensor(shape: tuple[int, ...], stride: tuple[int, ...], offset: int = 0) -> Any:
    """A tensor that claims what its storage of two numbers does not hold, as a pickle says it."""
    import torch

    class Rebuilt:
        def __reduce__(self) -> Any:
            storage = torch.storage.TypedStorage([1.0, 2.0], dtype=torch.float32)
            rebuild = torch._utils._rebuild_tensor_v2
            return rebuild, (storage, offset, shape, stride, False, {})

    return Rebuilt()


def _archives(sound: Members, outside: Path) -> dict[str, bytes]:
    data = next(name for name in sound if name.endswith("data.pkl"))
    root = data.partition("/")[0]
    run = pickle.dumps(canary(outside))
    claims = {
        "a tensor of 10^12": _tensor((10**6, 10**6), (10**6, 1)),
        "a tensor of 10^12 that repeats": _tensor((10**6, 10**6), (0, 0)),
        "a tensor of 10^9 that repeats": _tensor((10**9,), (0,)),
        "a tensor of -1": _tensor((-1,), (1,)),
        "a tensor before its storage": _tensor((2,), (1,), -5),
        "a tensor beyond its storage": _tensor((2,), (1,), 10**15),
        "a tensor of negative steps": _tensor((2,), (-1,)),
        "a tensor whose steps are too few": _tensor((2, 2), (1,)),
    }
    made = {f"weights with {what}": _saved({"0.weight": one}) for what, one in claims.items()}
    members: dict[str, Members] = {
        "a pickle that runs": {**sound, data: run},
        "a pickle of opcodes": {**sound, data: b"\x80\x02cos\nsystem\nX\1\0\0\0xR."},
        "a pickle 100,000 deep":
            {**sound, data: b"\x80\x02" + b"(" * 100_000 + b"t" * 100_000 + b"."},
        "a pickle that grows": {**sound, data: _doubling(40)},
        "a pickle of 10^9 zeros": {**sound, data: _zeros(300_000_000)},
        "a pickle with a text that is not there": {
            **sound, data: b"\x80\x02X\xff\xff\xff\x7fabc."},
        "a pickle with bytes that are not there": {
            **sound, data: b"\x80\x04\x8e" + struct.pack("<Q", 2**62) + b"x."},
        "a memo of 2^31": {**sound, data: b"\x80\x02]r\xff\xff\xff\x7f."},
        "a bytearray of 10^12": {
            **sound, data: b"\x80\x02c__builtin__\nbytearray\n(\x8a\x06\0\0\0\0\0\2tR."},
        "a byte order of its own": {**sound, f"{root}/byteorder": b"middle"},
        "a version of its own": {**sound, f"{root}/version": b"999999999999999999999"},
        "a version that is a word": {**sound, f"{root}/version": b"x"},
        "no data": {k: v for k, v in sound.items() if "/data/" not in k},
        "less data": {k: v[:3] if "/data/" in k else v for k, v in sound.items()},
        "a way out": {**sound, "../../outside/x": b""},
        "two folders": {**sound, "other/data.pkl": run},
        "TorchScript":
            {**sound, f"{root}/code/a.py": b"def f(): pass", f"{root}/constants.pkl": b""},
        "compiled code": {**sound, f"{root}/data/aotinductor/m/x.so": b"\x7fELF"},
        "no pickle": {f"{root}/version": b"3"},
        "nothing": {},
        "a name of no folder": {"data.pkl": run, "version": b"3"},
        "a name of 60,000": {**sound, "a" * 60_000: b""},
    }  # fmt: skip
    made |= {f"an archive with {what}": archive(one) for what, one in members.items()}
    whole = {name: content for name, content in sound.items() if "/data/" not in name}
    bomb = {**whole, f"{root}/data/0": _zeros(300_000_000)}
    return made | {
        "an archive that unpacks to 300 MB": archive(bomb),
        "an archive of 60,000 members": archive(
            sound | {f"{root}/{i}": b"" for i in range(60_000)}
        ),
        "a module": _saved(__import__("torch").nn.Linear(2, 2)),
        "a number": _saved(3),
        "an empty dict": _saved({}),
        "a dict in itself": _saved(_in_itself()),
        "dicts 100 deep": _saved(_deep(100)),
        "keys that are numbers": _saved({3: 4}),
    }


def _in_itself() -> dict[str, Any]:
    held: dict[str, Any] = {}
    held["state_dict"] = held
    return held


def _deep(levels: int) -> dict[str, Any]:
    held: dict[str, Any] = {}
    for _ in range(levels):
        held = {"state_dict": held}
    return held


def _doubling(levels: int) -> bytes:
    """Lists in lists, each twice in the next: short to write down, and long to walk."""
    code = b"\x80\x02]q\0"
    for level in range(levels):
        code += b"](" + b"h" + bytes([level]) + b"h" + bytes([level]) + b"eq" + bytes([level + 1])
    return code + b"."


def _pickles(outside: Path) -> dict[str, bytes]:
    run = canary(outside)
    return {f"a bare pickle of protocol {p}": pickle.dumps(run, p) for p in range(6)} | {
        "a bare pickle in a dict": pickle.dumps({"a": run}),
        "a tar that is old": b"storages".ljust(257, b"\0") + b"ustar\x0000" + bytes(600),
        "an ELF program": b"\x7fELF" + bytes(2000),
        "an empty file": b"",
        "a Lua file": b"\4\0\0\0\1\0\0\0\3\0\0\0V 1" + bytes(100),
    }


def _old(outside: Path) -> dict[str, bytes]:
    import torch

    sound = _saved({"0.weight": torch.ones(2)}, _use_new_zipfile_serialization=False)
    magic = pickle.dumps(0x1950A86A20F9469CFC6C, 2) + pickle.dumps(1001, 2)
    head = magic + pickle.dumps({"protocol_version": 1001, "little_endian": True}, 2)
    end = sound.rindex(struct.pack("<q", 2))
    return {
        "an old file that runs": head + pickle.dumps(canary(outside), 2) + pickle.dumps([], 2),
        "an old file whose storage is 10^15": sound[:end]
        + struct.pack("<q", 10**15)
        + sound[end + 8 :],
        "an old file whose storage is -1": sound[:end] + struct.pack("<q", -1) + sound[end + 8 :],
        "an old file with no storage": sound[:end],
        "an old file of another end": sound.replace(b"\x88", b"\x89"),
        "an old file with keys that run": head
        + pickle.dumps({}, 2)
        + pickle.dumps([canary(outside)], 2),
    }


def _safetensors() -> dict[str, bytes]:
    def made(header: Any, data: bytes = bytes(16), length: int | None = None) -> bytes:
        text = header if isinstance(header, bytes) else json.dumps(header).encode()
        return struct.pack("<Q", len(text) if length is None else length) + text + data

    def one(shape: Any, offsets: Any, kind: Any = "F32") -> dict[str, Any]:
        return {"0.weight": {"dtype": kind, "shape": shape, "data_offsets": offsets}}

    return {
        f"safetensors with {what}": content
        for what, content in {
            "10^12 values": made(one([10**6, 10**6], [0, 4 * 10**12])),
            "2^64 values": made(one([2**32, 2**32], [0, 16])),
            "a negative length": made(one([-2, -2], [0, 16])),
            "0 by 10^15 values": made(one([0, 10**15], [0, 0]), b""),
            "offsets the wrong way": made(one([4], [16, 0])),
            "a header of 2^63": made({}, length=2**63 - 1),
            "a header of 90 MB that is not there": made({}, length=90_000_000),
            "a header 50,000 deep": made(b'{"a":' * 50_000 + b"1" + b"}" * 50_000),
            "a type of its own": made(one([4], [0, 16], "F31")),
            "a name twice": made(b'{"a":1,"a":2}'),
            "no header": b"", "half a header": b"\5\0\0",
            "a hole": made(one([2], [8, 16])),
            "metadata that are a list": made({"__metadata__": []}),
            "two that overlap": made(one([4], [0, 16]) | {"b": one([4], [0, 16])["0.weight"]}),
            "other names": made({"x": one([4], [0, 16])["0.weight"]}),
        }.items()
    }  # fmt: skip


def _shards(folder: Path) -> Iterator[File]:
    for name in ("m-00001-of-00900.safetensors", "m-00001-of-99999.safetensors",
                 "m-00000-of-00000.safetensors", "m-00005-of-00002.safetensors"):  # fmt: skip
        path = folder / name
        path.write_bytes(b"x" * 100)
        yield File("torch", f"one of many, {name}", str(path), architecture=MAKER, opens=False)
        path.unlink()


def programs(folder: Path, outside: Path) -> Iterator[File]:
    """Exported programs: all of them, in turn."""
    import torch

    model = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.ReLU())
    held = io.BytesIO()
    torch.export.save(torch.export.export(model.eval(), (torch.zeros(2, 4),)), held)
    members = _members(held.getvalue())
    path = folder / "m.pt2"
    for what, change in _PROGRAMS.items():
        changed = dict(members)
        change(changed, outside)
        path.write_bytes(archive(changed))
        yield File("pt2", f"a program with {what}", str(path),
                   opens=True if what == "nothing wrong" else None)  # fmt: skip
        path.unlink()
    yield from no_files(folder, ["m.pt2"], "pt2", "model")


Change = Callable[[Members, Path], None]


def _program(change: Callable[[Any], Any]) -> Change:
    """Something else in the description of the program."""

    def made(members: Members, outside: Path) -> None:
        name = next(name for name in members if "/models/" in name)
        described = json.loads(members[name])
        replaced = change(described)
        members[name] = json.dumps(described if replaced is None else replaced).encode()

    return made


def _in_text(old: str, new: str) -> Change:
    def made(members: Members, outside: Path) -> None:
        name = next(name for name in members if "/models/" in name)
        members[name] = members[name].replace(old.encode(), new.encode())

    return made


def _record(ending: str, content: Callable[[bytes, Path], bytes] | None) -> Change:
    def made(members: Members, outside: Path) -> None:
        for name in [name for name in members if name.endswith(ending)]:
            if content is None:
                del members[name]
            else:
                members[name] = content(members[name], outside)

    return made


def _graph(described: Any) -> Any:
    return described["graph_module"]["graph"]


def _sizes(size: Any) -> Callable[[Any], None]:
    def change(described: Any) -> None:
        for meta in _graph(described)["tensor_values"].values():
            meta["sizes"] = [{"as_int": size} for _ in meta["sizes"]]

    return change


_PROGRAMS: dict[str, Change] = {
    "nothing wrong": lambda members, outside: None,
    "sizes of 10^15": _program(_sizes(10**15)),
    "sizes of -1": _program(_sizes(-1)),
    "sizes that are texts": _program(_sizes("x")),
    "sizes of 10^30": _program(_sizes(10**30)),
    "no graph": _program(lambda d: d.pop("graph_module") and None),
    "no nodes": _program(lambda d: _graph(d).update(nodes=[])),
    "a node twice": _program(lambda d: _graph(d)["nodes"].extend(_graph(d)["nodes"])),
    "nodes backwards": _program(lambda d: _graph(d)["nodes"].reverse()),
    "a node that is null": _program(lambda d: _graph(d)["nodes"].append(None)),
    "nodes that are a text": _program(lambda d: _graph(d).update(nodes="x")),
    "30,000 nodes": _program(lambda d: _graph(d).update(nodes=_graph(d)["nodes"] * 10_000)),
    "a list": _program(lambda d: []),
    "a schema of its own": _program(lambda d: d.update(schema_version={"major": 999, "minor": 0})),
    "a schema that is a text": _program(lambda d: d.update(schema_version="x")),
    "an operation of the system": _in_text("torch.ops.aten.relu.default", "os.system"),
    "an operation that loads": _in_text("torch.ops.aten.relu.default", "torch.ops.load_library"),
    "an operation that reads a file": _in_text(
        "torch.ops.aten.relu.default", "torch.ops.aten.from_file.default"),
    "an operation of nobody": _in_text("aten.relu.default", "aten.relu_of_nobody.default"),
    "an operation of others' arguments": _in_text("aten.relu.default", "aten.conv2d.default"),
    "an expression that runs": _program(lambda d: d.update(range_constraints={
        "__import__('os').system('x')": {"min_val": 0, "max_val": 3}})),
    "a symbol that runs": _program(lambda d: _graph(d).update(sym_int_values={
        "s0": {"as_expr": {"expr_str": "__import__('os').system('x')", "hint": None}}})),
    "a power of powers": _program(lambda d: _graph(d).update(sym_int_values={
        "s0": {"as_expr": {"expr_str": "9**9**9**9", "hint": None}}})),
    "a tree of modules": _in_text("builtins.tuple", "os.system"),
    "a name that is code": _in_text("0.weight", "x'); __import__('os'); ('"),
    "no weights": _record("weights_config.json", None),
    "weights elsewhere": _record(
        "weights_config.json", lambda c, o: c.replace(b"weight_0", b"../../outside/secret.npy")),
    "weights that are pickles": _record(
        "weights_config.json", lambda c, o: c.replace(b'pickle": false', b'pickle": true')),
    "weights that run": _record("weight_0", lambda c, o: pickle.dumps(canary(o))),
    "less weights": _record("weight_0", lambda c, o: c[:3]),
    "sizes of weights of 10^12": _record(
        "weights_config.json", lambda c, o: c.replace(b'"as_int": 4', b'"as_int": 1000000000000')),
    "a configuration of weights of null": _record("weights_config.json", lambda c, o: b"null"),
    "an example that runs": _record("sample_inputs/model.pt", lambda c, o: pickle.dumps(canary(o))),
    "a format of its own": _record("archive_format", lambda c, o: b"x" * 1000),
    "a version of its own": _record("archive_version", lambda c, o: b"x"),
    "no version": _record("archive_version", None),
    "a byte order of its own": _record("byteorder", lambda c, o: b"x"),
    "a program that is no JSON": _record("model.json", lambda c, o: b"\xff\xfe"),
    "a program that is deep": _record("model.json", lambda c, o: b"[" * 200_000),
    "a program of spaces": _record("model.json", lambda c, o: b" " * 9_000_000),
    "two programs": lambda m, o: m.update({
        k.replace("model.json", "b.json"): v for k, v in m.items() if k.endswith("model.json")
    }),
}  # fmt: skip
