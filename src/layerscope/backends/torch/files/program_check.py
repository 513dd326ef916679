"""Whether an exported program could run code: what PyTorch would evaluate, looked at before.

``torch.export.load`` evaluates strings (SymPy), imports modules (structures of inputs), unpickles
(objects), and writes Python code with names from the file in it, which it then runs. A file passes
when each such place holds what ``torch.export.save`` writes for an ordinary network, and no more.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from typing import Any

_TARGET = re.compile(
    r"torch\.ops\.(aten|quantized_decomposed|torchvision)\.\w+(\.\w+)?"
    r"|torch\.ops\.higher_order\.(cond|while_loop|scan|map_impl|invoke_subgraph|hints_wrapper|"
    r"wrap_with_set_grad_enabled|wrap_with_autocast)"
    r"|torch\._C\._set_grad_enabled"
    r"|torch\.sym_(max|min|int|float|not|ite|sum|sqrt)"
    r"|math\.(ceil|floor|trunc|sqrt)"
    r"|_operator\.(add|sub|mul|floordiv|truediv|mod|pow|neg|pos|abs|eq|ne|lt|le|gt|ge|and_|or_|"
    r"getitem)"
)
#: Operations that reach outside the network.
_OUTSIDE = re.compile(r"torch\.ops\.aten\.(from_file|\w*storage\w*)(\.\w+)?")
_NAME = re.compile(r"[\w.@-]*")
#: Where a module was called: it becomes the name of an attribute, in quotes, in Python code.
_STACK = re.compile(r"[^\"\\\n\r{}]*")
_TREES = frozenset({
    None, "builtins.tuple", "builtins.list", "builtins.dict", "collections.OrderedDict",
    "torch.fx.immutable_collections.immutable_list",
    "torch.fx.immutable_collections.immutable_dict",
})  # fmt: skip
#: Expressions are written as SymPy's ``srepr`` writes them: ``Mul(Integer(2), Symbol('s77'))``.
_FUNCTIONS = frozenset({
    "Symbol", "Integer", "Float", "Rational", "Add", "Mul", "Pow", "Max", "Min", "Abs", "floor",
    "ceiling", "Equality", "Unequality", "StrictLessThan", "LessThan", "StrictGreaterThan",
    "GreaterThan", "Eq", "Ne", "Lt", "Le", "Gt", "Ge", "And", "Or", "Not",
    "FloorDiv", "ModularIndexing", "Where", "PythonMod", "Mod", "CleanDiv", "CeilToInt",
    "FloorToInt", "CeilDiv", "FloatTrueDiv", "IntTrueDiv", "TruncToFloat", "TruncToInt",
    "RoundToInt", "ToFloat", "Identity",
})  # fmt: skip
_SYNTAX = (
    ast.BinOp, ast.UnaryOp, ast.BoolOp, ast.Compare, ast.Call, ast.Name, ast.Load, ast.Constant,
    ast.operator, ast.unaryop, ast.boolop, ast.cmpop, ast.keyword,
)  # fmt: skip
_SYMBOL = re.compile(r"[a-z]+\d+|int_oo|oo|true|false")
_TEXT = re.compile(r"[a-z]+\d+|-?\d+(\.\d*)?(e[+-]?\d+)?")
_LONGEST = 4096  #: expression, in characters


def untrusted(described: dict[str, Any], records: dict[str, bytes]) -> str | None:
    """Return what in the program could run code, in words; None when there is nothing."""
    for name, content in records.items():
        parts = name.split("/")
        if parts[:2] == ["data", "aotinductor"]:
            return "compiled machine code"
        if parts[-1].startswith(("custom_obj", "opaque_obj")):
            return f"a pickled object ({name})"
        if parts[-1].endswith("_config.json") and not _is_config_of_arrays(content):
            return f"objects that are no arrays ({name})"
    # `guards_code` is Python, but only runs where a program is called without being taken apart.
    return next(_findings(described), None)


def _is_config_of_arrays(content: bytes) -> bool:
    try:
        entries = json.loads(content.decode())["config"].values()
        return all(
            not entry["path_name"].startswith(("custom_obj", "opaque_obj")) for entry in entries
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return False


def _findings(value: Any, key: str = "") -> Iterator[str]:
    """Walk the whole description; what is said for each place that does not pass."""
    if isinstance(value, dict):
        for name, inner in value.items():
            if key in ("tensor_values", "sym_int_values", "sym_bool_values", "sym_float_values"):
                yield from _findings(name, "name")
            yield from _findings(inner, name)
    elif isinstance(value, list):
        for inner in value:
            yield from _findings(inner, key)
    elif isinstance(value, str):
        passes = _CHECKS.get(key, _is_name if key.endswith("name") else None)
        if passes is not None and not passes(value):
            what = _WORDS.get(key, "a name that is none")
            yield f"{what} ({value[:60]!r})"


def _is_name(text: str) -> bool:
    return _NAME.fullmatch(text) is not None


def _is_operation(text: str) -> bool:
    return _TARGET.fullmatch(text) is not None and _OUTSIDE.fullmatch(text) is None


def _is_arithmetic(text: str) -> bool:
    """Return whether an expression computes with symbols and numbers, and does nothing else."""
    if len(text) > _LONGEST:
        return False
    try:
        nodes = list(ast.walk(ast.parse(text.strip(), mode="eval").body))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    called = {id(node.func) for node in nodes if isinstance(node, ast.Call)}
    return all(_is_harmless(node, id(node) in called) for node in nodes)


def _is_harmless(node: ast.AST, is_called: bool) -> bool:
    if isinstance(node, ast.Name):
        return node.id in _FUNCTIONS if is_called else _SYMBOL.fullmatch(node.id) is not None
    if isinstance(node, ast.Call):
        named = node.func.id if isinstance(node.func, ast.Name) else None
        return named is not None and (named != "Pow" or _is_small(node.args[1:]))
    if isinstance(node, ast.Constant):
        is_text = isinstance(node.value, str) and _TEXT.fullmatch(node.value) is not None
        return is_text or isinstance(node.value, int | float)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Pow | ast.LShift):
        return _is_small([node.right])
    return isinstance(node, _SYNTAX)


def _is_small(exponents: list[ast.expr]) -> bool:
    """Return whether it is one exponent, of a power computed in no time: ``Integer(-1)``."""
    texts = [ast.unparse(exponent) for exponent in exponents]
    return len(texts) == 1 and re.fullmatch(r"(Integer\()?-?\d\)?", texts[0]) is not None


def _is_tree(text: str) -> bool:
    """Return whether a structure of inputs or outputs is of tuples, lists and dicts."""
    try:
        _, tree = json.loads(text)
        pending = [tree]
        while pending:
            node = pending.pop()
            if node["type"] not in _TREES or "__enum__" in str(node["context"]):
                return False
            pending += node["children_spec"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return False
    return True


_CHECKS = {
    "target": _is_operation,
    "as_operator": _is_operation,
    "expr_str": _is_arithmetic,
    "in_spec": _is_tree,
    "out_spec": _is_tree,
    "nn_module_stack": lambda text: _STACK.fullmatch(text) is not None,
    "fqn": _is_name,
    "forward_arg_names": _is_name,
}
_WORDS = {
    "target": "a call of what is no operation of a network",
    "as_operator": "a call of what is no operation of a network",
    "expr_str": "an expression that is more than arithmetic",
    "in_spec": "inputs in a structure of its own",
    "out_spec": "outputs in a structure of its own",
    "nn_module_stack": "a name that is none",
}
