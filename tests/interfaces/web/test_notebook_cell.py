"""What notebooks show: a real JupyterLab, trusted and not, and the same notebook as HTML."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from playwright.sync_api import expect

from cases.page_visits import Visit

TESTS = Path(__file__).parents[2]

CELLS = (
    "import layerscope as ls\nfrom cases import page_models\n"
    "acts = ls.activations(page_models.digits(), page_models.digit_images())\nacts",
    "acts.network",
    "ls.histogram(acts, 'conv2d')",
    "ls.sheet(acts, 'conv2d')",
    "ls.weights(page_models.digits())",
    "ls.across(acts, 2)",
    "from cases.visualizations import coloured\ncoloured()",
)


def run(words: list[str], folder: Path) -> None:
    subprocess.run([sys.executable, "-m", *words], check=True, env=environment(folder), cwd=folder)


def environment(folder: Path) -> dict[str, str]:
    env = {**os.environ, "KERAS_BACKEND": "torch", "HOME": str(folder)}
    env |= {"JUPYTER_PLATFORM_DIRS": "1", "IPYTHONDIR": str(folder / "ipython")}
    env["PYTHONPATH"] = os.pathsep.join(filter(None, [str(TESTS), env.get("PYTHONPATH")]))
    return env


@pytest.fixture(scope="module")
def notebooks(tmp_path_factory) -> Path:
    """A folder with a notebook that was run, the same one trusted, and as HTML."""
    folder = tmp_path_factory.mktemp("notebooks")
    import nbformat  # with JupyterLab: requirements/notebook.txt

    notebook = nbformat.v4.new_notebook()
    notebook.cells = [nbformat.v4.new_code_cell(cell) for cell in CELLS]
    nbformat.write(notebook, folder / "plain.ipynb")
    run(["nbconvert", "--to", "notebook", "--execute", "--inplace", "plain.ipynb"], folder)
    run(["nbconvert", "--to", "html", "plain.ipynb", "--output", "page.html"], folder)
    (folder / "trusted.ipynb").write_bytes((folder / "plain.ipynb").read_bytes())
    other = nbformat.read(folder / "plain.ipynb", as_version=4)
    other.cells.append(nbformat.v4.new_markdown_cell("trust goes by what is in a notebook"))
    nbformat.write(other, folder / "stranger.ipynb")
    run(["jupyter", "trust", "trusted.ipynb"], folder)
    return folder


@pytest.fixture(scope="module")
def lab(notebooks):
    words = ["jupyterlab", "--no-browser", "--ServerApp.ip=127.0.0.1", "--ServerApp.port=0"]
    words += ["--allow-root", f"--ServerApp.root_dir={notebooks}", "--IdentityProvider.token=t"]
    command = [sys.executable, "-m", *words, "--LabApp.news_url=None"]
    process = subprocess.Popen(
        command, stderr=subprocess.PIPE, text=True, env=environment(notebooks), cwd=notebooks
    )
    assert process.stderr is not None
    found = next(filter(None, (re.search(r"http://127\.0\.0\.1:\d+", s) for s in process.stderr)))
    yield found[0]
    for _ in range(2):  # the second time it does not wait for its kernels, which end with it
        process.terminate()
    process.communicate(timeout=120)


def frames(there: Visit):
    return [frame for frame in there.page.frames if frame.url == "about:srcdoc"]


def check_first_frame(there: Visit) -> None:
    """The first cell's page answers: another layer, by the keyboard alone."""
    first = there.page.frame_locator("iframe").first
    expect(first.get_by_role("heading", name="digits")).to_be_visible(timeout=60_000)
    layer = first.get_by_role("region", name="conv2d", exact=True)
    expect(layer.locator("canvas").first).to_have_attribute("aria-label", re.compile("8 channels"))
    first.get_by_role("button", name="sample 1:").click()
    expect(first.get_by_role("button", name="sample 1:")).to_have_attribute("aria-pressed", "true")
    for _ in range(2):  # to the first layer, and on to the next
        first.locator("body").press("ArrowDown")
    expect(first.get_by_role("heading", name="max_pooling2d")).to_be_visible()


def test_a_trusted_notebook_shows_pages_in_frames(chromium, lab):
    there = Visit(chromium, f"{lab}/lab/tree/trusted.ipynb?token=t&reset")
    there.page.goto(there.url)
    expect(there.page.locator("iframe")).to_have_count(len(CELLS), timeout=120_000)
    check_first_frame(there)
    there.context.close()  # JupyterLab's own console is not ours


def test_a_notebook_that_is_not_trusted_shows_pictures(chromium, lab):
    there = Visit(chromium, f"{lab}/lab/tree/stranger.ipynb?token=t&reset")
    there.page.goto(there.url)
    pictures = there.page.locator(".jp-OutputArea-output img")
    expect(pictures).to_have_count(len(CELLS), timeout=120_000)
    assert there.page.locator("iframe").count() == 0
    for i in range(len(CELLS)):
        assert pictures.nth(i).evaluate("async (img) => { await img.decode(); return img.width; }")
    there.context.close()


def test_the_notebook_as_html_shows_the_same_with_no_network(chromium, notebooks):
    there = Visit(chromium, (notebooks / "page.html").as_uri(), offline=True)
    there.page.goto(there.url, wait_until="domcontentloaded")
    expect(there.page.locator("iframe")).to_have_count(len(CELLS))
    check_first_frame(there)
    assert len(frames(there)) >= 1
    there.context.close()  # nbconvert asks for MathJax
