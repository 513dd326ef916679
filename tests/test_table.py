from __future__ import annotations

import pytest

from layerscope.table import setting_text, shape_text, size_text, text_table


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


def test_long_rows_are_not_broken() -> None:
    long = "x" * 500
    assert long in text_table(("layer", "other"), [(long, long)]).split()


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
