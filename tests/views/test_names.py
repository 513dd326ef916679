"""No name that a stranger gave breaks a picture, or gets out of it."""

from __future__ import annotations

import unicodedata
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.text import Text
from PIL import Image

from cases.amounts import examples
from cases.recordings import MAPS, VECTOR, maps, named
from cases.runs import run_of
from cases.surveys import spots
from layerscope.core.network import Layer, Network
from layerscope.core.text import printable_lines
from layerscope.recordings.recording import Recording
from layerscope.recordings.run import Run
from layerscope.recordings.survey.survey import Survey
from layerscope.views.across import across
from layerscope.views.curves import curves
from layerscope.views.diagram import diagram
from layerscope.views.fate import fate
from layerscope.views.film import film
from layerscope.views.histogram import histogram
from layerscope.views.pages import pages
from layerscope.views.render.panel import Panel
from layerscope.views.sheet import sheet
from layerscope.views.survey.card import Beside, card_panel
from layerscope.views.survey.examples import examples_panel
from layerscope.views.survey.unit_rows import unit_rows
from layerscope.views.timeline import timeline

GIANT = 100_000
HOSTILE = {
    "colours": "a\x1b[31m\x07\x9b2J",
    "null": "\x00",
    "a line": "new\nline\r\tx\u2028y",
    "surrogate": "\ud800x",
    "not in XML": "\ufffe\uffff\x0b",
    "right to left": "\u202eabc\u2066",
    "no width": "\u200b\ufeff",
    "tags": "<b onload=\"x\">&amp;' ]]> <!-- -->--",
    "formula": "$\\frac{1}{0$",
    "half a formula": "$x_1",
    "giant": "x" * GIANT,
    "giant accents": "e" + "\u0301" * GIANT,
    "giant lines": "a\n" * (GIANT // 2),
    "wide": "卷积层🧠" * 10,
}  # fmt: skip
ORDINARY = "wide"
#: Text that hypothesis makes of anything at all.
ANY = st.text(st.characters(codec=None, exclude_categories=()), min_size=1, max_size=20)


def recording_of(name: str) -> Recording:
    """A recording in which everything that can be named is called so."""
    layers = (
        Layer(name, name, shape=(None, 5, 7, 3), axes=MAPS, settings={name: name}),
        Layer(f"{name}/b", name, shape=(None, 6), inputs=(name,)),
    )
    return Recording(
        {name: maps(3), f"{name}/b": named(np.linspace(-1, 1, 12).reshape(2, 6), VECTOR)},
        network=Network(name, name, layers, notes=(name,)),
        inputs={name: maps(1)},
        samples=[name, f"{name}2"],
        notes=(name,),
        digest=lambda: {"model": name, name: name},
    )


def run_named(name: str) -> Run:
    """A run in which everything that can be named is called so."""
    values = np.random.default_rng(0).normal(size=(4, 2, 5, 7, 3)).astype(np.float32)
    return run_of(
        {name: (MAPS, values)},
        metrics={name: [1.0, 2.0, 3.0, 4.0], "val_loss": [1.0, 0.5, 0.7, 0.8]},
        samples=[name, f"{name}2"],
        notes=[name],
        network=recording_of(name).network,
    )


def silent_run_named(name: str) -> Run:
    """A run of a rectifying layer of that name, of whose units one falls silent."""
    values = np.random.default_rng(0).random((4, 2, 5, 7, 3), np.float32)
    values[2:, ..., 1] = 0
    metrics = {name: [1.0, 2.0, 3.0, 4.0], "val_loss": [1.0, 0.5, 0.7, 0.8]}
    network = Network(name, name, (Layer(name, name, kind="activation", activation="relu"),))
    names = [name, f"{name}2"]
    return run_of({name: (MAPS, values)}, metrics=metrics, samples=names, network=network)


def survey_named(name: str) -> Survey:
    """A survey in which everything that can be named is called so."""
    labels = [name if n % 2 else f"{name}2" for n in range(20)]
    return spots(layer=name, labels=labels, names=[f"{name}{n}" for n in range(20)])


def card_of(name: str) -> Panel:
    """A unit's card with all that can be beside its survey."""
    beside = Beside(recording_of(name), run=silent_run_named(name), notes=[name])
    return card_panel(survey_named(name), f"{name}:0", beside)


PANELS: dict[str, Callable[[str], Panel]] = {
    "sheet": lambda name: sheet(recording_of(name), name),
    "sheet of a unit": lambda name: sheet(recording_of(name), f"{name}:1"),
    "sheet of a vector": lambda name: sheet(recording_of(name), f"{name}/b"),
    "across": lambda name: across(recording_of(name), 1),
    "pages": lambda name: pages(recording_of(name), min_size=(2, 2))[0],
    "diagram": lambda name: diagram(recording_of(name).network),
    "diagram of volumes": lambda name: diagram(recording_of(name).network, style="volume"),
    "poster": lambda name: diagram(recording_of(name).network, recording_of(name)),
    "timeline": lambda name: timeline(run_named(name), name),
    "timeline of a unit": lambda name: timeline(run_named(name), f"{name}:1", sample=1),
    "histogram": lambda name: histogram(recording_of(name), name),
    "histogram of units": lambda name: histogram(recording_of(name), f"{name}/b", per="unit"),
    "curves": lambda name: curves(run_named(name)),
    "fate": lambda name: fate(silent_run_named(name)),
    "fate of a unit": lambda name: fate(silent_run_named(name), f"{name}:1"),
    "examples": lambda name: examples_panel(survey_named(name), f"{name}:0"),
    "examples of rows": lambda name: examples_panel(survey_named(name), "dense:0", which="weak"),
    "sheet of a survey": lambda name: unit_rows(survey_named(name), name),
}  # fmt: skip


def check_harmless(text: str) -> None:
    """Fail where a text holds what could steer a terminal or deceive a reader."""
    unseen = {c for c in text if unicodedata.category(c) in ("Cc", "Cf", "Cs", "Zl", "Zp")}
    assert unseen <= {"\n"}


def check_svg(path: Path) -> None:
    """Fail where a file is no XML, holds what is harmful, or is larger than a picture is."""
    text = path.read_text(encoding="utf-8")
    check_harmless(text)
    assert ET.fromstring(text.encode()).tag == "{http://www.w3.org/2000/svg}svg"
    assert len(text) < 4_000_000  # where it comes from is there as a whole


@pytest.mark.slow
@pytest.mark.parametrize("name", HOSTILE.values(), ids=HOSTILE)
@pytest.mark.parametrize("make", PANELS.values(), ids=PANELS)
@pytest.mark.filterwarnings("ignore:Glyph:UserWarning")  # the font has no letters of Chinese
def test_no_name_breaks_a_picture(make: Any, name: str, tmp_path: Path) -> None:
    panel = make(name)
    width, height = panel.header["size"]
    assert max(width, height) < 4_000
    check_svg(panel.save(tmp_path / "picture.svg"))
    panel.save(tmp_path / "picture.pdf")
    with Image.open(panel.save(tmp_path / "picture.png")) as image:
        assert image.size[0] * image.size[1] < 32_000_000
        for key, value in image.text.items():  # type: ignore[attr-defined]
            check_harmless(f"{key}{value}")
    if 'id="figure_1"' not in (tmp_path / "picture.svg").read_text(encoding="utf-8"):
        # Matplotlib wrote none of these as SVG yet.
        panel.figure().savefig(tmp_path / "figure.svg")
        check_svg(tmp_path / "figure.svg")


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["colours", "surrogate", "tags", "giant"])
def test_no_name_breaks_a_card_which_has_many_pictures_in_it(kind: str, tmp_path: Path) -> None:
    panel = card_of(HOSTILE[kind])
    check_svg(panel.save(tmp_path / "card.svg"))
    with Image.open(panel.save(tmp_path / "card.png")) as image:
        assert max(image.size) < 4_000


