"""A notebook whose cells show pages: trusted and not, in a real JupyterLab, and as HTML."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cases.page_visits import Visit

TESTS = Path(__file__).parents[1]

CELLS = (
    "import layerscope as ls\nfrom cases import page_models\n"
    "acts = ls.activations(page_models.digits(), page_models.digit_images())\nacts",
    "ls.activations(page_models.transformer(), page_models.INPUTS['transformer']())",
    "from cases.page_runs import ended\nfrom layerscope.views.run_tables import run_tables\n"
    "run_tables(ended('run.zarr'))[0]",
    "acts.network",
    "ls.histogram(acts, 'conv2d')",
    "ls.sheet(acts, 'conv2d')",
    "ls.weights(page_models.digits())",
    "ls.across(acts, 2)",
    "from cases.visualizations import coloured\ncoloured()",
)

#: Which cell shows the page of a network of :mod:`cases.page_models`, or a table.
SHOWN = {"digits": 0, "transformer": 1, "table": 2}


def made(folder: Path) -> Path:
    """Write a notebook that was run, the same one trusted, and as HTML; return their folder."""
    import nbformat  # with JupyterLab: requirements/notebook.txt

    notebook = nbformat.v4.new_notebook()
    notebook.cells = [nbformat.v4.new_code_cell(cell) for cell in CELLS]
    nbformat.write(notebook, folder / "plain.ipynb")
    _run(["nbconvert", "--to", "notebook", "--execute", "--inplace", "plain.ipynb"], folder)
    _run(["nbconvert", "--to", "html", "plain.ipynb", "--output", "page.html"], folder)
    (folder / "trusted.ipynb").write_bytes((folder / "plain.ipynb").read_bytes())
    other = nbformat.read(folder / "plain.ipynb", as_version=4)
    other.cells.append(nbformat.v4.new_markdown_cell("trust goes by what is in a notebook"))
    nbformat.write(other, folder / "stranger.ipynb")
    _run(["jupyter", "trust", "trusted.ipynb"], folder)
    return folder


@contextmanager
def laboratory(folder: Path) -> Iterator[str]:
    """Run JupyterLab over a folder; yield where it answers."""
    words = ["jupyterlab", "--no-browser", "--ServerApp.ip=127.0.0.1", "--ServerApp.port=0"]
    words += ["--allow-root", f"--ServerApp.root_dir={folder}", "--IdentityProvider.token=t"]
    command = [sys.executable, "-m", *words, "--LabApp.news_url=None"]
    process = subprocess.Popen(
        command, stderr=subprocess.PIPE, text=True, env=_environment(folder), cwd=folder
    )
    assert process.stderr is not None
    found = next(filter(None, (re.search(r"http://127\.0\.0\.1:\d+", s) for s in process.stderr)))
    yield found[0]
    for _ in range(2):  # the second time it does not wait for its kernels, which end with it
        process.terminate()
    process.communicate(timeout=120)


#: Has a frame note what goes wrong in it; what was noted so far is handed over.
_NOTED = """() => {
  if (!globalThis.wrong) {
    globalThis.wrong = [];
    for (const kind of ["error", "unhandledrejection", "securitypolicyviolation"]) {
      addEventListener(kind, (event) =>
        wrong.push(`${kind}: ${event.message || event.reason || event.violatedDirective}`));
    }
  }
  return wrong.splice(0);
}"""


def noted(there: Visit) -> list[str]:
    """Return what went wrong in the cell's frame since it was entered, or asked so last."""
    return list(there.frame.evaluate(_NOTED))


def enter(there: Visit, cell: int) -> None:
    """Go to the page in a cell's frame, and wait until it is drawn."""
    frame = there.page.locator("iframe").nth(cell)
    frame.scroll_into_view_if_needed()  # it is loaded once it is near
    inside = frame.element_handle().content_frame()
    assert inside is not None
    there.frame = inside
    inside.locator("canvas, table").first.wait_for()
    there.settled()
    noted(there)


def _run(words: list[str], folder: Path) -> None:
    subprocess.run([sys.executable, "-m", *words], check=True, env=_environment(folder), cwd=folder)


def _environment(folder: Path) -> dict[str, str]:
    env = {**os.environ, "KERAS_BACKEND": "torch", "HOME": str(folder)}
    env |= {"JUPYTER_PLATFORM_DIRS": "1", "IPYTHONDIR": str(folder / "ipython")}
    env["PYTHONPATH"] = os.pathsep.join(filter(None, [str(TESTS), env.get("PYTHONPATH")]))
    return env
