"""Exported programs open, show what their model shows, and run nothing that they hold."""

from __future__ import annotations

import io
import json
import logging
import os
import zipfile
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
from torch.nn import functional as F

import layerscope as ls
from cases.amounts import examples
from layerscope.backends.opening import load_model
from layerscope.backends.torch.files.program_check import untrusted
from layerscope.core.errors import InputError, LayerscopeError, ModelError

# What PyTorch says of itself as it exports.
pytestmark = [
    pytest.mark.filterwarnings("ignore:.*LeafSpec.*:FutureWarning"),
    pytest.mark.filterwarnings("ignore:The tensor attributes self.lstm:UserWarning"),
]


class Convolutional(nn.Module):
    """In-place functions, a skip connection, a second call, functions between the modules."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(inplace=True), nn.MaxPool2d(2)
        )
        self.mix = nn.Conv2d(4, 4, 3, stride=2, padding=1, groups=2, bias=False)
        self.up = nn.ConvTranspose2d(4, 4, 2, 2)
        self.act = nn.ReLU()
        self.drop = nn.Dropout(0.4)
        self.fc = nn.Linear(64, 10)

    def forward(self, x: Any) -> Any:
        x = self.features(x)
        x = self.act(x + self.up(self.mix(x)))
        x = self.act(self.fc(self.drop(x).flatten(1)))
        return F.softmax(x, dim=1)


class Sequential(nn.Module):
    """Tokens, attention and a recurrent layer; two outputs by name."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(20, 8)
        self.block = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
        self.lstm = nn.LSTM(8, 6, batch_first=True)
        self.out = nn.Linear(6, 3)

    def forward(self, tokens: Any) -> Any:
        states, _ = self.lstm(self.block(self.embed(tokens)))
        return {"logits": self.out(states[:, -1]), "states": states}


