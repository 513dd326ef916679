"""Weights and pickles of PyTorch: what opens, what is said of the rest, and that nothing is run."""

from __future__ import annotations

import copy
import io
import json
import os
import pickle
import struct
import subprocess
import sys
import tarfile
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

pytest.importorskip("torch")

import torch
from torch import nn

import layerscope as ls
from cases.amounts import examples
from layerscope.backends.opening import load_model
from layerscope.backends.origin import origin_of
from layerscope.core.errors import LayerscopeError, MissingDependencyError, ModelError

ARCHITECTURE = "tinynets:Net(width=3)"


class Net(nn.Sequential):
    def __init__(self, width: int = 3) -> None:
        super().__init__(OrderedDict(fc=nn.Linear(2, width), norm=nn.BatchNorm1d(width)))


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A folder in which the architecture is a module that can be imported."""
    (tmp_path / "tinynets.py").write_text(
        "from collections import OrderedDict\n"
        "from torch import nn\n"
        "class Net(nn.Sequential):\n"
        "    def __init__(self, width=3):\n"
        "        fc, norm = nn.Linear(2, width), nn.BatchNorm1d(width)\n"
        "        super().__init__(OrderedDict(fc=fc, norm=norm))\n"
        "def number():\n"
        "    return 3\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *(p for p in sys.path if p)])
    yield tmp_path
    sys.modules.pop("tinynets", None)


def trained(seed: int = 1) -> Net:
    torch.manual_seed(seed)
    model = Net().eval()
    model.norm.running_mean += 2.0
    return model


def same_weights(model: Any, expected: Any) -> None:
    torch.testing.assert_close(dict(model.state_dict()), dict(expected.state_dict()))


def refused(path: Any, **how: Any) -> str:
    with pytest.raises(ModelError) as caught:
        load_model(path, **how)
    message = str(caught.value)
    assert "\n" not in message
    assert str(path) in message
    return message


@pytest.mark.parametrize("name", ["w.pt", "w.pth", "w.bin", "w.safetensors", "legacy.pth"])
def test_weights_go_into_an_architecture(here: Path, name: str) -> None:
    model = trained()
    if name.endswith(".safetensors"):
        safetensors = pytest.importorskip("safetensors.torch")
        safetensors.save_file(model.state_dict(), name)
    else:
        legacy = name == "legacy.pth"
        torch.save(model.state_dict(), name, _use_new_zipfile_serialization=not legacy)
    for architecture in (ARCHITECTURE, Net, lambda: Net(3), Net()):
        opened = load_model(here / name, architecture=architecture)
        same_weights(opened, model)
        assert opened is architecture or not isinstance(architecture, nn.Module)
    origin = origin_of(load_model(name, architecture=ARCHITECTURE))
    assert origin is not None
    assert origin.format == ("safetensors" if "safe" in name else "PyTorch state_dict")
    assert origin.repairs == ()
    x = np.ones((1, 2), np.float32)
    np.testing.assert_array_equal(ls.activations(opened, x)["fc"], ls.activations(model, x)["fc"])


def test_weights_alone_say_what_to_pass(here: Path) -> None:
    torch.save(trained().state_dict(), here / "w.pt")
    message = refused(here / "w.pt")
    assert "holds only weights (7 arrays: fc.weight, fc.bias, norm.weight and 4 more)" in message
    assert "pass --architecture package.module:Class(args)" in message


@pytest.mark.parametrize(
    ("wrap", "said"),
    [
        (lambda s: {"epoch": 3, "state_dict": s}, "taken from 'state_dict' in the checkpoint"),
        (lambda s: {"model_state_dict": s, "optimizer": {"state": {}}}, "from 'model_state_dict'"),
        (lambda s: {"model": s, "ema": s}, "from 'model' in the checkpoint, which also has 'ema'"),
        (lambda s: {"net": s, "acc": 0.9}, "from 'net'"),
        (lambda s: {"whatever": s, "step": torch.tensor(3)}, "from 'whatever'"),
        (
            lambda s: {f"module.{k}": v for k, v in s.items()},
            "'module.' was taken off the names, wh",
        ),
        (
            lambda s: {f"_orig_mod.{k}": v for k, v in s.items()},
            "which torch.compile had put there",
        ),
    ],
)
def test_checkpoints_are_unwrapped(here: Path, wrap: Callable[[Any], Any], said: str) -> None:
    model = trained()
    torch.save(wrap(model.state_dict()), here / "w.pt")
    opened = load_model(here / "w.pt", architecture=ARCHITECTURE)
    same_weights(opened, model)
    assert said in str(ls.describe(opened).origin)


def test_wrapped_twice_in_a_checkpoint(here: Path) -> None:
    model = trained()
    state = {f"_orig_mod.module.{k}": v for k, v in model.state_dict().items()}
    torch.save({"state_dict": state}, here / "w.pt")
    same_weights(opened := load_model(here / "w.pt", architecture=ARCHITECTURE), model)
    assert len(origin_of(opened).repairs) == 3  # type: ignore[union-attr]


def test_a_child_that_is_called_module_stays(here: Path) -> None:
    model = nn.Sequential(OrderedDict(module=trained()))
    torch.save(model.state_dict(), "w.pt")
    opened = load_model("w.pt", architecture=nn.Sequential(OrderedDict(module=Net())))
    same_weights(opened, model)
    assert origin_of(opened).repairs == ()  # type: ignore[union-attr]


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_types_become_those_of_the_architecture(here: Path, dtype: Any) -> None:
    model = trained()
    torch.save(copy.deepcopy(model).to(dtype).state_dict(), here / "w.pt")
    opened = load_model(here / "w.pt", architecture=ARCHITECTURE)
    same_weights(opened, copy.deepcopy(model).to(dtype).float())
    name = str(dtype).removeprefix("torch.")
    said = f"Repaired: weights of {name} became float32, which the architecture has"
    assert said in str(ls.describe(opened).origin)


def test_weights_from_a_gpu_come_to_the_cpu(here: Path) -> None:
    torch.save(trained().state_dict(), "w.pt", _use_new_zipfile_serialization=True)
    with zipfile.ZipFile("w.pt") as old, zipfile.ZipFile("cuda.pt", "w") as new:
        for name in old.namelist():
            content = old.read(name)
            if name.endswith("data.pkl"):
                content = content.replace(b"X\x03\x00\x00\x00cpu", b"X\x06\x00\x00\x00cuda:0")
                assert b"cuda:0" in content
            new.writestr(name, content)
    same_weights(load_model("cuda.pt", architecture=ARCHITECTURE), trained())


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda s: s.pop("fc.bias"), "fc.bias is missing."),
        (lambda s: s.update(extra=torch.ones(2)), "extra is not in the model."),
        (lambda s: s.update({"fc.bias": torch.ones(4)}), "fc.bias is 4 instead of 3."),
        (
            lambda s: [s.update({f"a.{i}": torch.ones(1)}) for i in range(6)],
            "a.0, a.1, a.2 and 3 more are not in the model.",
        ),
        (
            lambda s: (
                s.pop("norm.weight"),
                s.update(b=torch.ones(1), **{"fc.weight": torch.ones(5)}),
            ),
            "norm.weight is missing; b is not in the model; fc.weight is 5 instead of 3×2.",
        ),
    ],
)
def test_weights_that_do_not_fit_are_named_and_none_is_loaded(
    here: Path, change: Callable[[dict[str, Any]], None], said: str
) -> None:
    state = trained().state_dict()
    change(state)
    torch.save(state, here / "w.pt")
    mine = trained(seed=7)
    before = copy.deepcopy(mine)
    message = refused(here / "w.pt", architecture=mine)
    assert message == f"The weights in {str(here / 'w.pt')!r} don't fit Net: {said}"
    same_weights(mine, before)
    assert said in refused(here / "w.pt", architecture=ARCHITECTURE)


def test_a_model_without_memory_gets_the_weights(here: Path) -> None:
    torch.save(trained().state_dict(), "w.pt")
    with torch.device("meta"):
        empty = Net()
    same_weights(load_model("w.pt", architecture=empty), trained())


def test_a_lazy_model_gets_the_weights_or_none(here: Path) -> None:
    torch.save(nn.Sequential(nn.Linear(2, 3)).state_dict(), "w.pt")
    lazy = nn.Sequential(nn.LazyLinear(3))
    assert load_model("w.pt", architecture=lazy)[0].weight.shape == (3, 2)
    torch.save(trained().state_dict(), here / "other.pt")
    again = nn.Sequential(nn.LazyLinear(3))
    refused(here / "other.pt", architecture=again)
    assert nn.parameter.is_lazy(again[0].weight)


@pytest.mark.parametrize(
    ("architecture", "said"),
    [
        ("tinynets", "architecture 'tinynets': write package.module:Class(args)"),
        ("tinynets:number", "tinynets:number gives a int, no torch.nn.Module"),
        ("tinynets:Nat", "'tinynets' has no 'Nat': did you mean 'Net'?"),
        (nn.Linear, "Linear can't be called without arguments"),
        (3, "architecture is a int: pass a torch.nn.Module, its class"),
        (lambda: 1 / 0, "raised ZeroDivisionError: division by zero"),
    ],
)
def test_what_is_no_architecture(here: Path, architecture: Any, said: str) -> None:
    torch.save(trained().state_dict(), "w.pt")
    with pytest.raises(ModelError) as caught:
        load_model("w.pt", architecture=architecture)
    assert said in str(caught.value)


def test_weights_in_several_files(here: Path) -> None:
    safetensors = pytest.importorskip("safetensors.torch")
    model = trained()
    items = list(model.state_dict().items())
    safetensors.save_file(dict(items[:3]), "m-00001-of-00002.safetensors")
    message = refused("m-00001-of-00002.safetensors", architecture=ARCHITECTURE)
    assert "is one of 2 files, of which m-00002-of-00002.safetensors is missing" in message
    safetensors.save_file(dict(items[3:]), "m-00002-of-00002.safetensors")
    opened = load_model("m-00002-of-00002.safetensors", architecture=ARCHITECTURE)
    same_weights(opened, model)
    assert "put together from 2 files" in str(origin_of(opened))


@pytest.mark.parametrize("zipped", [True, False])
def test_a_pickled_module_is_opened_only_where_it_is_trusted(here: Path, zipped: bool) -> None:
    import tinynets  # type: ignore[import-not-found]

    torch.save(tinynets.Net(), here / "m.pt", _use_new_zipfile_serialization=zipped)
    message = refused(here / "m.pt")
    assert "holds more than weights (tinynets.Net), and such a pickle can run any code" in message
    assert "pass --trust" in message
    opened = load_model("m.pt", trust=True)
    assert ls.describe(opened).total == 15
    assert str(origin_of(opened)) == "Opened from m.pt (PyTorch pickle)"
    del sys.modules["tinynets"]
    (here / "tinynets.py").write_text("")
    said = refused(here / "m.pt", trust=True)
    assert "its class is not there (Can't get attribute 'Net'" in said
    assert "name the module that defines it with --import" in said
    del sys.modules["tinynets"]
    (here / "tinynets.py").unlink()
    with pytest.raises(MissingDependencyError, match="needs the module 'tinynets', which is not"):
        load_model("m.pt", trust=True)


class Tripwire:
    """Unpickling this leaves a mark."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.mark),)


