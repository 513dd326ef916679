"""What all tests share: Keras' backend, and the folder of real files where there is one."""

from __future__ import annotations

import os
from pathlib import Path

import hypothesis
import pytest

os.environ.setdefault("KERAS_BACKEND", "jax")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("MPLBACKEND", "agg")

IN_CI = bool(os.environ.get("CI"))

# How long an example takes says more about the machine than about the code; and a run of CI that
# fails must fail again when it is repeated.
hypothesis.settings.register_profile("local", deadline=None)
hypothesis.settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True)
hypothesis.settings.load_profile("ci" if IN_CI else "local")

REAL = Path(__file__).parents[2] / "shared" / "real"


@pytest.fixture
def real() -> Path:
    """The folder of real images and models; where it is absent, skips, but fails in CI."""
    if not REAL.is_dir():
        missing = "there is no ../shared/real beside the repository"
        pytest.fail(missing) if IN_CI else pytest.skip(missing)
    return REAL