class Nested(nn.Module):
    """Two inputs, and a module of one's own in another."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = Convolutional().features
        self.fc = nn.Linear(64, 2)

    def forward(self, image: Any, scale: Any) -> Any:
        return self.fc(self.inner(image).flatten(1) * scale)


def exported(model: Any, x: tuple[Any, ...], path: Path, dynamic: bool = True) -> Path:
    batch = torch.export.Dim.DYNAMIC
    shapes = tuple({0: batch} for _ in x) if dynamic else None
    torch.export.save(torch.export.export(model, x, dynamic_shapes=shapes), path)
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("programs")


@pytest.fixture(scope="module")
def program(folder: Path) -> tuple[Any, Any, Path]:
    torch.manual_seed(0)
    model = Convolutional().eval()
    model.features[1].running_mean += 0.3
    x = torch.randn(2, 1, 8, 8)
    return model, x.numpy(), exported(model, (x,), folder / "net.pt2")


def agree(original: Any, opened: Any, x: Any, absent: tuple[str, ...] = ()) -> None:
    """Every layer of one is a layer of the other, with the same axes and the same values."""
    expected, found = ls.activations(original, x), ls.activations(opened, x)
    assert [address for address in expected if address not in absent] == list(found)
    for address, array in found.items():
        assert array.dims == expected[address].dims
        np.testing.assert_allclose(array, expected[address], rtol=1e-6, atol=1e-6)
    rows = {layer.address: layer for layer in expected.network}
    for layer in found.network:
        row = rows[layer.address]
        assert (layer.type, layer.parameters) == (row.type, row.parameters)
        assert layer.inputs == row.inputs or absent


def test_a_convolutional_program_shows_what_its_model_shows(program: Any) -> None:
    model, x, path = program
    opened = load_model(path)
    agree(model, opened, x)
    agree(model, opened, np.concatenate([x, x, x]))
    network = ls.describe(opened)
    assert network.layers == ls.activations(opened, x).network.layers  # it is run on zeros
    assert network.name == "Convolutional"
    assert network["features.0"].settings == {
        "kernel": (3, 3), "stride": (1, 1), "padding": (1, 1)
    }  # fmt: skip
    assert network["mix"].settings["groups"] == 2
    assert network["drop"].settings == {"rate": 0.4}
    assert network.total == sum(p.numel() for p in model.parameters())
    origin = network.origin
    assert origin is not None
    version = torch.__version__.partition("+")[0]
    assert str(origin) == f"Opened from {path} (exported program, written by PyTorch {version})"


def test_weights_are_named_and_laid_out_as_in_the_model(program: Any) -> None:
    model, _, path = program
    expected, found = ls.weights(model), ls.weights(load_model(path))
    assert list(found) == list(expected)
    for key, array in found.items():
        assert array.dims == expected[key].dims
        np.testing.assert_array_equal(array, expected[key])


def test_tokens_attention_and_recurrence(folder: Path) -> None:
    torch.manual_seed(0)
    model, tokens = Sequential().eval(), torch.randint(0, 20, (2, 7))
    opened = load_model(exported(model, (tokens,), folder / "tokens.pt2"))
    # States that nobody uses are not in the program.
    agree(model, opened, tokens.numpy(), absent=("lstm[1.0]", "lstm[1.1]"))


def test_a_program_that_takes_a_structure_is_described_by_its_modules(folder: Path) -> None:
    class Keyed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc = nn.Linear(3, 2)

        def forward(self, batch: dict[str, Any]) -> Any:
            return self.fc(batch["a"] + batch["b"])

    model = Keyed()
    x = {"a": torch.ones(2, 3), "b": torch.ones(2, 3)}
    path = exported(model, (x,), folder / "keyed.pt2", False)
    opened = load_model(path)
    assert [layer.address for layer in ls.describe(opened)] == ["fc"]
    with torch.no_grad():
        torch.testing.assert_close(opened(x), model(x))


def test_a_program_that_is_no_module_says_how_to_make_one() -> None:
    program = torch.export.export(nn.Linear(3, 2), (torch.ones(2, 3),))
    with pytest.raises(ModelError, match=r"pass .* torch.export.unflatten\(program\)"):
        ls.describe(program)
    opened = torch.export.unflatten(program)
    assert ls.activations(opened, np.ones((2, 3), np.float32)).network.name == "Linear"


def test_several_inputs(folder: Path) -> None:
    torch.manual_seed(0)
    model = Nested().eval()
    x = (torch.randn(2, 1, 8, 8), torch.randn(2, 1))
    opened = load_model(exported(model, x, folder / "nested.pt2"))
    agree(model, opened, [part.numpy() for part in x])
    with pytest.raises(InputError, match="has 2 inputs, 'image'"):
        ls.activations(opened, x[0].numpy())


def test_a_program_exported_in_training_mode_is_looked_at_in_inference_mode(folder: Path) -> None:
    torch.manual_seed(0)
    model, x = Convolutional().train(), torch.randn(2, 1, 8, 8)
    path = exported(model, (x,), folder / "training.pt2")
    opened = load_model(path)
    agree(model.eval(), opened, x.numpy())
    origin = ls.describe(opened).origin
    assert origin is not None
    assert origin.repairs == (
        "it was exported in training mode: batch_norm, dropout now run in inference mode",
    )


def test_looking_changes_nothing(program: Any) -> None:
    _, x, path = program
    opened = load_model(path)
    before = {key: value.clone() for key, value in opened.state_dict().items()}
    with torch.no_grad():
        expected = opened(torch.from_numpy(x))
    ls.activations(opened, x, layers="mix")
    with torch.no_grad():
        torch.testing.assert_close(opened(torch.from_numpy(x)), expected, rtol=0, atol=0)
    torch.testing.assert_close(dict(opened.state_dict()), before, rtol=0, atol=0)
    assert not any(module._forward_hooks for module in opened.modules())


def test_an_input_of_another_shape_than_it_was_exported_for(folder: Path) -> None:
    path = exported(nn.Sequential(nn.ReLU()), (torch.ones(2, 3),), folder / "static.pt2", False)
    opened = load_model(path)
    assert ls.activations(opened, np.ones((2, 3), np.float32))["0"].shape == (2, 3)
    with pytest.raises(InputError, match=r"was exported for \(2, 3\) and takes no other"):
        ls.activations(opened, np.ones((5, 3), np.float32))


def rewritten(path: Path, folder: Path, change: Callable[[dict[str, bytes]], None]) -> Path:
    """A copy of the program, with its records changed; they are named as in the archive."""
    with zipfile.ZipFile(path) as archive:
        records = {name.partition("/")[2]: archive.read(name) for name in archive.namelist()}
    change(records)
    target = folder / "changed.pt2"
    with zipfile.ZipFile(target, "w") as archive:
        for name, content in records.items():
            archive.writestr(f"changed/{name}", content)
    return target


def edited(path: Path, folder: Path, edit: Callable[[dict[str, Any]], None]) -> Path:
    """A copy with its description changed."""

    def change(records: dict[str, bytes]) -> None:
        described = json.loads(records["models/model.json"])
        edit(described)
        records["models/model.json"] = json.dumps(described).encode()

    return rewritten(path, folder, change)


def test_a_copy_opens(program: Any, tmp_path: Path) -> None:
    model, x, path = program
    agree(model, load_model(edited(path, tmp_path, lambda described: None)), x)


class Tripwire:
    """Unpickling this leaves a mark."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.mark),)


