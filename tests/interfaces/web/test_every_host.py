"""The same panels, tried alike in every host: the server, one file, a notebook, and it as HTML."""

from __future__ import annotations

import re

import numpy as np
import pytest
from playwright.sync_api import expect

from cases import page_notebooks
from cases.page_colours import DIVERGING, levels, shows
from cases.page_truth import maps, near, truth, vector
from cases.page_visits import Visit

GRAPH = "The passage through the network"
NOTEBOOKS = ("notebook", "notebook as HTML")


@pytest.fixture(scope="module", params=["server", "file", *NOTEBOOKS])
def host(request):
    """The name of a host."""
    return request.param


@pytest.fixture(scope="module")
def shown(host, chromium, request):
    """Shows a network in the host, as it is at first but for what a test has changed in it.

    A network is opened once; at the end it is looked at what each window complained about.
    """
    visits, wrong = {}, []

    def show(network: str) -> Visit:
        if host not in NOTEBOOKS:
            if network not in visits:
                visits[network] = _opened(host, network)
            return visits[network]
        if not visits:
            visits["all"] = _opened(host, network)
        else:  # of the cell that was looked at before
            wrong.extend(page_notebooks.noted(visits["all"]))
        page_notebooks.enter(visits["all"], page_notebooks.SHOWN[network])
        return visits["all"]

    def complaints(there: Visit) -> list[str]:
        if host in NOTEBOOKS:  # what is around a cell complains of itself
            return page_notebooks.noted(there)
        return there.take_complaints()

    def _opened(host: str, network: str) -> Visit:
        if host == "server":
            made = Visit(chromium, request.getfixturevalue("served")(network))
        elif host == "file":
            path = request.getfixturevalue("reports")(network)
            made = Visit(chromium, path.as_uri(), offline=True)
        elif host == "notebook":
            lab = request.getfixturevalue("lab")
            made = Visit(chromium, f"{lab}/lab/tree/trusted.ipynb?token=t&reset", **LARGE)
        else:
            path = request.getfixturevalue("notebooks") / "page.html"
            made = Visit(chromium, path.as_uri(), offline=True, **LARGE)
        made.page.goto(made.url, wait_until="domcontentloaded")
        if host in NOTEBOOKS:
            frames = made.page.locator("iframe")
            expect(frames).to_have_count(len(page_notebooks.CELLS), timeout=120_000)
        else:
            made.settled()
        return made

    yield show
    assert not [*wrong, *(line for made in visits.values() for line in complaints(made))]
    for made in visits.values():
        made.close()


LARGE = {"viewport": {"width": 1600, "height": 1000}}  # what is around a cell takes room, too


def as_at_first(there: Visit, sample: int = 0, scale: str = "each layer") -> None:
    """Look at a sample in the usual colours, whatever a test before has left."""
    there.sample(sample)
    there.choose("Scaling", scale)
    there.choose("Palette", "viridis")


def test_the_passage_leads_through_every_layer_to_the_answer(shown):
    there = shown("digits")
    as_at_first(there)
    there.frame.get_by_role("button", name="show the whole network").click()
    there.settled()
    canvas = there.canvas(GRAPH)
    boxes = {heard.text.partition(";")[0] for heard in there.heard(canvas, 7)}
    assert boxes == {"input_layer", *truth("digits")}
    before = there.pixels(canvas)
    for sample in (1, 2):
        there.sample(sample)
        assert (there.pixels(canvas) != before).any()
        values = vector("digits", "dense", sample)
        answer = there.frame.get_by_role("region", name="What the network answered")
        row = answer.get_by_role("row").first
        expect(row).to_contain_text(f"dense:{values.argmax()}")
        expect(row).to_contain_text(f"{100 * values.max():.1f} %")


def test_a_layer_has_the_colours_of_its_values_on_every_scaling_and_palette(shown):
    there = shown("digits")
    as_at_first(there, sample=1)
    there.find("conv2d_1")
    values, network = maps("digits", "conv2d_1", 1), truth("digits").extent(1)
    looks = [("layer", "each layer", "viridis"), ("unit", "each map", "viridis"),
             ("network", "network", "diverging"), ("zscore", "z-score", "magma")]  # fmt: skip
    for scale, name, palette in looks:
        there.choose("Scaling", name)
        there.choose("Palette", palette)
        expected = levels(values, scale, network, palette in DIVERGING)
        probes = there.probed(there.canvas("conv2d_1"), 13)
        assert len({probe.unit for probe in probes}) > 3  # those in view
        for probe in probes:
            level = expected[probe.unit, probe.y, probe.x]
            assert shows(probe.colour, level, palette) or not np.ptp(values[probe.unit]), probe