@pytest.mark.parametrize("name", ["m.pt", "m.pth", "m.bin"])
@pytest.mark.parametrize("how", ["zip", "legacy", "pickle", "nested"])
def test_code_in_a_file_is_not_run(here: Path, name: str, how: str) -> None:
    mark = here / "mark"
    held: Any = Tripwire(mark)
    if how == "pickle":
        (here / name).write_bytes(pickle.dumps(held))
    else:
        held = {"state_dict": trained().state_dict(), "a": held} if how == "nested" else held
        torch.save(held, here / name, _use_new_zipfile_serialization=how != "legacy")
    for architecture in (None, ARCHITECTURE):
        message = refused(here / name, architecture=architecture)
        assert "pass --trust" in message or "damaged" in message
    assert not mark.exists()
    if how != "pickle":
        with pytest.raises(LayerscopeError):  # but it is no model
            load_model(here / name, trust=True)
        assert mark.exists()  # the trap works


def test_the_oldest_format_has_to_be_trusted(here: Path) -> None:
    with tarfile.open("old.pth", "w") as archive:
        for name in ("sys_info", "pickle", "storages", "tensors"):
            archive.addfile(tarfile.TarInfo(name), io.BytesIO())
    assert "written by a PyTorch before 0.1.10" in refused("old.pth")