def pickled(mark: Path) -> bytes:
    buffer = io.BytesIO()
    torch.save((Tripwire(mark),), buffer)
    return buffer.getvalue()


def test_what_is_pickled_in_a_program_is_not_run(program: Any, tmp_path: Path) -> None:
    path, mark = program[2], tmp_path / "mark"

    def inputs(records: dict[str, bytes]) -> None:
        records["data/sample_inputs/model.pt"] = pickled(mark)

    def weights(records: dict[str, bytes]) -> None:
        config = json.loads(records["data/weights/model_weights_config.json"])
        next(iter(config["config"].values()))["use_pickle"] = True
        records["data/weights/model_weights_config.json"] = json.dumps(config).encode()
        records["data/weights/weight_0"] = pickled(mark)

    def all_weights(records: dict[str, bytes]) -> None:
        records["data/weights/model.pt"] = pickled(mark)

    def objects(kind: str) -> Callable[[dict[str, bytes]], None]:
        def change(records: dict[str, bytes]) -> None:
            entry = {"path_name": f"{kind}_0", "is_param": False, "use_pickle": True}
            config = {"config": {"thing": {**entry, "tensor_meta": None}}}
            records["data/constants/model_constants_config.json"] = json.dumps(config).encode()
            records[f"data/constants/{kind}_0"] = pickled(mark)

        return change

    changes = (inputs, weights, all_weights, objects("custom_obj"), objects("opaque_obj"))
    for change in changes:
        with pytest.raises(ModelError) as caught:
            load_model(rewritten(path, tmp_path, change))
        assert "\n" not in str(caught.value)
        assert "pass --trust if you made this file yourself" in str(caught.value)
        assert not mark.exists()
    # The same is run for those who trust the file: the trap works.
    load_model(rewritten(path, tmp_path, inputs), trust=True)
    assert mark.exists()


def test_the_format_from_before_2_8_opens_and_runs_nothing(program: Any, tmp_path: Path) -> None:
    from torch._export.serde.schema import SCHEMA_VERSION
    from torch._export.serde.serialize import serialize

    model, x, path = program
    old = serialize(torch.export.load(path))
    mark, target = tmp_path / "mark", tmp_path / "old.pt2"
    for inputs in (old.example_inputs, pickled(mark)):
        with zipfile.ZipFile(target, "w") as archive:
            archive.writestr("version", ".".join(map(str, SCHEMA_VERSION)))
            archive.writestr("serialized_exported_program.json", old.exported_program)
            archive.writestr("serialized_state_dict.pt", old.state_dict)
            archive.writestr("serialized_constants.pt", old.constants)
            archive.writestr("serialized_example_inputs.pt", inputs)
        if inputs is old.example_inputs:
            agree(model, load_model(target), x)
    with pytest.raises(ModelError, match=r"holds a pickle of more than weights.*pass --trust"):
        load_model(target)
    assert not mark.exists()


def nodes(described: dict[str, Any]) -> Any:
    return described["graph_module"]["graph"]["nodes"]


