"""Real files that nobody here wrote; tests that need them skip where they are absent."""

from __future__ import annotations

from pathlib import Path

import pytest

REAL = Path(__file__).parents[3] / "shared" / "real"

#: Marks a test that needs them.
needs_real = pytest.mark.skipif(not REAL.is_dir(), reason="the real files are not there")
