"""The files of the page: its modules and styles, and for one file its modules joined."""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable

MEDIA_TYPES = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}

_IMPORT = re.compile(r'^import \{([^}]*)\} from "([^"]+)";\n', re.MULTILINE)
#: Comments on lines of their own; code never begins a line so within a text.
_COMMENT = re.compile(r"^[ \t]*(?:/\*\*(?:[^*]|\*(?!/))*\*/|//[^\n]*)[ \t]*\n", re.MULTILINE)
_EXPORT = re.compile(r"^export (async function|function|class|const) (\w+)", re.MULTILINE)


def _web() -> Traversable:
    return files("layerscope.interfaces").joinpath("web")


@cache
def names() -> tuple[str, ...]:
    """Return the paths of all files of the page, relative to its folder."""
    return tuple(sorted(_names(_web(), "")))


def _names(folder: Traversable, before: str) -> list[str]:
    result = []
    for entry in folder.iterdir():
        if entry.is_dir():
            result += _names(entry, f"{before}{entry.name}/")
        elif any(entry.name.endswith(ending) for ending in MEDIA_TYPES):
            result.append(before + entry.name)
    return result


def text(name: str) -> str:
    """Return a file of the page; KeyError for any other."""
    if name not in names():
        raise KeyError(name)
    return _web().joinpath(*name.split("/")).read_text(encoding="utf-8")


def joined(start: str, further: tuple[str, ...] = ()) -> str:
    """Return one script that does what the module ``start`` does, with all that it imports.

    Each module becomes a function of its own that returns what it exports; ``further`` modules,
    which are looked up by name, are joined too. Comments are left out. Modules import by
    ``import { a, b } from "./x.js";``, export functions, classes and constants where they are
    declared, and never import in a circle.
    """
    parts = ['"use strict";', "const modules = {};"]
    parts += [_wrapped(name) for name in imported(start, further)]
    return "\n".join(parts)


@cache
def imported(start: str, further: tuple[str, ...] = ()) -> tuple[str, ...]:
    """Return all modules that these import, and they, each after those that it imports itself."""
    order: list[str] = []
    for name in (*further, start):
        _visit(name, order, ())
    return tuple(order)


def _visit(name: str, order: list[str], above: tuple[str, ...]) -> None:
    if name in above:
        raise ValueError(f"modules import one another in a circle: {' → '.join((*above, name))}")
    if name in order:
        return
    for _, path in _IMPORT.findall(text(name)):
        _visit(_resolved(name, path), order, (*above, name))
    order.append(name)


def _resolved(name: str, path: str) -> str:
    parts = name.split("/")[:-1]
    for step in path.split("/"):
        if step == "..":
            parts.pop()
        elif step != ".":
            parts.append(step)
    return "/".join(parts)


def _wrapped(name: str) -> str:
    code = text(name)
    exported = [names[1] for names in _EXPORT.findall(code)]
    code = _IMPORT.sub(
        lambda match: f'const {{{match[1]}}} = modules["{_resolved(name, match[2])}"];\n', code
    )
    code = _COMMENT.sub("", _EXPORT.sub(r"\1 \2", code))
    return f'modules["{name}"] = (() => {{\n{code}\nreturn {{ {", ".join(exported)} }};\n}})();'
