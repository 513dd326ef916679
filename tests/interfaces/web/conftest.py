"""The page in a real browser: the fixtures of its tests.

``served`` starts the page of a network in a process of its own, as a person does; ``visit`` opens
it. A test fails on whatever the page writes to the console, on what it throws, and on a request to
any other address than 127.0.0.1.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from cases import page_models
from cases.page_visits import Visit

if TYPE_CHECKING:
    from playwright.sync_api import Browser

# Other environments than that of `nox -s browser` have no browser to drive.
collect_ignore_glob = [] if importlib.util.find_spec("playwright") else ["test_*.py"]

TESTS = Path(__file__).parents[2]


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
    started: dict[tuple[str, ...], subprocess.Popen[str]] = {}
    urls: dict[tuple[str, ...], str] = {}

    def serve(*words: str) -> str:
        if words not in urls:
            argv = words
            if words[0] in page_models.INPUTS:
                path = tmp_path_factory.mktemp(words[0]) / "input.npy"
                np.save(path, page_models.INPUTS[words[0]]())
                argv = (f"cases.page_models:{words[0]}", str(path), *words[1:])
            started[words] = process = _started(argv)
            assert process.stdout is not None
            urls[words] = process.stdout.readline().strip()
            assert urls[words].startswith("http://127.0.0.1:"), urls[words]
        return urls[words]

    yield serve
    for process in started.values():
        process.terminate()
        process.communicate(timeout=60)


def _started(argv: Sequence[str]) -> subprocess.Popen[str]:
    env = {**os.environ, "KERAS_BACKEND": "torch"}
    env["PYTHONPATH"] = os.pathsep.join(filter(None, [str(TESTS), env.get("PYTHONPATH")]))
    # The command itself, where this Python has it.
    command = [sys.executable, "-c", "from layerscope.interfaces.cli import run; run()", "open"]
    return subprocess.Popen(
        [*command, *argv, "--no-browser"], stdout=subprocess.PIPE, text=True, env=env
    )


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