def test_the_pointer_is_told_the_value_under_it(shown):
    there = shown("digits")
    as_at_first(there, sample=2)
    there.find("conv2d_1")
    check_told(there.probed(there.canvas("conv2d_1"), 13), maps("digits", "conv2d_1", 2))


def test_the_pointer_is_told_what_a_place_is_computed_from(shown):
    """As :mod:`test_fields` has it of the server."""
    there = shown("digits")
    as_at_first(there)
    there.find("conv2d_1:3")
    canvas = there.frame.locator("canvas[data-panel=overlay]")
    for one in there.heard(canvas, 23):
        y, x = (int(n) for n in re.search(r"@(\d+),(\d+)", one.text).groups())
        place = f"rows {2 * y}–{2 * y + 7}, columns {2 * x}–{2 * x + 7} of the input"
        assert one.text.endswith(f", from {place}")


def check_told(probes, values):
    """Check what was said of maps against their values, which may be told by their colours."""
    assert len(probes) > 40
    step = np.ptp(values, axis=(1, 2)) / 238
    for probe in probes:
        value = values[probe.unit, probe.y, probe.x]
        assert abs(probe.value - value) <= 0.51 * step[probe.unit] + 0.006 * abs(value), probe


def test_a_vector_has_a_row_for_each_unit(shown):
    there = shown("digits")
    as_at_first(there, sample=1)
    there.find("dense")
    probes = there.probed(there.canvas("dense"), 10)
    values = vector("digits", "dense", 1)
    assert {probe.unit for probe in probes} == set(range(10))
    assert all(near(probe.value, values[probe.unit]) for probe in probes)


def test_a_series_is_told_position_by_position(shown):
    there = shown("transformer")
    as_at_first(there)
    layer = "layers.0.mlp.0"
    there.find(layer)
    values = truth("transformer")[layer].transpose("sample", "channel", "position").values[0]
    heard = there.heard(there.canvas(layer), 19)
    assert len(heard) > 40
    for one in heard:
        match = re.fullmatch(
            rf"{re.escape(layer)}:(\d+) @ (?:position )?(\d+) = (?:≈ )?(\S+)", one.text
        )
        assert match, one.text
        value = values[int(match[1]), int(match[2])]
        step = np.ptp(values[int(match[1])]) / 238
        shown_value = float(match[3].replace("−", "-"))
        assert abs(shown_value - value) <= 0.51 * step + 0.006 * abs(value), one.text


def test_attention_is_shown_head_by_head_and_as_their_mean(shown):
    there = shown("transformer")
    as_at_first(there)
    layer = "layers.0.attention/attention"
    there.find(layer)
    weights = truth("transformer")[layer].values[0]
    canvas = there.canvas(layer)
    expect(canvas).to_have_attribute("aria-label", re.compile("4 heads of 9 by 9$"))
    for one in there.heard(canvas, 23):
        match = re.fullmatch(r".*:(\d) @ query (\d), key (\d) = ≈ (\S+)", one.text)
        assert match, one.text
        head = weights[int(match[1])]
        value = float(match[4].replace("−", "-"))
        assert abs(value - head[int(match[2]), int(match[3])]) < np.ptp(head) / 200 + 0.006


@pytest.mark.parametrize("host", NOTEBOOKS, indirect=True, scope="module")
def test_a_table_has_its_rows(shown):
    """Only notebooks show a table by itself."""
    there = shown("table")
    table = there.frame.get_by_role("table")
    expect(table.get_by_role("columnheader").first).to_have_text("metric")
    rows = table.get_by_role("row").all_inner_texts()
    assert [row.split()[:3] for row in rows[1:]] == [["loss", "5", "4"], ["val_loss", "4", "3"]]


def test_a_unit_has_its_page(shown):
    there = shown("digits")
    as_at_first(there, sample=1)
    there.find("conv2d_1:3")
    expect(there.frame.get_by_role("heading", name="channel 3", exact=True)).to_be_visible()
    probes = [probe for probe in there.probed(there.canvas("Its map"), 9) if probe.y is not None]
    assert {probe.unit for probe in probes} == {3}
    check_told(probes, maps("digits", "conv2d_1", 1))
    expect(there.frame.get_by_role("region", name="Histogram", exact=True)).to_be_visible()
    there.frame.get_by_role("button", name="next", exact=True).click()
    expect(there.frame.get_by_role("heading", name="channel 4", exact=True)).to_be_visible()
    there.settled()
    there.sample(2)
    probes = [probe for probe in there.probed(there.canvas("Its map"), 9) if probe.y is not None]
    assert {probe.unit for probe in probes} == {4}
    check_told(probes, maps("digits", "conv2d_1", 2))
