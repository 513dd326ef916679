"""The page's files, and its modules joined to one script."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from layerscope.interfaces.page import assets
from layerscope.interfaces.page.document import page_script

WEB = Path(assets.__file__).parents[1] / "web"
MODULES = [name for name in assets.names() if name.endswith(".js")]


def test_all_files_of_the_page_are_there_and_no_others():
    endings = {".js", ".css", ".svg"}
    files = {p.relative_to(WEB).as_posix() for p in WEB.rglob("*") if p.suffix in endings}
    assert set(assets.names()) == files
    assert {"main.js", "style.css", "panels/stack.js"} <= files


@pytest.mark.parametrize(
    "name",
    ["", ".", "..", "../page/assets.py", "/etc/passwd", "main.js/", "./main.js", "panels", "x.js",
     "panels/../main.js", "types.d.ts", "main.js\0"],
)  # fmt: skip
def test_another_file_is_not_read(name):
    with pytest.raises(KeyError):
        assets.text(name)


def test_the_joined_script_has_each_module_once_after_those_that_it_needs():
    script = assets.joined("start_server.js", ("panels/stack.js", "panels/graph.js"))
    joined = re.findall(r'^modules\["([^"]+)"\] = ', script, re.MULTILINE)
    assert len(joined) == len(set(joined))
    assert joined[-1] == "start_server.js"
    assert {"main.js", "panels/stack.js", "stack.js", "dom.js"} <= set(joined)
    for name in joined:
        for wanted in re.findall(r'^import .* from "([^"]+)";', assets.text(name), re.MULTILINE):
            needed = (WEB / name).parent.joinpath(wanted).resolve().relative_to(WEB).as_posix()
            assert joined.index(needed) < joined.index(name), (needed, name)


def test_nothing_of_modules_is_left_in_the_joined_script():
    script = assets.joined("start_server.js", tuple(n for n in MODULES if n.startswith("panels/")))
    assert not re.search(r"^(import|export)\b", script, re.MULTILINE)


@pytest.mark.parametrize("name", MODULES)
def test_every_module_can_be_joined(name):
    # Imports and exports have one form, there is no circle, and what is imported is exported.
    text = assets.text(name)
    for line in text.splitlines():
        if line.startswith("import"):
            assert re.fullmatch(r'import \{ [\w, ]+ \} from "\.\.?/[\w/.]+\.js";', line), line
        if line.startswith("export"):
            assert re.match(r"export (async function|function|class|const) \w+", line), line
    assets.joined(name)
    for names, path in re.findall(r'^import \{ ([\w, ]+) \} from "([^"]+)";', text, re.MULTILINE):
        other = (WEB / name).parent.joinpath(path).resolve().relative_to(WEB).as_posix()
        exported = re.findall(
            r"^export (?:async function|function|class|const) (\w+)",
            assets.text(other),
            re.MULTILINE,
        )
        assert set(names.split(", ")) <= set(exported), (name, path)


def test_modules_that_need_one_another_are_told(monkeypatch):
    texts = {"a.js": 'import { b } from "./b.js";\n', "b.js": 'import { a } from "./a.js";\n'}
    monkeypatch.setattr(assets, "text", texts.__getitem__)
    with pytest.raises(ValueError, match=r"a\.js → b\.js → a\.js"):
        assets.joined("a.js")


def test_the_page_asks_for_nothing_outside():
    for name in assets.names():
        addresses = re.findall(r"(?:https?:)?//[\w.-]+\.\w+", assets.text(name))
        assert set(addresses) <= {"http://www.w3.org"}, name


def without_comments(code):
    """The lines of a module, but for comments on lines of their own, told line by line."""
    kept, inside = [], False
    for line in code.split("\n"):
        words = line.strip()
        begins = words.startswith("/**") and ("*/" not in words or words.endswith("*/"))
        if not inside and not begins and not words.startswith("//"):
            kept.append(line)
        inside = (inside or begins) and "*/" not in words
    return kept


@pytest.mark.parametrize("start", ["start_server.js", "start_file.js", "start_panel.js"])
def test_the_joined_script_has_all_but_comments(start):
    lines = assets.joined(start).split("\n")
    for name in assets.imported(start):
        code = [line for line in without_comments(assets.text(name)) if "import {" not in line]
        for line in code:
            written = re.sub(r"^export ", "", line)
            assert written in lines, (name, line)
    assert not any(line.strip().startswith("//") for line in lines)


def test_a_single_panel_brings_its_own_module_alone():
    script = page_script("start_panel.js", ["maps"])
    modules = re.findall(r'^modules\["panels/(\w+)\.js"\]', script, re.MULTILINE)
    assert modules == ["maps"]
