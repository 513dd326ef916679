"""Names and docstrings: one meaning for each name of a class, plain words, a verb first."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src" / "layerscope"
FILES = sorted(SOURCE.rglob("*.py"))

#: Names that say how a value came to be, not what it is.
VAGUE = {"found", "going_on", "lent", "own", "said", "told"}

#: What the docstring of a function may begin with. One that is missing is added here.
VERBS = {
    "Add", "Advance", "Append", "Apply", "Ask", "Attach", "Become", "Begin", "Bind", "Bring",
    "Build", "Call", "Catch", "Check", "Choose", "Claim", "Clear", "Climb", "Close", "Collect",
    "Compare", "Compile", "Compute", "Continue", "Convert", "Convolve", "Copy", "Correct",
    "Count", "Create", "Cut", "Decide", "Describe", "Detach", "Differentiate", "Do", "Draw",
    "Drop", "Encode", "End", "Enlarge", "Enter", "Erase", "Evaluate", "Explain", "Export",
    "Fail", "Fill", "Find", "Finish", "Fit", "Fold", "Follow", "Forget", "Gather", "Give", "Go",
    "Group", "Guess", "Hand", "Have", "Hide", "Hold", "Import", "Insert", "Join", "Keep", "Lay",
    "Leave", "Let", "List", "Load", "Look", "Make", "Map", "Mark", "Measure", "Merge", "Move",
    "Name", "Normalize", "Note", "Open", "Order", "Pack", "Pad", "Parse", "Pick", "Place",
    "Prepare", "Print", "Put", "Raise", "Read", "Receive", "Record", "Reduce", "Refuse",
    "Register", "Release", "Remember", "Remove", "Rename", "Render", "Repair", "Replace",
    "Report", "Resample", "Reset", "Resolve", "Restore", "Return", "Run", "Save", "Say", "Serve",
    "Scale", "Search", "See", "Send", "Set", "Settle", "Share", "Show", "Skip", "Sort", "Spend",
    "Split", "Stack", "Start", "Step", "Stop", "Store", "Switch", "Take", "Tell", "Test",
    "Trace", "Track", "Train", "Translate", "Try", "Turn", "Undo", "Unpack", "Update", "Use",
    "Wait", "Walk", "Warn", "Watch", "Wrap", "Write", "Yield",
}  # fmt: skip


def place(path: Path, line: int) -> str:
    return f"{path.relative_to(SOURCE.parent).as_posix()}:{line}"


def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def bound_names(tree: ast.Module) -> Iterator[tuple[str, int]]:
    """Each name that a file gives to a value, and its line."""
    for node in ast.walk(tree):
        match node:
            case ast.Name(id=name, ctx=ast.Store()) | ast.Attribute(attr=name, ctx=ast.Store()):
                yield name, node.lineno
            case ast.arg(arg=name):
                yield name, node.lineno
            case ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)):
                yield name, node.lineno


def first_words(tree: ast.Module) -> Iterator[tuple[str, int]]:
    """The first word of the docstring of each function that has one, and its line.

    What reads as an attribute, a property, may be described as a thing.
    """
    for node in ast.walk(tree):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        decorators = [ast.unparse(decorator) for decorator in node.decorator_list]
        if any(text.endswith(("property", ".setter")) for text in decorators):
            continue
        text = ast.get_docstring(node)
        if text:
            yield text.split()[0].rstrip(",:;."), node.lineno


def test_a_name_of_a_class_has_one_meaning() -> None:
    places = defaultdict(list)
    for path in FILES:
        for node in ast.walk(parsed(path)):
            if isinstance(node, ast.ClassDef):
                places[node.name].append(place(path, node.lineno))
    assert {name: where for name, where in places.items() if len(where) > 1} == {}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(SOURCE).as_posix())
def test_names_are_plain_and_docstrings_begin_with_a_verb(path: Path) -> None:
    tree = parsed(path)
    vague = [f"{place(path, line)} {name}" for name, line in bound_names(tree) if name in VAGUE]
    assert vague == []
    nouns = [f"{place(path, line)} {word}" for word, line in first_words(tree) if word not in VERBS]
    assert nouns == []


@pytest.mark.parametrize(
    ("source", "words", "names"),
    [
        ('def f(a):\n    """Return a."""\n    b = a', ["Return"], ["a", "b"]),
        (
            'class C:\n    """A thing."""\n    def f(self):\n        """The sum."""',
            ["The"],
            ["self"],
        ),
        ('class C:\n    @property\n    def f(self):\n        """The sum."""', [], ["self"]),
        ('async def f():\n    """Whether it is."""', ["Whether"], []),
        ("for a, b in c:\n    d.e = a\n[f for f in b]", [], ["a", "b", "e", "f"]),
        ("match a:\n    case [b, *c]:\n        pass", [], ["b", "c"]),
        ("with a as b, c() as d:\n    (e := b)", [], ["b", "d", "e"]),
    ],
)
def test_the_rules_see_what_they_are_about(source: str, words: list[str], names: list[str]) -> None:
    tree = ast.parse(source)
    assert [word for word, _ in first_words(tree)] == words
    assert sorted(name for name, _ in bound_names(tree)) == names
