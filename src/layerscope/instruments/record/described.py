"""What of each step is kept, as JSON can say it: a recording gone on with keeps the same."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from layerscope.core.errors import OutputError
from layerscope.instruments.record.plan import RecordingPlan

if TYPE_CHECKING:
    from layerscope.recordings.store.reader import StoreReader


def kept_json(plan: RecordingPlan, dtype: str) -> dict[str, Any]:
    """Return which samples, channels, weights and types."""
    return {
        "dtype": dtype,
        "samples": list(plan.samples),
        "channels": plan.channels,
        "weights": [array.address for array in plan.weights],
        "dtypes": {array.address: array.dtype for array in (*plan.layers, *plan.weights)},
    }


def as_before(plan: RecordingPlan, kept: Mapping[str, Any], dtype: str) -> RecordingPlan:
    """Return the plan of a recording that is resumed: as ``kept_json`` had it when it began.

    What is asked for otherwise than then is left as it is asked for, for the store to refuse.
    """
    # By size alone a layer is stored wider; whether it is was decided at the beginning.
    dtypes = kept.get("dtypes", {}) if kept.get("dtype") == dtype else {}
    dtypes = {address: name for address, name in dtypes.items() if name in np.sctypeDict}
    layers = (replace(a, dtype=dtypes.get(a.address, a.dtype)) for a in plan.layers)
    weights = (replace(a, dtype=dtypes.get(a.address, a.dtype)) for a in plan.weights)
    return replace(
        plan,
        samples=tuple(kept.get("samples", plan.samples)),
        channels=kept.get("channels"),
        layers=tuple(layers),
        weights=tuple(a for a in weights if a.address in kept.get("weights", ())),
    )


def check_probe(
    url: str,
    before: StoreReader,
    inputs: Mapping[str, npt.NDArray[Any]],
    provenance: Mapping[str, str],
) -> None:
    """Raise OutputError where the recording that is there looked at other inputs than these.

    ``inputs`` are those of the samples that are stored; the digest in ``provenance`` is of the
    whole probe, which the statistics are of.
    """
    then, now = (before.schema.attrs.get("provenance") or {}).get("input"), provenance.get("input")
    other = then is not None and now is not None and then != now
    for name, values in inputs.items():
        there = before.read("input", name, "values")
        other = other or not np.array_equal(there, values, equal_nan=values.dtype.kind == "f")
    if other:
        raise OutputError(
            f"The recording {url!r} can't be gone on with: its probe holds other values than this "
            "one; pass the same probe, or record to another place."
        )