@pytest.mark.filterwarnings("ignore:.*torch.jit.*:DeprecationWarning")
def test_torchscript_says_what_works(here: Path) -> None:
    torch.jit.save(torch.jit.script(nn.Linear(2, 3)), "script.pt")
    for trust in (False, True):
        message = refused("script.pt", trust=trust)
        assert "is TorchScript, which hides its layers: save torch.jit.load(file)" in message


@pytest.mark.parametrize(
    ("held", "said"),
    [
        ({}, "holds no weights by name: it is empty"),
        ({"epoch": 3, "loss": 0.1}, "holds no weights by name: its keys are epoch, loss"),
        ({"a": {"x": torch.ones(1)}, "b": {"x": torch.ones(1)}}, "its keys are a, b"),
        ([torch.ones(2)], "holds a list, neither a module nor weights by name"),
        (torch.ones(2), "holds a Tensor, neither a module nor weights by name"),
        (3, "holds a int, neither"),
    ],
)
def test_what_holds_no_weights(here: Path, held: Any, said: str) -> None:
    torch.save(held, "w.pt")
    assert said in refused("w.pt")


@pytest.mark.parametrize("name", ["m.pt", "m.pth", "m.bin", "m.safetensors"])
@pytest.mark.parametrize("content", [b"", b"hello", b"PK\x03\x04" + bytes(40), bytes(500), b"\x80"])
def test_what_is_no_file_of_pytorch(here: Path, name: str, content: bytes) -> None:
    (here / name).write_bytes(content)
    message = refused(here / name)
    assert any(word in message for word in ("is empty", "damaged", "is no "))


