"""The page in a real browser: the fixtures of its tests.

``served`` starts the page of a network in a process of its own, as a person does; ``visit`` opens
it. A test fails on whatever the page writes to the console, on what it throws, and on a request to
any other address than 127.0.0.1.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import layerscope
from cases import page_models, page_notebooks
from cases.page_runs import Training
from cases.page_servers import PageServers
from cases.page_visits import Visit

if TYPE_CHECKING:
    from playwright.sync_api import Browser

# Other environments than that of `nox -s browser` have no browser to drive.
collect_ignore_glob = [] if importlib.util.find_spec("playwright") else ["test_*.py"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.browser)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fails where the gate left a test of the page out: nobody would see it."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    asked = session.config.getoption("markexpr") == "browser"
    if asked and os.environ.get("CI") and reporter and reporter.stats.get("skipped"):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """Debian's Chromium, or Chrome; one for all tests."""
    from playwright.sync_api import sync_playwright

    names = ("chromium", "chromium-browser", "google-chrome")
    path = next(filter(None, map(shutil.which, names)), None)
    assert path, f"There is no browser: install one of {', '.join(names)}."
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., str]]:
    """Runs ``layerscope open`` as a person does; returns the whole address that it prints.

    It is given the name of a network of :mod:`cases.page_models`, or what stands behind ``open``.
    What was started stays for all tests that ask for the same.
    """
    servers, urls = PageServers(), {}

    def serve(*words: str) -> str:
        if words not in urls:
            argv = words
            if words[0] in page_models.INPUTS:
                path = tmp_path_factory.mktemp(words[0]) / "input.npy"
                np.save(path, page_models.INPUTS[words[0]]())
                argv = (f"cases.page_models:{words[0]}", str(path), *words[1:])
            urls[words] = servers.start(argv)
            assert urls[words].startswith("http://127.0.0.1:"), urls[words]
        return urls[words]

    yield serve
    servers.stop()


@pytest.fixture(scope="session")
def reports(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Makes networks of :mod:`cases.page_models` one file each, once for all tests."""
    folder, made = tmp_path_factory.mktemp("reports"), {}

    def report(name: str, **how: Any) -> Path:
        key = (name, *sorted(how.items()))
        if key not in made:
            model, x = getattr(page_models, name)(), page_models.INPUTS[name]()
            made[key] = layerscope.report(model, x, folder / f"{len(made)}.html", **how)
        return made[key]

    return report


@pytest.fixture(scope="session")
def notebooks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a notebook that was run, the same one trusted, and as HTML."""
    return page_notebooks.made(tmp_path_factory.mktemp("notebooks"))


@pytest.fixture(scope="session")
def lab(notebooks: Path) -> Iterator[str]:
    """Where JupyterLab answers, with the notebooks."""
    with page_notebooks.laboratory(notebooks) as url:
        yield url


@pytest.fixture(scope="session")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A training that has ended."""
    path = tmp_path_factory.mktemp("training") / "run.zarr"
    Training(path).close()
    return path


@pytest.fixture(scope="session")
def windows(chromium: Browser, served: Callable[..., str]) -> Iterator[dict[Any, Visit]]:
    """Windows that stay open, by what is looked at in them."""
    opened: dict[Any, Visit] = {}
    yield opened
    for window in opened.values():
        window.close()


@pytest.fixture
def look(
    chromium: Browser, served: Callable[..., str], windows: dict[Any, Visit]
) -> Iterator[Callable[..., Visit]]:
    """Goes to a view as ``visit`` does, in a window that other tests have used, to read there.

    The view is as the address says; the graph may have been moved.
    """
    looked: list[Visit] = []

    def go(network: str | tuple[str, ...] = "digits", view: str = "") -> Visit:
        words = (network,) if isinstance(network, str) else network
        if words not in windows:
            windows[words] = Visit(chromium, served(*words))
            windows[words].open()
        looked.append(windows[words])
        windows[words].go(view)
        return windows[words]

    yield go
    complaints = [line for window in looked for line in window.take_complaints()]
    assert not complaints, "\n".join(complaints)


@pytest.fixture
def visit(chromium: Browser, served: Callable[..., str]) -> Iterator[Callable[..., Visit]]:
    """Opens the page of a network in a window of its own, at a view; ``digits`` unless told.

    ``network`` is what ``served`` is given, several words as a tuple.

    At the end of the test it is looked at what each window complained about.
    """
    visits: list[Visit] = []

    def open_page(
        network: str | tuple[str, ...] = "digits", view: str = "", **context: Any
    ) -> Visit:
        words = (network,) if isinstance(network, str) else network
        made = Visit(chromium, served(*words), **context)
        visits.append(made)
        made.open(view)
        return made

    yield open_page
    complaints = [line for made in visits for line in made.close()]
    assert not complaints, "\n".join(complaints)