def expression(described: dict[str, Any], text: str) -> None:
    """Put an expression where the sizes of the first value are."""
    values = described["graph_module"]["graph"]["tensor_values"]
    values["x"]["sizes"][0]["as_expr"]["expr_str"] = text


ATTACKS: dict[str, tuple[Callable[[dict[str, Any], str], None], str]] = {
    "expression": (
        lambda d, mark: expression(d, f"__import__('os').mkdir('{mark}')"),
        "an expression that is more than arithmetic",
    ),
    "function": (
        lambda d, mark: nodes(d)[0].update(target="torch.os.mkdir"),
        "a call of what is no operation of a network",
    ),
    "builtin": (
        lambda d, mark: nodes(d)[0].update(target="_operator.methodcaller"),
        "a call of what is no operation of a network",
    ),
    "file": (
        lambda d, mark: nodes(d)[0].update(target="torch.ops.aten.from_file.default"),
        "a call of what is no operation of a network",
    ),
    "name": (
        lambda d, mark: nodes(d)[0].update(name=f"a\n    __import__('os').mkdir('{mark}')"),
        "a name that is none",
    ),
    "structure": (
        lambda d, mark: d["graph_module"]["module_call_graph"][0]["signature"].update(
            in_spec=json.dumps(
                [1, {"type": "collections.defaultdict", "context": "{}", "children_spec": []}]
            )
        ),
        "inputs in a structure of its own",
    ),
    "enumeration": (
        lambda d, mark: d["graph_module"]["module_call_graph"][0]["signature"].update(
            out_spec=json.dumps(
                [
                    1,
                    {
                        "type": "builtins.dict",
                        "context": json.dumps([{"__enum__": True, "fqn": "this:a", "name": "b"}]),
                        "children_spec": [],
                    },
                ]
            )
        ),
        "outputs in a structure of its own",
    ),
    "attribute": (
        lambda d, mark: nodes(d)[0]["metadata"].update(
            nn_module_stack=f'L,,M;L,a"+__import__("os").mkdir("{mark}"),torch.nn.Linear'
        ),
        "a name that is none",
    ),
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_what_a_description_would_run_is_not_run(program: Any, tmp_path: Path, attack: str) -> None:
    mark = tmp_path / "mark"
    edit, what = ATTACKS[attack]
    changed = edited(program[2], tmp_path, lambda described: edit(described, str(mark)))
    with pytest.raises(ModelError, match=f"holds {what}.*pass --trust if you made this file"):
        load_model(changed)
    assert not mark.exists()


def test_guards_are_not_run(program: Any, tmp_path: Path) -> None:
    model, x, path = program
    mark = tmp_path / "mark"
    code = f"__import__('os').mkdir('{mark}')"
    changed = edited(path, tmp_path, lambda described: described.update(guards_code=[code]))
    agree(model, load_model(changed), x)
    assert not mark.exists()


@pytest.mark.parametrize(
    ("text", "passes"),
    [
        ("Symbol('s77', positive=True, integer=True)", True),
        ("Mul(Integer(2), FloorDiv(Add(Symbol('s0'), Integer(-1)), Integer(2)))", True),
        ("s0*2 + 1 // 3", True),
        ("Pow(Symbol('s0'), Integer(-1))", True),
        ("Pow(Integer(9), Integer(999999999))", False),
        ("9**999999999", False),
        ("Symbol('s0').free_symbols", False),
        ("Symbol('__import__')", False),
        ("Lambda(x, x)", False),
        ("sympify('s0')", False),
        ("(lambda: 0)()", False),
        ("[x for x in s0]", False),
        ("Add(*s0)", False),
        ("f'{s0}'", False),
        ("(", False),
        ("1+" * 5000 + "1", False),
    ],
)
def test_which_expressions_pass(text: str, passes: bool) -> None:
    assert (untrusted({"expr_str": text}, {}) is None) == passes


@given(st.text(max_size=40))
def test_no_expression_with_an_attribute_or_a_subscript_passes(text: str) -> None:
    for wrapped in (f"{text}.__class__", f"s0[{text}]", f"__import__({text!r})"):
        assert untrusted({"expr_str": wrapped}, {}) is not None


def test_the_settings_of_the_process_are_as_before(
    program: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "1")
    mark = tmp_path / "mark"

    def inputs(records: dict[str, bytes]) -> None:
        records["data/sample_inputs/model.pt"] = pickled(mark)

    with pytest.raises(ModelError):
        load_model(rewritten(program[2], tmp_path, inputs))
    assert not mark.exists()
    assert os.environ["TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD"] == "1"
    assert "TORCH_FORCE_WEIGHTS_ONLY_LOAD" not in os.environ
    assert not logging.getLogger("torch.export").disabled


def test_a_compiled_package_is_refused(program: Any, tmp_path: Path) -> None:
    def compiled(records: dict[str, bytes]) -> None:
        records["data/aotinductor/model/model.so"] = b"\x7fELF"

    with pytest.raises(ModelError, match="is compiled by AOTInductor, which leaves machine code"):
        load_model(rewritten(program[2], tmp_path, compiled))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda r: r.pop("models/model.json"), "it holds no program"),
        (lambda r: r.update({"models/b.json": b"{}"}), "holds 2 programs"),
        (lambda r: r.update({"models/model.json": b"{"}), "its program is no JSON"),
        (lambda r: r.update({"models/model.json": b"[]"}), "its program is no JSON object"),
        (lambda r: r.update({"models/model.json": b"[" * 100_000}), "its program is no JSON"),
        (lambda r: r.update({"models/model.json": b"{}"}), "can't open"),
        (lambda r: r.pop("data/weights/weight_0"), "can't open"),
        (lambda r: r.update({"data/weights/weight_0": b"123"}), "can't open"),
        (lambda r: r.update({"archive_version": b"9"}), "can't open"),
        (lambda r: r.update({"../../evil": b""}), "outside the folder"),
    ],
    ids=[
        "no program", "two programs", "half a JSON", "a list", "a deep JSON", "an empty JSON",
        "no weight", "a short weight", "a later version", "a way out",
    ],
)  # fmt: skip
def test_a_damaged_program_is_one_sentence(
    program: Any, tmp_path: Path, change: Callable[[dict[str, bytes]], None], message: str
) -> None:
    path = rewritten(program[2], tmp_path, change)
    with pytest.raises(ModelError) as caught:
        load_model(path)
    assert message in str(caught.value)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("part", [b"weights/weight_0", b"sample_inputs/model.pt", b"models/model"])
