from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from cases.runs import MAPS, learner, run_of
from layerscope.recordings.findings import layer_series
from layerscope.views.render.text import length
from layerscope.views.run_tables import run_tables


def test_metrics_and_figures_of_layers_at_every_step() -> None:
    run = learner()
    metrics, silent, mean, change = run_tables(run)
    titles = ["epoch 0", "epoch 1", "epoch 2", "epoch 3", "epoch 4"]
    assert [column["label"] for column in metrics.header["columns"]] == ["metric", *titles]
    assert [column["right"] for column in metrics.header["columns"]] == [False] + 5 * [True]
    assert metrics.header["rows"][1] == ["val_loss", "0.9", "0.5", "0.2", "0.4", "0.6"]
    assert (silent.header["rows"], silent.header["note"]) == (
        [],
        "No unit was silent in 2 layers.",
    )
    figures = {one.address: one.mean for one in layer_series(run)}
    for name, *cells in mean.header["rows"]:
        assert cells == [f"{value:.3g}" for value in figures[name]]
    assert [row[0] for row in change.header["rows"]] == ["conv", "dense"]
    assert change.header["rows"][0][1] == ""  # the first step has none before it
    assert metrics.provenance() == {"model": "abc"}


def test_silent_units_and_layers_without_any() -> None:
    values = np.ones((3, 2, 4), np.float32)
    quiet = values.copy()
    quiet[1:, :, 0] = 0
    run = run_of({"a": (("sample", "unit"), values), "b": (("sample", "unit"), quiet)})
    table = next(
        panel for panel in run_tables(run) if panel.header["title"] == "silent units: learner"
    )
    assert table.header["rows"] == [["b", "0%", "25%", "25%"]]
    assert table.header["note"] == "No unit was silent in the other 1 layer."


def test_up_to_eight_steps_and_none() -> None:
    values = np.ones((100, 1, 2, 2, 1), np.float32)
    (table, *_) = run_tables(run_of({"a": (MAPS, values)}, metrics={"loss": list(range(100))}))
    assert len(table.header["columns"]) == 9
    assert [table.header["columns"][i]["label"] for i in (1, 8)] == ["epoch 0", "epoch 99"]
    assert run_tables(run_of({"a": (MAPS, values[:0])})) == []


def test_columns_do_not_overlap_and_a_file_says_whence(tmp_path: Path) -> None:
    for panel in run_tables(learner()):
        header = panel.header
        columns = header["columns"]
        for cells in ([column["label"] for column in columns], *header["rows"]):
            end = 0.0
            for column, cell in zip(columns, cells, strict=True):
                wide = length(cell, 11)
                left = column["x"] - wide * column["right"]
                assert left >= end
                end = left + wide
            assert end <= header["size"][0]
    with Image.open(panel.save(tmp_path / "t.png")) as image:
        assert image.size == tuple(header["size"])
        assert image.info["layerscope:model"] == "abc"


def test_a_thinned_table_holds_the_largest_change_since_the_column_before() -> None:
    moved = np.zeros(100)
    moved[55] = 50  # between the columns of epochs 42 and 57
    kernel = np.stack([np.full(100, 100.0), np.cumsum(moved)], axis=1)[:, :, None]
    values = np.ones((100, 1, 2, 2, 1), np.float32)
    run = run_of({"a": (MAPS, values)}, weights={"a/kernel": (("input", "unit"), kernel)})
    table = next(t for t in run_tables(run) if t.header["title"].startswith("change of weights"))
    (row,) = table.header["rows"]
    changed = [cell for cell in row[2:] if cell != "0.00%"]
    assert changed == ["44.72%"]
    assert table.header["note"] == "The largest change by a single step since the column before."
