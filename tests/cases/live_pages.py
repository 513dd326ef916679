"""Programs of networks, run by the page's own JavaScript in node."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

import layerscope
from layerscope.instruments.portable import PortableProgram

Array = npt.NDArray[Any]
_RUNNER = """
import { readFileSync, writeFileSync } from "node:fs";
import { compile } from "./forward.js";

const { header, lengths, rounds } = JSON.parse(readFileSync("program.json", "utf8"));
const bytes = readFileSync("buffers.bin");
const buffers = {};
let start = 0;
for (const [name, length] of lengths) {
  buffers[name] = bytes.subarray(start, start + length);
  start += length;
}
const network = compile({ header, buffers });
const inputs = readFileSync("inputs.bin");
const size = network.input.shape.reduce((product, length) => product * length, 1);
const written = [];
let shapes = {};
for (let first = 0; first < inputs.length; first += size * 4) {
  const x = new Float32Array(inputs.buffer.slice(inputs.byteOffset + first), 0, size);
  const values = network.run(x);
  for (const address of network.layers) {
    const { data, shape } = values.get(address);
    shapes[address] = shape;
    written.push(Buffer.from(data.slice().buffer));
  }
}
const x = new Float32Array(size).map((_, i) => Math.sin(i));
const times = [];
for (let round = 0; round < rounds; round += 1) {
  const began = performance.now();
  network.run(x);
  times.push(performance.now() - began);
}
writeFileSync("values.bin", Buffer.concat(written));
const { layers, output } = network;
writeFileSync("answer.json", JSON.stringify({ layers, output, shapes, times }));
"""


def in_node(
    program: PortableProgram, x: Array, folder: Path, rounds: int = 0
) -> tuple[dict[str, Array], list[float]]:
    """Every layer's values on samples, channels last, and the milliseconds of further runs."""
    _copied(folder)
    buffers = program.buffers
    lengths = [[name, len(data)] for name, data in buffers.items()]
    described = {"header": dict(program.header), "lengths": lengths, "rounds": rounds}
    (folder / "program.json").write_text(json.dumps(described, allow_nan=False))
    (folder / "buffers.bin").write_bytes(b"".join(buffers.values()))
    (folder / "inputs.bin").write_bytes(np.asarray(x, "<f4").tobytes())
    (folder / "runner.js").write_text(_RUNNER)
    done = _node(folder)
    assert done.returncode == 0, done.stderr
    answer = json.loads((folder / "answer.json").read_text())
    assert answer["output"] == program.graph.output
    values = np.frombuffer((folder / "values.bin").read_bytes(), "<f4").reshape(len(x), -1)
    result, start = {}, 0
    for address in answer["layers"]:
        shape = answer["shapes"][address]
        size = int(np.prod(shape))
        result[address] = values[:, start : start + size].reshape(len(x), *shape)
        start += size
    return result, answer["times"]


def complaint_of_node(
    header: Mapping[str, Any], program: PortableProgram, folder: Path, numbers: int = 12
) -> str:
    """What node says of a program that it can't run, or of an input of so many numbers."""
    _copied(folder)
    (folder / "program.json").write_text(json.dumps(header))
    lengths = {name: len(data) // 4 for name, data in program.buffers.items()}
    (folder / "runner.js").write_text(
        'import { readFileSync } from "node:fs";\n'
        'import { compile } from "./forward.js";\n'
        'const header = JSON.parse(readFileSync("program.json", "utf8"));\n'
        f"const lengths = {json.dumps(lengths)};\n"
        "const buffers = Object.fromEntries(\n"
        "  Object.entries(lengths).map(([name, length]) => [name, new Float32Array(length)]));\n"
        f"compile({{ header, buffers }}).run(new Float32Array({numbers}));\n"
    )
    return _node(folder).stderr


def _copied(folder: Path) -> None:
    """Put the page's modules into a folder in which node takes them for modules."""
    live = Path(layerscope.__file__).parent / "interfaces" / "web" / "live"
    shutil.copytree(live, folder, dirs_exist_ok=True)
    (folder / "package.json").write_text('{"type": "module"}')


def _node(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["node", "runner.js"], cwd=folder, capture_output=True, text=True)