def test_a_name_or_a_record_that_is_damaged_in_storage(
    program: Any, tmp_path: Path, part: bytes
) -> None:
    path = rewritten(program[2], tmp_path, lambda records: None)
    content = path.read_bytes()
    for at, byte in ((content.index(part) + 200, 0x55), (content.rindex(part), 0x8D)):
        damaged = bytearray(content)
        damaged[at] ^= byte
        path.write_bytes(damaged)
        message = ""
        try:
            load_model(path)
        except ModelError as error:
            message = str(error)
        assert "\n" not in message


@pytest.mark.parametrize("content", [b"", b"hello", b"PK\x03\x04" + bytes(40)])
def test_what_is_no_program(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "m.pt2"
    path.write_bytes(content)
    with pytest.raises(ModelError, match=r"is empty|is no \.pt2 file|truncated or damaged"):
        load_model(path)


@pytest.mark.filterwarnings("ignore")
@settings(max_examples=examples(60), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_damage_is_one_sentence(program: Any, tmp_path: Path, data: st.DataObject) -> None:
    content = bytearray(program[2].read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(content) - 1))
        kind = data.draw(st.sampled_from(["flip", "cut", "insert", "remove"]))
        if kind == "flip":
            content[place] ^= data.draw(st.integers(1, 255))
        elif kind == "cut":
            del content[place + 1 :]
        elif kind == "insert":
            content[place:place] = data.draw(st.binary(min_size=1, max_size=8))
        else:
            del content[place : place + data.draw(st.integers(1, 8))]
        content = content or bytearray(b"x")
    path = tmp_path / "fuzzed.pt2"
    path.write_bytes(content)
    said = ""
    try:
        assert isinstance(load_model(path), nn.Module)
    except LayerscopeError as error:
        said = str(error)
    assert "\n" not in said
