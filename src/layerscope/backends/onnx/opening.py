"""ONNX files. Opening one reads and checks it; nothing is run, and no weights are loaded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from layerscope.backends.availability import needs
from layerscope.backends.opening.files import ZIP, Request, start_of
from layerscope.backends.origin import remember
from layerscope.core.errors import ModelError
from layerscope.core.network import Origin

_LIMIT = 2**31  #: bytes: what one protobuf message can hold


def open_file(request: Request) -> Any:
    """Return the model in an ``.onnx`` file, as an OnnxModel.

    Raises ModelError when it is damaged, no ONNX model, or keeps weights outside its own folder.
    """
    path = request.path
    start = start_of(path)
    if request.architecture is not None:
        raise ModelError(f"{str(path)!r} holds its own architecture: pass no other.")
    needs("onnx")
    needs("onnxruntime")
    model = _read(path, start)

    from layerscope.backends.onnx.model import opset_of
    from layerscope.backends.onnx.tree import graph_of

    repairs = graph_of(model).stripped.repairs
    proto = model.proto
    writer = " ".join(filter(None, (proto.producer_name.strip(), proto.producer_version.strip())))
    opset = opset_of(proto)
    kind = f"ONNX opset {opset}" if opset else "ONNX"
    return remember(model, Origin(str(path), kind, " ".join(writer.split()), repairs))


def _read(path: Path, start: bytes) -> Any:
    import onnx
    from google.protobuf.message import DecodeError

    from layerscope.backends.onnx.model import OnnxModel

    if start.startswith(ZIP):
        raise ModelError(
            f"{str(path)!r} is a zip archive, no .onnx file: unpack it and open the .onnx file in "
            "it."
        )
    size = path.stat().st_size
    if size >= _LIMIT:
        raise ModelError(
            f"{str(path)!r} has {size:,} bytes, and an ONNX file is smaller than 2 GiB: larger "
            "models keep their weights in files of their own beside it."
        )
    try:
        proto = onnx.load_model_from_string(path.read_bytes())
    except DecodeError as error:
        raise ModelError(f"{str(path)!r} is truncated, damaged or no ONNX file.") from error
    except OSError as error:
        raise ModelError(f"{str(path)!r} can't be read: {error.strerror}.") from error
    return OnnxModel(proto, path)
