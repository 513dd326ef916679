"""Nothing reaches a terminal but through one module."""

from __future__ import annotations

import ast
import io
import sys
from pathlib import Path

import pytest

import layerscope
from layerscope.core import console

SOURCE = Path(layerscope.__file__).parent
#: The console itself, a process of ours whose output another process of ours reads, and what passes
#: on the words of frameworks.
PRINTING = {
    "core/console.py", "backends/keras/files/hdf5_child.py", "interfaces/cli/chatter.py",
}  # fmt: skip
#: What may be asked of a stream; all else writes to it.
ASKED = {"isatty", "flush", "fileno"}
#: Other ways of words to a terminal.
TOLD = {
    ("warnings", "warn"),
    *(("logging", way) for way in ("debug", "info", "warning", "error", "exception", "critical")),
}


def _printing(tree: ast.AST) -> list[str]:
    """Where a module prints: by ``print``, to a stream of ``sys``, by warnings or by a log."""
    streams: dict[int, ast.expr] = {}
    asked = set()
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            stream = node.value.id == "sys" and node.attr.strip("_") in ("stdout", "stderr")
            if stream:
                streams[id(node)] = node
            if (node.value.id, node.attr) in TOLD:
                found.append(f"{node.lineno}: {node.value.id}.{node.attr}")
        if isinstance(node, ast.Attribute) and node.attr in ASKED:
            asked.add(id(node.value))
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Name)
            and node.func.id == "print"
        ):
            found.append(f"{node.lineno}: print")
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [alias.name for alias in node.names]
            if getattr(node, "module", "") == "sys" and {*names} & {"stdout", "stderr"}:
                found.append(f"{node.lineno}: from sys import")
    found += [f"{own.lineno}: sys.stream" for key, own in streams.items() if key not in asked]
    return found


@pytest.mark.parametrize(
    "code",
    [
        "print(name)",
        "import sys\nsys.stderr.write(name)",
        "import sys\nsys.stdout.writelines(names)",
        "import sys\nwrite(file=sys.stderr)",
        "import sys\nsys.__stdout__.write(name)",
        "import warnings\nwarnings.warn(name)",
        "import logging\nlogging.warning(name)",
        "from sys import stderr",
    ],
)
def test_every_way_to_print_is_noticed(code: str) -> None:
    assert _printing(ast.parse(code))


@pytest.mark.slow
def test_nothing_else_prints() -> None:
    assert not _printing(ast.parse("import sys\nsys.stderr.isatty()\nsys.stdout.flush()"))
    printing = {
        path.relative_to(SOURCE).as_posix(): found
        for path in sorted(SOURCE.rglob("*.py"))
        if path.relative_to(SOURCE).as_posix() not in PRINTING
        and (found := _printing(ast.parse(path.read_text(encoding="utf-8"))))
    }
    assert printing == {}


def test_a_line_is_one_line_and_harmless(capsys: pytest.CaptureFixture[str]) -> None:
    console.say("layer\x1b[2J", "a\nlayerscope: all is well", "")
    console.report("wrong:\x1b]0;x\x07 line\nlayerscope: all is well")
    out, err = capsys.readouterr()
    assert out == "layer\\x1b[2J\na\\nlayerscope: all is well\n\n"
    assert err == "wrong:\\x1b]0;x\\x07 line layerscope: all is well\n"


@pytest.mark.parametrize("encoding", ["ascii", "cp1252"])
def test_a_terminal_of_few_letters_gets_escapes(
    encoding: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(file, encoding))
    console.say("卷积 \ud800")
    sys.stdout.flush()
    assert file.getvalue().decode(encoding).splitlines() == [r"\u5377\u79ef \ud800"]


def test_a_terminal_of_few_letters_gets_plainer_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    for encoding, line in (("ascii", "--- 3x3 ... x"), ("cp1252", "--- 3×3 … ×")):
        file = io.BytesIO()
        monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(file, encoding))
        console.say("─── 3×3 … ×")
        sys.stdout.flush()
        assert file.getvalue().decode(encoding) == f"{line}\n"


@pytest.mark.parametrize(("columns", "room"), [("60", 60), ("", None), ("0", None), ("x", None)])
def test_the_room_of_a_terminal(
    columns: str, room: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    monkeypatch.setattr(sys, "stdout", io.StringIO())  # a pipe or a file
    assert console.room() == room
