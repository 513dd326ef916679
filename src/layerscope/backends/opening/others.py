"""Model files that layerscope does not open: what they are, and what to do instead.

Where a way is a command, it was gone once with a file of that kind.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from layerscope.core.files import kind_of

_CORE_ML = (
    "a Core ML model, made of another one: open the model that it was converted from, or convert "
    "that one to ONNX"
)
_TENSORRT = (
    "an engine of TensorRT, compiled for one kind of GPU, without layers or weights to read: open "
    "the .onnx file that it was built from"
)
_TFLITE = (
    "a TensorFlow Lite file: convert it to ONNX, python -m tf2onnx.convert --tflite {name} "
    "--output {stem}.onnx, and open that"
)
_GGUF = (
    "a GGUF file, weights for llama.cpp, most of them quantized: open the PyTorch model that it "
    "was made from; or, with transformers, gguf and accelerate installed, in the place of its name "
    '"transformers:AutoModelForCausalLM.from_pretrained({folder!r}, gguf_file={name!r})"'
)
_FROZEN = (
    "a TensorFlow graph (frozen, if it has its weights): convert it to ONNX, "
    "python -m tf2onnx.convert --graphdef {name} --inputs INPUT:0 --outputs OUTPUT:0 --output "
    "{stem}.onnx, and open that"
)
_TF_CHECKPOINT = (
    "part of a TensorFlow checkpoint, which holds weights alone: load it into the Keras model "
    "that it belongs to with TF_USE_LEGACY_KERAS=1 and model.load_weights, save that as .h5, and "
    "open the .h5"
)
#: By a file's first bytes: at which place which bytes.
_STARTS: tuple[tuple[int, bytes, str], ...] = (
    (0, b"GGUF", _GGUF),
    (4, b"TFL3", _TFLITE),
    (0, b"ftrt", _TENSORRT),
    (0, b"ptrt", _TENSORRT),
)
_ENDS: Mapping[str, str] = {
    ".tflite": _TFLITE,
    ".lite": _TFLITE,
    ".pb": _FROZEN,
    ".pbtxt": _FROZEN,
    ".mlmodel": _CORE_ML,
    ".engine": _TENSORRT,
    ".plan": _TENSORRT,
    ".trt": _TENSORRT,
    ".gguf": _GGUF,
    ".index": _TF_CHECKPOINT,
    ".meta": _TF_CHECKPOINT,
}


def by_content(path: Path, start: bytes) -> str | None:
    """Return what a file is that begins so; None where that does not tell."""
    for at, magic, what in _STARTS:
        if start[at:].startswith(magic):
            return _named(what, path)
    return None


def by_name(path: Path) -> str | None:
    """Return what a file or a folder of this name is; None where it is no model of others."""
    if kind_of(path) == "folder":
        if path.suffix.lower() in (".mlpackage", ".mlmodelc"):
            return _CORE_ML
        if kind_of(path / "model.json") == "file":
            return f"a folder: open the {str(path / 'model.json')!r} in it"
        return None
    if path.name in ("saved_model.pb", "keras_metadata.pb"):
        return f"part of a SavedModel: open its folder, {str(path.parent)!r}"
    if path.name == "checkpoint" or ".data-0" in path.suffix.lower():
        return _TF_CHECKPOINT
    what = _ENDS.get(path.suffix.lower())
    return None if what is None else _named(what, path)


def _named(what: str, path: Path) -> str:
    return what.format(name=path.name, stem=path.stem, folder=str(path.parent))
