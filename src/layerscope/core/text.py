r"""What a stranger's text may be where it leaves: on a terminal, in a picture, a file, a message.

Names of layers, samples and metrics come from files that others wrote. They stay what they are as
data, so that addresses are found by their true names; where they are shown they go through here.
"""

from __future__ import annotations

import hashlib
import json
import re
import unicodedata
from collections.abc import Collection, Iterator
from typing import Any

#: What ends a line, for a terminal or for Python, with the blanks around it.
_BREAK = re.compile(r"[ \t]*[\n\r\v\f\x1c-\x1e\x85\u2028\u2029\t][\s]*")
#: Letters that have no shape and no width, though they count as printable.
_UNSEEN = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u3164\uffa0")
#: A colour of a terminal, as frameworks put them into messages.
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
#: What a spreadsheet takes for the beginning of a formula, also after blanks, or in full width.
_FORMULA = re.compile(r"[\s\x00]*[=+\-@\uff1d\uff0b\uff0d\uff20]|[\t\r\n]")
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")
#: Names that Windows keeps for devices, whatever their ending.
_DEVICES = re.compile(r"(con|prn|aux|nul|conin\$|conout\$|com[0-9]|lpt[0-9])(\.|$)", re.IGNORECASE)
_JOINER, _VARIATION = "\u200d", "\ufe0f"
_ELLIPSIS = "…"
_ACCENTS = 8  #: on one letter; languages have up to four
_MESSAGE = 4_000


def printable(text: str, keep: str = "") -> str:
    r"""Return the text with an escape in place of each character that can't be seen.

    An escape is written as Python writes it: ``\x1b``, ``\n``, ``\u202e``. That is for control
    characters, marks of direction, what has no width, line separators, surrogates and all that
    Unicode has not assigned; and for accents that pile up over other lines, more than eight on one
    letter. Spaces of any width, letters of any script, accents and emoji stay; and so do the
    characters of ``keep``. Applied twice it changes nothing more.
    """
    if _is_plain(text):
        return text
    return "".join(_shown(text, keep))


def printable_lines(text: str) -> str:
    """Return the text with escapes in place of what can't be seen, and its lines as they are."""
    return printable(text, keep="\n")


def one_line(text: str) -> str:
    """Return a message as one line, with escapes for what can't be seen."""
    if _is_plain(text):
        return text
    return printable(_BREAK.sub(" ", text).strip())


def uncoloured(text: str) -> str:
    """Return another program's message without the colours that it has for a terminal."""
    return _COLOUR.sub("", text)


def message(text: str) -> str:
    """Return an error's message as one line of no more than a screen."""
    return shortened(one_line(text), _MESSAGE)


def shown_name(name: str, most: int = 120) -> str:
    """Return a name as a picture writes it: harmless, and no wider than a picture may be."""
    return shortened(printable(name), most)


def quoted(name: str) -> str:
    """Return a name in quotes, as the first line of a repr has it."""
    return shown_name(repr(name), 200)


def shortened(text: str, most: int) -> str:
    """Return the text without its middle where it has more than ``most`` characters."""
    if len(text) <= most:
        return text
    head = (most - 1) // 2
    tail = text[len(text) - (most - 1 - head) :]
    while tail and unicodedata.combining(tail[0]):  # it would combine with the ellipsis
        tail = tail[1:]
    return text[:head] + _ELLIPSIS + tail


def cell_width(text: str) -> int:
    """Return how many columns of a terminal a printable text takes."""
    if text.isascii():
        return len(text)
    from wcwidth import wcswidth

    return int(wcswidth(text))


def fitted(text: str, columns: int) -> str:
    """Return the text without its middle where a terminal shows it on more columns than these."""
    if cell_width(text) <= columns:
        return text
    most = columns
    while most > 0 and cell_width(short := shortened(text, most)) > columns:
        most -= 1
    return short if most > 0 else ""


def spreadsheet_cell(value: Any) -> Any:
    """Return a value for a CSV file that no spreadsheet takes for a formula.

    Numbers stay numbers. A text that begins as a formula does gets an apostrophe before it, which
    a spreadsheet reads as: this is text.
    """
    if not isinstance(value, str):
        return value
    marked = f"'{value}" if _FORMULA.match(value) else value
    return printable(marked)


def json_text(value: Any, indent: int | None = None) -> str:
    """Return the value as JSON: what can't be seen is escaped as JSON does, so nothing is lost."""
    written = json.dumps(value, indent=indent, ensure_ascii=False)
    if written.isprintable():
        return written
    return "".join(c if _is_seen(c) or c == "\n" else _json_escape(c) for c in written)


def file_stem(name: str, otherwise: str, most: int = 80) -> str:
    """Return the name with what a file name or a URL can't have made ``_``; never a device's."""
    stem = _UNSAFE.sub("_", name).strip("._")[:most].rstrip(".") or otherwise
    return f"_{stem}" if _DEVICES.match(stem) else stem


def distinct_file_stem(name: str, otherwise: str, taken: Collection[str]) -> str:
    """Return a file stem that is none of those taken, upper and lower case being the same."""
    stem = file_stem(name, otherwise)
    lowered = {one.lower() for one in taken}
    if stem.lower() not in lowered:
        return stem
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    distinct, number = f"{stem}-{digest}", 1
    while distinct.lower() in lowered:
        number += 1
        distinct = f"{stem}-{digest}-{number}"
    return distinct


def _is_plain(text: str) -> bool:
    return text.isascii() and text.isprintable()


def _shown(text: str, keep: str) -> Iterator[str]:
    """Yield the characters, those that can't be seen as escapes."""
    accents = 0
    for i, character in enumerate(text):
        accents = accents + 1 if unicodedata.combining(character) else 0
        if accents > _ACCENTS:
            yield character.encode("unicode_escape").decode("ascii")
        elif character in keep or _is_seen(character) or _joins(text, i):
            yield character
        else:
            yield character.encode("unicode_escape").decode("ascii")


def _is_seen(character: str) -> bool:
    if character in _UNSEEN:
        return False
    return character.isprintable() or unicodedata.category(character) == "Zs"


def _joins(text: str, i: int) -> bool:
    """Return whether a character joins two emoji to one: a family, a profession."""
    if text[i] != _JOINER or not 0 < i < len(text) - 1:
        return False
    before, after = text[i - 1], text[i + 1]
    is_emoji = before == _VARIATION or unicodedata.category(before) in ("So", "Sk")
    return is_emoji and unicodedata.category(after) == "So"


def _json_escape(character: str) -> str:
    units = character.encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{units[i : i + 4]}" for i in range(0, len(units), 4))