def test_archives_that_would_do_harm(here: Path) -> None:
    with zipfile.ZipFile("bomb.pt", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bomb/data.pkl", bytes(300_000_000))
    assert "would unpack to 300,000,000" in refused("bomb.pt")
    with zipfile.ZipFile("path.pt", "w") as archive:
        archive.writestr("../../data.pkl", b"")
    assert "outside the folder" in refused("path.pt")
    with zipfile.ZipFile("other.pt", "w") as archive:
        archive.writestr("readme.txt", b"hello")
    assert "is a zip archive, but no .pt file" in refused("other.pt")


@pytest.mark.parametrize("module", ["__builtin__", "builtins"])
@pytest.mark.parametrize("zipped", [True, False])
def test_a_pickle_can_t_ask_for_memory(
    here: Path, monkeypatch: pytest.MonkeyPatch, module: str, zipped: bool
) -> None:
    def read(*args: Any, **options: Any) -> Any:
        raise AssertionError("the pickle was read")

    monkeypatch.setattr(torch, "load", read)
    # bytearray(2**41), which PyTorch's reader of weights would call.
    code = f"\x80\x02c{module}\nbytearray\n(\x8a\x06\0\0\0\0\0\2tR.".encode("latin1")
    if zipped:
        with zipfile.ZipFile("w.pt", "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("w/data.pkl", code)
    else:
        (here / "w.pt").write_bytes(code)
    assert "holds more than weights (builtins.bytearray)" in refused("w.pt")


def tensors(header: dict[str, Any] | bytes, data: bytes = bytes(8), length: int = -1) -> bytes:
    """A .safetensors file with this header; ``length`` is what it says of the header's length."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length < 0 else length) + text + data


def entry(shape: Any = (2,), offsets: Any = (0, 8), dtype: str = "F32") -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "data_offsets": offsets}


@pytest.mark.parametrize(
    "content",
    [
        tensors({"a": entry()}, length=2**60),
        tensors({"a": entry()}, length=2**40),
        tensors({"a": entry(shape=(-2,))}),
        tensors({"a": entry(shape=(2**40, 2**40))}),
        tensors({"a": entry(shape=(1,), offsets=(0, 4)), "b": entry(offsets=(0, 8))}),
        tensors({"a": entry(offsets=(8, 0))}),
        tensors({"a": entry(offsets=(0, 16))}),
        tensors({"a": entry(dtype="F99")}),
        tensors({"a": entry()}, data=bytes(4)),
        tensors({"a": entry()}, data=bytes(12)),
        tensors(b'{"a": '),
        tensors(b"[" * 100_000),
        tensors(json.dumps({"a": entry()}).encode()[:-1] + b', "a": {}}'),
        tensors({"a": 3}),
    ],
)
def test_safetensors_with_a_bad_header(here: Path, content: bytes) -> None:
    pytest.importorskip("safetensors")
    (here / "m.safetensors").write_bytes(content)
    assert "is damaged or no .safetensors file" in refused("m.safetensors")


def saved(kind: str) -> bytes:
    state = trained().state_dict()
    if kind == "safetensors":
        return bytes(pytest.importorskip("safetensors.torch").save(state))
    buffer = io.BytesIO()
    torch.save(state, buffer, _use_new_zipfile_serialization=kind == "zip")
    return buffer.getvalue()


#: Opens every file in a folder; prints what came of each.
OPEN_ALL = """
import sys, warnings
from pathlib import Path
warnings.simplefilter("ignore")
from torch import nn
from layerscope.backends.opening import load_model
from layerscope.core.errors import LayerscopeError
sys.path.insert(0, sys.argv[1])
from tinynets import Net
for path in sorted(Path(sys.argv[2]).iterdir()):
    try:
        assert isinstance(load_model(path, architecture=Net), nn.Module)
        print(path.name, "opened")
    except LayerscopeError as error:
        assert chr(10) not in str(error), error
        print(path.name, "refused")
"""


@pytest.mark.parametrize("kind", ["zip", "legacy", "safetensors"])
@settings(max_examples=examples(2), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32 - 1))
def test_any_damage_is_one_sentence(here: Path, kind: str, seed: int) -> None:
    """In a process of its own: a reader that crashes takes no test with it."""
    whole, rng = saved(kind), np.random.default_rng(seed)
    folder = here / f"fuzz{seed}"
    folder.mkdir(exist_ok=True)
    suffix = "safetensors" if kind == "safetensors" else "pt"
    for i in range(150):
        content = bytearray(whole)
        for _ in range(rng.integers(1, 4)):
            place = int(rng.integers(len(content)))
            match rng.integers(4):
                case 0:
                    content[place] ^= int(rng.integers(1, 256))
                case 1:
                    del content[place + 1 :]
                case 2:
                    content[place:place] = rng.bytes(int(rng.integers(1, 9)))
                case _:
                    del content[place : place + int(rng.integers(1, 9))]
            content = content or bytearray(b"x")
        (folder / f"{i:03}.{suffix}").write_bytes(content)
    done = subprocess.run(
        [sys.executable, "-c", OPEN_ALL, str(here), str(folder)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-200:] + done.stderr[-2000:]
    assert len(done.stdout.splitlines()) == 150
