"""What all tests share: Keras' backend, and the folder of real files where there is one."""

from __future__ import annotations

import gc
import importlib.util
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

from cases import forked_runs
from cases.amounts import amount, compiles, examples, some

# Nothing is compiled on PyTorch: it is the quickest to test on.
_QUICKEST = "torch" if importlib.util.find_spec("torch") else "jax"
os.environ.setdefault("KERAS_BACKEND", _QUICKEST)
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("MPLBACKEND", "agg")

# What a shell runs in its background has its interrupts ignored, and so would all that it starts:
# what tests that interrupt a process wait for would never come.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

IN_CI = bool(os.environ.get("CI"))
FULL = bool(os.environ.get("LAYERSCOPE_FULL"))

# How long an example takes says more about the machine than about the code; and a run of CI that
# fails must fail again when it is repeated. `nox -s full` looks for what the gate has not met.
local = hypothesis.settings(deadline=None, max_examples=amount(examples(20), full=1_000))
seeking = hypothesis.settings(local, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.register_profile("local", local)
hypothesis.settings.register_profile("ci", local, derandomize=True, print_blob=True)
hypothesis.settings.register_profile("full", seeking, print_blob=True)
hypothesis.settings.load_profile("full" if FULL else "ci" if IN_CI else "local")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out combinations of parameters where Keras compiles: all of them run on PyTorch."""
    if FULL or not compiles():
        return
    functions: dict[str, list[pytest.Function]] = {}
    for item in items:
        is_one_of_several = isinstance(item, pytest.Function) and hasattr(item, "callspec")
        if is_one_of_several and item.get_closest_marker("combinations"):
            functions.setdefault(item.nodeid.partition("[")[0], []).append(item)
    left_out: set[pytest.Item] = set()
    for each in functions.values():
        left_out |= set(each) - {each[n] for n in some([one.callspec.params for one in each])}
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if item not in left_out]


def pytest_collection_finish() -> None:
    """Take what was imported, a million objects that stay, from what is looked at for garbage."""
    gc.collect()
    gc.freeze()


REAL = Path(__file__).parents[2] / "shared" / "real"


@pytest.fixture
def real() -> Path:
    """The folder of real images and models; where it is absent, skips, but fails in CI."""
    if not REAL.is_dir():
        missing = "there is no ../shared/real beside the repository"
        pytest.fail(missing) if IN_CI else pytest.skip(missing)
    return REAL


@pytest.fixture(scope="session")
def scripts() -> Iterator[forked_runs.Program]:
    """Runs scripts that record scikit-learn's perceptrons, each in a process of its own."""
    path = Path(forked_runs.__file__).with_name("recorder_scripts.py")
    with forked_runs.started(path) as program:
        yield program
