"""Writes the table of docs/applications.md: ``python docs/make_applications.py``, on JAX."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "applications.md"
BACKENDS = {"jax": "JAX", "tensorflow": "TensorFlow", "torch": "PyTorch"}
COLUMNS = ("architecture", "family", "layers", "parameters", "boxes", *BACKENDS.values())


def table() -> str:
    """One row for each architecture; building them all takes a minute or two."""
    from cases import applications

    rows = [COLUMNS, ("---", "---", "---:", "---:", "---:", ":---:", ":---:", ":---:")]
    rows += [row(name) for name in sorted(applications.BUILDERS)]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in rows)


def row(name: str) -> tuple[str, ...]:
    """The cells of one architecture."""
    from cases import applications
    from layerscope import describe, diagram
    from layerscope.core.network import computing

    network, _ = computing(describe(applications.build(name)))
    boxes = len(diagram(network).header["boxes"])
    title = f"**{name}**" if name in applications.FAMILIES else name
    refused = (name in applications.REFUSED.get(backend, ()) for backend in BACKENDS)
    passes = ("–" if no else "✓" for no in refused)
    counts = (f"{len(network):,}", f"{network.total:,}", str(boxes))
    return title, applications.family(name), *counts, *passes


if __name__ == "__main__":
    os.environ["KERAS_BACKEND"] = "jax"  # builds all of them
    sys.path.insert(0, str(ROOT / "tests"))  # where the cases are
    page = PAGE.read_text(encoding="utf-8")
    written = re.sub(r"(?:^\|.*\n)+", lambda _: table(), page, count=1, flags=re.MULTILINE)
    PAGE.write_text(written, encoding="utf-8")
