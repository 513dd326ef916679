"""The site of 10,000 units: how long it takes to write, and a browser to open and go through.

Units, samples and their places are drawn by chance: what is measured does not depend on what they
are. Opened from the disk by Chromium, each time in a window of its own: until the first units are
painted, and from there until the last ones are, after a jump to the end. Both include decoding the
pictures. Times are medians.
"""

from __future__ import annotations

import shutil
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from playwright.sync_api import Browser, sync_playwright

from layerscope.core.axes import NamedArray
from layerscope.core.network import Layer, Network
from layerscope.interfaces.site.site import site
from layerscope.recordings.survey.layer_tally import LayerTally
from layerscope.recordings.survey.sample_figures import SampleFigures
from layerscope.recordings.survey.survey import Survey, SurveyedSample

UNITS, SAMPLES, LABELS, SIDE, TIMES = 10_000, 512, 10, 64, 7

#: Resolves once the pictures of all units in sight are decoded, and a frame is painted with them.
_PAINTED = """async () => {
  const frame = () => new Promise((resolve) => requestAnimationFrame(resolve));
  while (!document.querySelector(".units a .cell, .strip a .cell")) await frame();
  await frame();
  const urls = new Set([...document.querySelectorAll(".cell")]
    .map((cell) => /url\\("(.*)"\\)/.exec(cell.style.backgroundImage)?.[1]).filter(Boolean));
  await Promise.all([...urls].map((url) => {
    const image = new Image();
    image.src = url;
    return image.decode();
  }));
  await frame();
  await frame();
  return performance.now();
}"""

_TO_THE_END = f"""async () => {{
  const before = performance.now();
  const page = document.querySelector(".page");
  page.scrollTop = page.scrollHeight;
  const last = () => document.querySelector('[aria-posinset="{UNITS}"]');
  while (!last()) await new Promise((resolve) => requestAnimationFrame(resolve));
  return await ({_PAINTED})() - before;
}}"""


def survey(layers: int) -> Survey:
    """A survey of so many units in all, of random numbers."""
    random = np.random.default_rng(0)
    units = UNITS // layers
    tallies = {f"layer_{i}": _tally(random, units) for i in range(layers)}
    axes = ("sample", "y", "x", "channel")
    coarse = random.random((SAMPLES, 8, 8, 3), np.float32)
    samples = {}
    for i in range(SAMPLES):
        pixels = coarse[i].repeat(SIDE // 8, axis=0).repeat(SIDE // 8, axis=1)[None]
        samples[i] = SurveyedSample(
            i, f"sample {i}", f"label {i % LABELS}", None, {"input": NamedArray(pixels, axes)}
        )
    network = Network(
        "random",
        "none",
        (
            Layer("input", "Input", "input", (None, SIDE, SIDE, 3), axes),
            *(Layer(name, "Dense", kind="dense", activation="relu") for name in tallies),
        ),
    )
    labels = [f"label {i}" for i in range(LABELS)]
    return Survey(
        tallies, network=network, ranges=[(0, SAMPLES)], samples=samples, labels=labels, top=16
    )


def _tally(random: Any, units: int) -> LayerTally:
    peaks = np.maximum(random.normal(size=(SAMPLES, units)), 0).astype(np.float32)
    figures = SampleFigures(
        peak=peaks,
        place=np.zeros(peaks.shape, np.int64),
        low=peaks,
        mean=peaks,
        squares=np.zeros(peaks.shape),
        zeros=(peaks == 0).astype(int),
        count=np.ones(peaks.shape, int),
        some=peaks[:, None],
        axes=(),
        shape=(),
    )
    numbers = np.arange(SAMPLES)
    return LayerTally.of(figures, numbers, numbers % LABELS, LABELS, top=16, comoments=False)


def measured(browser: Browser, url: str, script: str | None = None) -> float:
    """Milliseconds until the page is painted, in a new window; or what a script then takes."""
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    page = context.new_page()
    page.goto(url, wait_until="commit")
    painted: float = page.evaluate(_PAINTED)
    took: float = painted if script is None else page.evaluate(script)
    context.close()
    return took


def main() -> None:
    """Print the figures."""
    folder = Path(tempfile.mkdtemp())
    try:
        for layers in (1, 100):
            made, begun = survey(layers), time.perf_counter()
            index = site(made, folder / str(layers))
            took = time.perf_counter() - begun
            files = [path.stat().st_size for path in index.parent.rglob("*") if path.is_file()]
            print(
                f"{UNITS:,} units in {layers} layers: written in {took:.0f} s, {len(files):,} "
                f"files, {sum(files) / 1e6:.0f} MB, the index {index.stat().st_size / 1e3:.0f} kB"
            )
        with sync_playwright() as playwright:
            path = next(filter(None, map(shutil.which, ("chromium", "google-chrome"))))
            browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
            one, many = ((folder / name / "index.html").as_uri() for name in ("1", "100"))
            cases = {
                "the first page, 100 layers": (f"{many}#/", None),
                "a layer of 10,000 units": (f"{one}#/layer_0", None),
                "  from there to its last unit": (f"{one}#/layer_0", _TO_THE_END),
                "all units that prefer a label": (f"{many}#/?label=label+3&sort=share", None),
            }
            for name, (url, script) in cases.items():
                times = [measured(browser, url, script) for _ in range(TIMES)]
                print(
                    f"{name}: {statistics.median(times):.0f} ms ({min(times):.0f}-{max(times):.0f})"
                )
            browser.close()
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
