"""What leaves the house is harmless: to a terminal, a spreadsheet, a file system."""

from __future__ import annotations

import json
import random
import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from layerscope.core.errors import AddressError, InputError, LayerscopeError
from layerscope.core.text import (
    distinct_file_stem,
    file_stem,
    json_text,
    one_line,
    printable,
    printable_lines,
    shortened,
    spreadsheet_cell,
    uncoloured,
)

#: Any text at all, lone surrogates included.
ANY = st.text(st.characters(codec=None, exclude_categories=()))
#: Categories of what has no shape: controls, marks of format, surrogates, private, unassigned.
UNSEEN = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
JOINER = "\u200d"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\x1b[31mb", r"a\x1b[31mb"),
        ("\x9b2J\x85\x7f", r"\x9b2J\x85\x7f"),
        ("a\tb\r\nc\x00", r"a\tb\r\nc\x00"),
        ("\u202eevil\u2066x\u2069", r"\u202eevil\u2066x\u2069"),
        ("a\u200bb\ufeff\u00ad", r"a\u200bb\ufeff\xad"),
        ("a\u2028b\u2029", r"a\u2028b\u2029"),
        ("\ud800x\udfff", r"\ud800x\udfff"),
        ("\U000e0041\uffff\ue000", r"\U000e0041\uffff\ue000"),
        ("\u3164\u115f", r"\u3164\u115f"),
        ("a\u200d", r"a\u200d"),
        ("e" + "\u0301" * 10, "e" + "\u0301" * 8 + r"\u0301\u0301"),
    ],
)
def test_what_cannot_be_seen_is_shown_as_an_escape(text: str, shown: str) -> None:
    assert printable(text) == shown


@pytest.mark.parametrize(
    "text",
    [
        "block1/conv",
        "卷积\u3000层",
        "Größe e\u0301",
        "a\u00a0b",
        "🧠❤\ufe0f",
        "👩\u200d🔬👨\u200d👩\u200d👧",
        "عربى",
        r"\x1b",
    ],
)
def test_ordinary_text_stays(text: str) -> None:
    assert printable(text) == text
    assert one_line(text) == text


@given(ANY)
@example("\x1b]0;title\x07")
def test_nothing_unseen_is_left(text: str) -> None:
    shown = printable(text)
    assert {unicodedata.category(c) for c in shown if c != JOINER}.isdisjoint(UNSEEN)
    assert printable(shown) == shown
    shown.encode()
    assert "\n" not in one_line(text)
    assert len(one_line(text).splitlines()) <= 1


@given(ANY)
def test_lines_stay_lines(text: str) -> None:
    assert printable_lines(text).count("\n") == text.count("\n")
    assert all(printable(line) == line for line in printable_lines(text).split("\n"))


@given(ANY, st.integers(3, 40))
def test_a_long_text_loses_its_middle(text: str, most: int) -> None:
    short = shortened(text, most)
    assert len(short) <= most
    assert short == text if len(text) <= most else short.startswith(text[: (most - 1) // 2])


def test_both_ends_of_a_long_text_stay() -> None:
    assert shortened("abcdefghij", 7) == "abc…hij"
    assert shortened("abcdefe\u0301f" + "g" * 4, 8) == "abc…gggg"
    assert shortened("x" * 9 + "e\u0301ab", 6) == "xx…ab"  # no accent on the ellipsis


@pytest.mark.parametrize(
    ("cell", "written"),
    [
        ("=1+1", "'=1+1"),
        ("+1", "'+1"),
        ("-cmd|' /C calc'!A0", "'-cmd|' /C calc'!A0"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("\t=1", r"'\t=1"),
        ("\r=1", r"'\r=1"),
        (" =1", "' =1"),
        ("\uff1d1", "'\uff1d1"),
        ("conv=1", "conv=1"),
        ("a\x1b", r"a\x1b"),
        (-1.5, -1.5),
        (7, 7),
    ],
)
def test_no_cell_is_a_formula(cell: object, written: object) -> None:
    assert spreadsheet_cell(cell) == written
    assert type(spreadsheet_cell(cell)) is type(cell)


@given(st.lists(ANY), st.sampled_from([None, 1]))
def test_json_keeps_every_text_and_shows_nothing_unseen(
    texts: list[str], indent: int | None
) -> None:
    written = json_text(texts, indent)
    assert json.loads(written) == json.loads(json.dumps(texts))
    assert printable_lines(written) == written
    written.encode()


@pytest.mark.parametrize(
    ("name", "stem"),
    [
        ("block1/conv:3", "block1_conv_3"),
        ("../../etc/passwd", "etc_passwd"),
        ("..", "layer"),
        ("", "layer"),
        ("卷积", "layer"),
        ("CON", "_CON"),
        ("nul.txt", "_nul.txt"),
        ("console", "console"),
        ("com1", "_com1"),
        ("a\x00b\nc", "a_b_c"),
        ("x" * 300, "x" * 80),
        ("C:\\x", "C_x"),
    ],
)
def test_a_file_stem_is_safe(name: str, stem: str) -> None:
    assert file_stem(name, "layer") == stem


@given(st.lists(ANY | st.sampled_from(["a/b", "a_b", "A_B", "a:b", "aux", "_aux"]), unique=True))
def test_file_stems_are_distinct_whatever_the_file_system(names: list[str]) -> None:
    taken: list[str] = []
    for name in names:
        taken.append(distinct_file_stem(name, "layer", taken))
    assert len({stem.lower() for stem in taken}) == len(names)
    for stem in taken:
        assert 0 < len(stem.encode()) <= 110
        assert not {*stem} & {*'/\\:*?"<>|\0 '}
        assert not stem.startswith(".")
        assert not stem.endswith(".")


@pytest.mark.parametrize("kind", [LayerscopeError, AddressError, InputError])
def test_a_message_is_harmless_and_on_one_line(kind: type[LayerscopeError]) -> None:
    error = kind("model\x1b[31m\x1b]0;owned\x07 says\r\n  line two \u202e.")
    assert str(error) == r"model\x1b[31m\x1b]0;owned\x07 says line two \u202e."


def test_a_message_with_a_giant_name_keeps_what_would_work() -> None:
    error = InputError(f"There is no layer {'x' * 100_000!r}: did you mean 'conv'?")
    assert len(str(error)) <= 4_000
    assert str(error).endswith("did you mean 'conv'?")


def test_colours_of_other_programs_are_left_out() -> None:
    assert uncoloured("\x1b[1mwrong\x1b[0m: \x1b]0;x\x07") == "wrong: \x1b]0;x\x07"


def test_random_numbers_are_left_alone() -> None:
    state = random.getstate()
    str(InputError("x"))
    printable("\x1b")
    assert random.getstate() == state
