"""What all tests share: Keras' backend, and the folder of real files where there is one."""

from __future__ import annotations

import importlib.util
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

from cases import forked_runs
from cases.amounts import amount

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
local = hypothesis.settings(deadline=None, max_examples=amount(20, full=1_000))
seeking = hypothesis.settings(local, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.register_profile("local", local)
hypothesis.settings.register_profile("ci", local, derandomize=True, print_blob=True)
hypothesis.settings.register_profile("full", seeking, print_blob=True)
hypothesis.settings.load_profile("full" if FULL else "ci" if IN_CI else "local")

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
