"""Nobody but a backend decides by the spelling of a framework's types."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import layerscope
from layerscope.core.layer_kinds import (
    ACTIVATIONS,
    GATED,
    HANDING_ON,
    IN_PLACE,
    KINDS,
    MATHEMATICS,
    NOT_RECTIFYING,
    RECTIFYING,
    WEIGHING,
    activation_name,
    known_activation,
)

SOURCE = Path(layerscope.__file__).parent
BY_NAME = "core/type_names.py"
#: Who may ask what a type's name tells, besides the backends.
READERS = ("recordings/store/kept.py",)
_SENTENCES = (ast.Expr, ast.JoinedStr)


def elsewhere() -> Iterator[Path]:
    """The source outside the backends, and what is for their tests."""
    for path in sorted(SOURCE.rglob("*.py")):
        if path.relative_to(SOURCE).parts[0] not in ("backends", "testing"):
            yield path


def type_names() -> set[str]:
    """The names of types that the backends' tables have, as frameworks spell them."""
    found: set[str] = set()
    for path in (SOURCE / "backends").rglob("kinds.py"):
        text = path.read_text()
        found |= set(re.findall(r"\b(?:nn|L|preprocessing)\.([A-Z]\w+)", text))
        for name in re.findall(r'"([A-Z][\w*]+)"', text):
            found |= {name.replace("*", size) for size in ("1D", "2D", "3D")}
    return found


def literals(tree: ast.AST) -> Iterator[ast.Constant]:
    """The texts in a module that are no docstrings, nor parts of sentences."""
    for node in ast.walk(tree):
        for field in ast.iter_child_nodes(node):
            is_text = isinstance(field, ast.Constant) and isinstance(field.value, str)
            if is_text and " " not in field.value and not isinstance(node, _SENTENCES):
                yield field


def spelled(text: str, names: set[str]) -> list[str]:
    """The names of types in the texts of a module."""
    return [
        f"line {one.lineno}: {word!r}"
        for one in literals(ast.parse(text))
        for word in re.findall(r"\w+", one.value)
        if word in names
    ]


def decisions(text: str) -> list[str]:
    """Where a module compares ``layer.type``, searches in it or looks it up."""
    found = []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Compare):
            sides = [node.left, *node.comparators]
            decides = any(map(_is_type, sides)) and not all(map(_is_type, sides))
        elif isinstance(node, ast.Attribute):
            decides = _is_type(node.value)  # .lower(), .startswith()
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            looks = node.func.attr in ("fullmatch", "match", "search", "get")
            decides = looks and any(map(_is_type, node.args))
        elif isinstance(node, ast.Subscript):
            decides = _is_type(node.slice)
        else:
            continue
        if decides:
            found.append(f"line {node.lineno}: {ast.unparse(node)}")
    return found


def _is_type(node: ast.AST) -> bool:
    """Whether it is ``layer.type``; ``array.dtype.type`` is another thing."""
    return (
        isinstance(node, ast.Attribute)
        and node.attr == "type"
        and not (isinstance(node.value, ast.Attribute) and node.value.attr == "dtype")
    )


def test_the_tables_have_the_names_that_frameworks_have() -> None:
    assert {"Conv2D", "MaxPooling1D", "LeakyReLU", "MultiheadAttention", "Flatten", "LRN",
            "StandardScaler"} <= type_names()  # fmt: skip


def test_no_type_is_spelled_outside_the_backends() -> None:
    names = type_names()
    found = {
        str(path.relative_to(SOURCE)): lines
        for path in elsewhere()
        if (lines := spelled(path.read_text(), names)) and path != SOURCE / BY_NAME
    }
    assert not found, "a backend says Layer.kind and Layer.activation: ask for these"


def test_nothing_is_decided_by_a_type_outside_the_backends() -> None:
    found = {
        str(path.relative_to(SOURCE)): lines
        for path in elsewhere()
        if (lines := decisions(path.read_text()))
    }
    assert not found, "a backend says Layer.kind and Layer.activation: ask for these"


def test_what_a_name_tells_is_for_backends_and_old_recordings() -> None:
    asks = [
        str(path.relative_to(SOURCE).as_posix())
        for path in elsewhere()
        if re.search(r"^from .*\btype_names import|^import .*\btype_names", path.read_text(), re.M)
    ]
    assert asks == list(READERS)


@pytest.mark.parametrize(
    "text",
    [
        'if layer.type == "Conv2D": pass',
        '_KEEPS = ("Dropout", "dense")',
        'PATTERN = r"(Max|Average)Pool|BatchNorm2d"',
        'TABLE = {"ReLU": "relu"}',
    ],
)
def test_the_gate_sees_a_type_that_is_spelled(text: str) -> None:
    assert spelled(text, type_names())


@pytest.mark.parametrize(
    "text",
    ['if layer.type.lower() in _KEEPS: pass', "found = _PATTERN.fullmatch(row.type)",
     '"conv" in row.type', "_TABLE[row.type]", "_TABLE.get(row.type)"],
)  # fmt: skip
def test_the_gate_sees_a_type_that_decides(text: str) -> None:
    assert decisions(text)


@pytest.mark.parametrize(
    "text",
    ['"""A Conv2D, as Keras has it."""', 'raise E(f"the ReLU {name} and a Dense layer")',
     'say("pass a Dense layer")', 'kind == "conv"', "first.type == second.type",
     "row = [layer.address, layer.type]", "array.dtype.type(3)"],
)  # fmt: skip
def test_the_gate_does_not_cry_wolf(text: str) -> None:
    assert not spelled(text, type_names())
    assert not decisions(text)


def test_the_sets_are_of_known_words() -> None:
    assert (HANDING_ON | WEIGHING | IN_PLACE) <= KINDS
    assert not HANDING_ON & WEIGHING
    assert not RECTIFYING & NOT_RECTIFYING
    assert (GATED | MATHEMATICS) <= ACTIVATIONS
    assert all(known_activation(name) == name for name in ACTIVATIONS)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("LeakyReLU", "leaky_relu"), ("leaky_relu_", "leaky_relu"), ("Swish", "silu"),
        ("hardswish", "hard_silu"), ("logistic", "sigmoid"), ("linear", None), ("identity", None),
        ("gelu_pytorch_tanh", "gelu"), ("My_Own", "my_own"),
    ],
)  # fmt: skip
def test_functions_have_one_name_each(name: str, expected: str | None) -> None:
    assert activation_name(name) == expected