def words_in(entry: Any, key: str = "") -> Iterator[str]:
    """Yield all that is drawn as words, however deep it stands in a header."""
    if isinstance(entry, str) and key in ("label", "labels", "text", "about", "notes", "title"):
        yield entry
    elif isinstance(entry, Mapping):
        for name, value in entry.items():
            yield from words_in(value, name)
    elif isinstance(entry, list | tuple):
        for value in entry:
            yield from words_in(value, key)


@given(ANY)
@settings(max_examples=examples(20))
def test_a_header_s_words_are_harmless(name: str) -> None:
    for make in PANELS.values():
        header = make(name).header
        words = [header["title"], header["note"], *words_in(header)]
        assert [printable_lines(text) for text in words] == words


def test_what_is_data_stays_as_it_is() -> None:
    name = HOSTILE["colours"]
    assert sheet(recording_of(name), name).header["address"] == name
    boxes = diagram(recording_of(name).network).header["boxes"]
    assert name in [address for box in boxes for address in box["addresses"]]


@pytest.mark.parametrize("name", HOSTILE.values(), ids=HOSTILE)
@pytest.mark.filterwarnings("ignore:Glyph:UserWarning")
def test_no_name_breaks_curves(name: str, tmp_path: Path) -> None:
    history = {name: [1.0, 2.0], "loss": [2.0, 1.0], f"val_{name}": [1.0, 1.5]}
    panels = (curves(run_named(name)), curves(history))
    for panel in panels:
        header = panel.header
        words = [header["title"], *header["notes"]]
        words += [line["label"] for chart in header["charts"] for line in chart["series"]]
        assert [printable_lines(text) for text in words] == words
    for kind in ("svg", "png"):  # those of a run are saved above
        panels[1].save(tmp_path / f"curves.{kind}")
    check_svg(tmp_path / "curves.svg")


