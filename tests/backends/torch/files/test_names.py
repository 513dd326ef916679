"""PyTorch's files are known by what is in them, whatever they are called."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest

pytest.importorskip("torch")

import torch
from torch import nn

from layerscope.backends.opening import load_model
from layerscope.backends.origin import origin_of
from layerscope.core.errors import ModelError

NAMES = ["a.pth", "resnet20.th", "model_best.pth.tar", "epoch1.ckpt", "rnn.net", "w.model",
         "w.weights", "w.pkl", "w.onnx", "no extension"]  # fmt: skip


def net() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 2))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("zipped", [True, False])
def test_weights_open_under_any_name(tmp_path: Path, name: str, zipped: bool) -> None:
    path = tmp_path / name
    torch.save({"state_dict": net().state_dict()}, path, _use_new_zipfile_serialization=zipped)
    opened = load_model(path, architecture=lambda: nn.Sequential(nn.Linear(4, 2)))
    assert torch.equal(opened[0].weight, net()[0].weight)  # type: ignore[index]


def test_safetensors_open_under_any_name(tmp_path: Path) -> None:
    safetensors = pytest.importorskip("safetensors.torch")
    path = tmp_path / "pytorch_model.bin"
    safetensors.save_file(net().state_dict(), path)
    opened = load_model(path, architecture=lambda: nn.Sequential(nn.Linear(4, 2)))
    assert torch.equal(opened[0].weight, net()[0].weight)  # type: ignore[index]
    assert origin_of(opened).format == "safetensors"


@pytest.mark.filterwarnings("ignore:.*torch.jit.*:DeprecationWarning")
@pytest.mark.parametrize("name", ["net.jit", "net.torchscript", "net.ptl", "net"])
def test_torchscript_is_named_under_any_name(tmp_path: Path, name: str) -> None:
    torch.jit.save(torch.jit.script(net()), tmp_path / name)
    with pytest.raises(ModelError, match=r"is TorchScript, which hides its layers: save torch\.j"):
        load_model(tmp_path / name)


def test_a_module_in_a_trusted_checkpoint_needs_no_architecture(tmp_path: Path) -> None:
    path = tmp_path / "best.pt"
    torch.save({"epoch": 3, "model": net(), "ema": None}, path)
    opened = load_model(path, trust=True)
    assert torch.equal(opened[0].weight, net()[0].weight)
    assert origin_of(opened).repairs == ("the module was taken from 'model' in the checkpoint",)
    with pytest.raises(ModelError, match="holds more than weights"):
        load_model(path)


def test_a_pickle_without_a_name_has_to_be_trusted(tmp_path: Path) -> None:
    pytest.importorskip("sklearn")
    (tmp_path / "net").write_bytes(pickle.dumps({"a": 1}))
    with pytest.raises(ModelError, match="is a pickle, and a pickle can run any code"):
        load_model(tmp_path / "net")
