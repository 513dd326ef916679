"""What the pages show, runs; what the shell offers, is described; and the other way round."""

from __future__ import annotations

import argparse
import ast
import dataclasses
import importlib
import importlib.util
import os
import re
import shlex
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import layerscope
from cases.amounts import amount
from layerscope.instruments.features.image.recipes import RECIPES, Recipe
from layerscope.interfaces.cli import command_parser, main

ROOT = Path(__file__).parents[1]
REAL = ROOT.parent / "shared" / "real"
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(ROOT.glob("docs/*.md"))]

_FENCE = re.compile(
    r"^(?:<!-- needs: (?P<needs>[\w, ]+) -->\n)?(?:<!-- file: (?P<file>\S+) -->\n)?"
    r"^```(?P<language>\w+)\n(?P<code>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
_LINK = re.compile(r"\]\((?P<target>[^)\s]+)\)|src=\"(?P<source>[^\"]+)\"")
_OPTION = re.compile(r"(?<![\w-])--[a-z][a-z-]*")


@dataclass(frozen=True)
class Block:
    """A fenced block of code on a page."""

    language: str
    code: str
    line: int  #: of its first line of code, counted from 1
    needs: tuple[str, ...]  #: packages, as they are imported
    file: str | None = None  #: one of the real files, which it opens


def blocks(page: Path, *languages: str) -> list[Block]:
    """The page's blocks in these languages, in order."""
    text = page.read_text(encoding="utf-8")
    return [
        Block(
            match["language"],
            match["code"],
            text.count("\n", 0, match.start("code")) + 1,
            tuple(re.findall(r"\w+", match["needs"] or "")),
            match["file"],
        )
        for match in _FENCE.finditer(text)
        if match["language"] in languages
    ]


def commands(page: Path) -> list[list[str]]:
    """The ``layerscope`` commands that the page's shell blocks show, in order, without the name."""
    found = []
    for block in blocks(page, "sh"):
        for line in block.code.replace("\\\n", " ").splitlines():
            for part in line.split(" && "):
                words = shlex.split(part, comments=True)
                if words[:1] == ["layerscope"]:
                    found.append(words[1:])
    return found


def name(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which someone has run ``layerscope demo``."""
    folder = tmp_path_factory.mktemp("reader")
    before = Path.cwd()
    os.chdir(folder)
    try:
        assert main(["demo", "--epochs", "2"]) == 0
    finally:
        os.chdir(before)
    return folder


@pytest.fixture
def few_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Images take few steps in the gate; what they show after all is for ``test_proofs.py``."""
    most = amount(20, full=1_000)
    for key, recipe in RECIPES.items():
        made = dataclasses.replace(recipe, steps=min(most, recipe.steps))
        monkeypatch.setitem(RECIPES, key, made)
    features = layerscope.features

    def of_few_steps(*arguments: Any, steps: int | None = None, **options: Any) -> Any:
        return features(*arguments, steps=steps and min(most, steps), **options)

    monkeypatch.setattr(layerscope, "features", of_few_steps)


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_python_block_runs(
    page: Path, few_steps: None, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In order, each going on where the one before it ended."""
    shown = blocks(page, "python")
    missing = {need for b in shown for need in b.needs if importlib.util.find_spec(need) is None}
    if missing and not os.environ.get("CI"):
        pytest.skip(f"{name(page)} needs {', '.join(sorted(missing))}")
    uses_demo = any("layerscope-demo" in block.code for block in shown)
    monkeypatch.chdir(request.getfixturevalue("demo" if uses_demo else "tmp_path"))
    if "keras" in sys.modules:
        sys.modules["keras"].utils.clear_session()  # a reader's first Conv2D is called conv2d
    namespace: dict[str, Any] = {"__name__": "__main__"}
    for block in shown:
        if block.file is not None and (REAL.is_dir() or os.environ.get("CI")):
            (path,) = REAL.rglob(block.file)
            shutil.copy(path, block.file)
        elif block.file is not None:
            continue
        # Padded, so that a traceback shows the line of the page.
        source = "\n" * (block.line - 1) + block.code
        exec(compile(source, page, "exec", dont_inherit=True), namespace)


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_shell_block_is_understood(page: Path) -> None:
    for command in commands(page):
        try:
            command_parser().parse_args(command)
        except SystemExit as stopped:  # --help and --version stop with 0
            if stopped.code != 0:
                pytest.fail(f"layerscope {shlex.join(command)}")


@pytest.mark.slow
def test_what_the_readme_shows_of_the_shell_runs(
    demo: Path, few_steps: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(demo)
    # A page is served until somebody ends it; tests/interfaces/cli/test_open.py does.
    left_out = (["demo"], ["open"])
    ran = [command for command in commands(ROOT / "README.md") if command[:1] not in left_out]
    assert ran
    for command in ran:
        assert main(command) == 0, shlex.join(command)


def test_every_block_names_its_language() -> None:
    for page in PAGES:
        fences = re.findall(r"^```(\w*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
        assert len(fences) % 2 == 0, f"{name(page)}: a block is not closed"
        assert all(fences[::2]), f"{name(page)}: a block without a language"
        assert set(fences[::2]) <= {"python", "sh", "text", "toml"}, name(page)


def test_every_link_leads_somewhere() -> None:
    for page in PAGES:
        for match in _LINK.finditer(page.read_text(encoding="utf-8")):
            target = (match["target"] or match["source"]).partition("#")[0]
            if target and "://" not in target:
                assert (page.parent / target).exists(), f"{name(page)}: {target}"


def test_what_benchmarks_and_makers_of_pictures_import_is_there() -> None:
    """They run when somebody asks for them, and would be found broken only then."""
    for path in (*ROOT.glob("benchmarks/*.py"), *ROOT.glob("docs/*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and str(node.module).startswith("layerscope"):
                module = importlib.import_module(str(node.module))
                for alias in node.names:
                    if not hasattr(module, alias.name):
                        importlib.import_module(f"{node.module}.{alias.name}")


def test_every_picture_is_shown() -> None:
    shown = "".join(page.read_text(encoding="utf-8") for page in PAGES)
    pictures = [path for path in ROOT.glob("docs/images/**/*") if path.is_file()]
    assert pictures
    for picture in pictures:
        address = picture.relative_to(ROOT / "docs").as_posix()
        assert f"{address})" in shown, address


def test_the_values_of_every_recipe_are_those_described() -> None:
    page = (ROOT / "docs/features.md").read_text(encoding="utf-8")
    unwritten = {"name", "meant_for", "given"}
    for field in {field.name for field in dataclasses.fields(Recipe)} - unwritten:
        row = re.search(rf"^\| `{field}` \|.*$", page, re.MULTILINE)
        assert row is not None, field
        told = [cell.strip() for cell in row[0].strip("|").split("|")[-len(RECIPES) :]]
        values = [f"`{getattr(made, field)!r}`".replace("'", '"') for made in RECIPES.values()]
        assert told == values, field


def offered() -> dict[str, argparse.ArgumentParser]:
    """Each command, and its parser."""
    actions = command_parser()._actions
    kind = argparse._SubParsersAction
    (commands,) = (action.choices for action in actions if isinstance(action, kind))
    return dict(commands)


def described() -> dict[str, str]:
    """Each command's section of the page on the shell."""
    text = (ROOT / "docs/cli.md").read_text(encoding="utf-8")
    parts = re.split(r"^## `layerscope (\w+)[^`\n]*`$", text, flags=re.MULTILINE)
    return {
        command: re.split(r"^## ", section, flags=re.MULTILINE)[0]
        for command, section in zip(parts[1::2], parts[2::2], strict=True)
    }


def test_every_command_is_described_and_none_that_is_not_there() -> None:
    assert list(described()) == list(offered())


for_every_command = pytest.mark.parametrize(
    ("command", "arguments"), [pytest.param(*pair, id=pair[0]) for pair in offered().items()]
)


def options(command: argparse.ArgumentParser) -> set[str]:
    """The long names; what has a short one, too, has a row of its own all the same."""
    named = {option for action in command._actions for option in action.option_strings}
    return {option for option in named if option.startswith("--")} - {"--help"}


@for_every_command
def test_every_option_is_described_and_none_that_is_not_there(
    command: str, arguments: argparse.ArgumentParser
) -> None:
    section = described()[command]
    rows = set(re.findall(r"^\| `(--[a-z-]+)", section, re.MULTILINE))
    assert rows == options(arguments)
    assert set(_OPTION.findall(section)) <= options(arguments)


@for_every_command
def test_every_choice_is_described(command: str, arguments: argparse.ArgumentParser) -> None:
    section = described()[command]
    for action in arguments._actions:
        for choice in action.choices or ():
            assert f"`{choice}`" in section, f"{action.option_strings}: {choice}"


@for_every_command
def test_every_default_is_the_one_described(
    command: str, arguments: argparse.ArgumentParser
) -> None:
    for option in options(arguments):
        default = arguments.get_default(option.removeprefix("--").replace("-", "_"))
        if not isinstance(default, str | tuple):
            continue
        text = default if isinstance(default, str) else ",".join(f"{v:g}" for v in default)
        row = re.search(rf"^\| `{option}\b.*$", described()[command], re.MULTILINE)
        assert row is not None
        said = rf"`{text}`[^;`]* ?\(default\)|Default: `{text}`"
        assert re.search(said, row[0]), f"{option}: {text}"


def test_every_option_named_anywhere_is_one() -> None:
    text = (ROOT / "docs/cli.md").read_text(encoding="utf-8")
    known = set().union(*map(options, offered().values()))
    assert set(_OPTION.findall(text)) <= known | {"--help", "--version"}