@pytest.mark.parametrize("name", HOSTILE.values(), ids=HOSTILE)
def test_no_name_breaks_a_film(name: str, tmp_path: Path) -> None:
    for kind in ("webp", "gif"):
        made = film(run_named(name), name, tmp_path / f"film.{kind}")
        assert max(made.size) < 4_000


@pytest.mark.parametrize("name", HOSTILE.values(), ids=HOSTILE)
def test_no_name_breaks_what_is_printed(name: str) -> None:
    recording, run = recording_of(name), run_named(name)
    texts = (str(recording.network), repr(recording), repr(run), repr(run.at(0)))
    for text in texts:
        check_harmless(text)
        assert len(text) < 20_000
    assert repr(recording).count("\n") == 3  # its head, two arrays and a note
    check_harmless(repr(recording[name]))
    check_harmless(pages(recording, min_size=(2, 2))._repr_html_())
    assert recording[name].shape == (*recording[f"{name}:1"].shape, 3)


def test_a_thousand_rows_are_not_padded_to_a_giant() -> None:
    giant = Layer("x" * GIANT, "Any", settings={"k": "y" * GIANT})
    layers = (giant, *(Layer(f"layer{i}", "Any") for i in range(1_000)))
    assert len(str(Network("n", "none", layers))) < 700_000
    arrays = {layer.address: maps(1, 1, 1, 1) for layer in layers}
    assert len(repr(Recording(arrays, network=Network("n", "none", layers)))) < 300_000


def test_a_dollar_begins_no_formula() -> None:
    figure = curves({"$x_1$": [1.0, 2.0], "loss": [2.0, 1.0]}).figure()
    named = [text for text in figure.findobj(Text) if "$x_1$" in text.get_text()]
    assert named
    assert not any(text.get_parse_math() for text in named)
    for make in PANELS.values():
        drawn = make("$x_1$").figure()
        for ax in drawn.axes[:1]:
            named = [t for t in ax.findobj(lambda a: hasattr(a, "get_parse_math"))
                     if "$x_1$" in t.get_text()]  # fmt: skip
            assert not any(text.get_parse_math() for text in named)
