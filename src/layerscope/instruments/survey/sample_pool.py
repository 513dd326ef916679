"""Samples of which it is not decided yet whether some unit's list will hold them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from layerscope.core.axes import NamedArray
from layerscope.inputs import Prepared
from layerscope.inputs.feeds import arrays_in
from layerscope.instruments.survey.spool import Spool, SpooledInputs
from layerscope.recordings.survey.survey import SurveyedSample

#: What the network received of samples, before it is looked at which of them stay.
_BYTES = 16_000_000
_SAMPLES = 200_000


@dataclass
class SamplePool:
    """What samples are called, and what the network received; of files, where they are."""

    samples: dict[int, SurveyedSample] = field(default_factory=dict)  #: by their numbers
    spool: Spool = field(default_factory=Spool)
    _bytes: int = 0
    _kept: int = 0  #: bytes that were left when it was last looked at

    @property
    def is_full(self) -> bool:
        """Whether it has grown to twice of what was needed before."""
        return self._bytes > max(_BYTES, 2 * self._kept) or len(self.samples) > _SAMPLES

    def put(
        self,
        prepared: Prepared,
        numbers: Any,
        labels: Sequence[str | None],
        paths: Sequence[str],
        axes: Mapping[str, tuple[str, ...]],
    ) -> None:
        """Add a batch; ``paths`` are those of all files, ``axes`` those of the inputs, by name."""
        arrays = list(arrays_in(prepared.value))
        names = prepared.samples
        for i, number in enumerate(numbers.tolist()):
            file, row = None, 0
            inputs: Mapping[str, NamedArray] = {}
            if prepared.files:
                at, row = prepared.files[i]
                file = str(Path(paths[at]).absolute())
            else:
                inputs = {
                    name: NamedArray(np.array(array[i : i + 1]), tuple(axes[name]))
                    for name, array in zip(axes, arrays, strict=False)
                    if np.ndim(array) and len(array) == len(numbers)
                }
                self._bytes += sum(array.values.nbytes for array in inputs.values())
                inputs = self.spool.inputs(inputs)
            name = names[i] if i < len(names) else f"sample {number}"
            self.samples[number] = SurveyedSample(number, name, labels[i], file, inputs, row)

    def keep(self, referred: Collection[int]) -> None:
        """Let go of all samples but these."""
        self.samples = {n: sample for n, sample in self.samples.items() if n in referred}
        self._bytes = self._kept = sum(
            inputs.nbytes
            if isinstance(inputs, SpooledInputs)
            else sum(array.values.nbytes for array in inputs.values())
            for inputs in (sample.inputs for sample in self.samples.values())
        )
