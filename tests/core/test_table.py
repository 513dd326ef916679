from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from layerscope.core.table import padded, setting_text, shape_text, size_text, text_table
from layerscope.core.text import cell_width, printable


def test_columns_line_up() -> None:
    assert text_table(("layer", "n"), [("conv", "1"), ("a", "1,000")], right=("n",)) == "\n".join(
        [
            "layer       n",
            "─────────────",
            "conv        1",
            "a       1,000",
        ]
    )


def test_cells_are_text_not_markup() -> None:
    cells = ["lstm[1]", "[red]x", r"a\[b]", "block:fire:3"]
    table = text_table(("layer",), [(cell,) for cell in cells])
    assert [line.strip() for line in table.splitlines()[2:]] == cells


def test_rows_of_ordinary_length_are_not_broken() -> None:
    long = "x" * 200
    assert long in text_table(("layer", "other"), [(long, long)]).split()


def test_a_giant_name_widens_no_other_row() -> None:
    rows = [("conv" * 25_000, "1"), *((f"layer{i}", "1") for i in range(1_000))]
    table = text_table(("layer", "n"), rows, right=("n",))
    assert len(table.encode()) < 300_000
    assert table.splitlines()[2].startswith("convconv")
    assert "…" in table.splitlines()[2]
    assert max(map(len, table.splitlines())) < 210


def test_what_cannot_be_seen_is_an_escape() -> None:
    table = text_table(("layer\x1b",), [("a\x1b[31m",), ("b\nc",), ("\ud800",)])
    assert table.splitlines()[2:] == [r"a\x1b[31m", r"b\nc", r"\ud800"]
    assert table.splitlines()[0] == r"layer\x1b"


def test_columns_line_up_by_what_a_terminal_shows() -> None:
    table = text_table(("layer", "n"), [("卷积层", "1"), ("e\u0301", "2"), ("conv2d", "3")])
    assert table.splitlines()[2:] == ["卷积层   1", "e\u0301        2", "conv2d   3"]
    assert padded(["卷积", "ab", "e\u0301"]) == ["卷积", "ab  ", "e\u0301   "]
    assert padded(["👩\u200d🔬", "abc"]) == ["👩\u200d🔬 ", "abc"]


@pytest.mark.slow
@given(st.lists(st.tuples(st.text(), st.text()), max_size=5))
def test_a_table_has_a_line_for_each_row(rows: list[tuple[str, str]]) -> None:
    table = text_table(("layer", "n"), rows)
    assert len(table.split("\n")) == len(rows) + 2
    assert all(line == printable(line) for line in table.split("\n"))


@pytest.mark.parametrize(
    ("shape", "text"),
    [(None, "?"), ((), "()"), ((3,), "(3,)"), ((None, 26, 26, 32), "(None, 26, 26, 32)")],
)
def test_shapes(shape: tuple[int | None, ...] | None, text: str) -> None:
    assert shape_text(shape) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [((3, 3), "3×3"), ([2], "2"), (0.2, "0.2"), (1e-7, "1e-07"), ("relu", "relu"), (True, "True")],
)
def test_settings(value: object, text: str) -> None:
    assert setting_text(value) == text


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (136_040, "136.0 kB"),
        (13_812_484, "13.8 MB"),
        (2.5e9, "2.5 GB"),
        (7e12, "7.0 TB"),
    ],
)
def test_sizes(size: float, text: str) -> None:
    assert size_text(size) == text


NAMES = ("layer", "settings", "shape", "min", "max")
ROWS = [
    ("block_1/expand_conv", "kernel 3×3, stride 1×1, padding same", "(112, 112, 96)", "-1.25", "3"),
    ("卷积" * 9, "", "(1000,)", "0", "1"),
]


@pytest.mark.parametrize("width", range(20, 110, 7))
def test_a_table_is_as_wide_as_the_terminal(width: int) -> None:
    text = text_table(NAMES, ROWS, ("min", "max"), width, whole=("shape",))
    widest = max(map(cell_width, text.splitlines()))
    assert widest <= max(width, 12 + 3 + 14)  # a shortened name beside a shape: no narrower
    for cell in ("-1.25", "(112, 112, 96)", "(1000,)", *NAMES):
        assert cell in text


def test_a_table_with_room_is_whole() -> None:
    whole = text_table(NAMES, ROWS, ("min", "max"))
    assert text_table(NAMES, ROWS, ("min", "max"), 200) == whole
    assert "kernel 3×3, stride 1×1, padding same" in whole


def test_columns_without_room_stand_in_blocks() -> None:
    columns = ("metric", *(f"epoch {i}" for i in range(6)))
    rows = [("loss", *map(str, range(6))), ("accuracy", *"abcdef")]
    first, second, third = text_table(columns, rows, columns[1:], 32).split("\n\n")
    assert first.splitlines() == [
        "metric     epoch 0   epoch 1",
        "────────────────────────────",
        "loss             0         1",
        "accuracy         a         b",
    ]
    assert second.splitlines()[0] == "metric     epoch 2   epoch 3"
    assert third.splitlines()[3] == "accuracy         e         f"


def test_names_are_whole_where_columns_stand_in_blocks_anyway() -> None:
    columns = ("metric", *(f"epoch {i}" for i in range(8)))
    text = text_table(columns, [("learning_rate", *map(str, range(8)))], columns[1:], 40)
    assert text.count("learning_rate") == text.count("metric") > 1


def test_in_a_pipe_a_few_long_cells_do_not_pad_all_rows():
    rows = [(f"layer_{i}", "x" * (150 if i == 3 else 5), str(i)) for i in range(20)]
    lines = text_table(("name", "settings", "count"), rows, right=("count",)).splitlines()
    assert max(len(line) for i, line in enumerate(lines) if i != 5) < 70
    assert "x" * 150 in lines[5]
    assert lines[5].split() == ["layer_3", "x" * 150, "3"]
    alike = [(f"layer_{i}", "x" * (60 + i % 2), str(i)) for i in range(20)]
    table = text_table(("name", "settings", "count"), alike, right=("count",)).splitlines()
    assert len({len(line) for line in table}) == 1
