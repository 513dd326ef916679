"""What became of every unit over several checkpoints, each of which was surveyed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from layerscope.core.errors import InputError
from layerscope.core.silence import rectified
from layerscope.core.table import a_kind
from layerscope.recordings.fate import LayerFate, layer_fate
from layerscope.recordings.fates import A_VALUE, Fates, hands_on
from layerscope.recordings.survey.layer_tally import LayerTally
from layerscope.recordings.survey.survey import Survey


def fates_of_surveys(
    surveys: Mapping[int, Survey],
    *,
    epochs: Mapping[int, float] | None = None,
    metrics: Mapping[str, npt.NDArray[np.float64]] | None = None,
    untrained: bool = False,
) -> Fates:
    """Return what became of the units of a network, surveyed at several steps of its training.

    Parameters
    ----------
    surveys
        Of one network, by the number of the step.
    epochs
        The epoch of each step that has one.
    metrics
        What was measured at each of the steps, in their order.
    untrained
        Whether the first step is of before the training.

    Raises
    ------
    InputError
        When there is none, or they are not surveys of one network.
    """
    steps = sorted(surveys)
    other = next((s for s in surveys.values() if not isinstance(s, Survey)), None)
    if not steps or other is not None:
        given = "none" if other is None else a_kind(other)
        raise InputError(f"Fates over checkpoints need a survey of each: there is {given}.")
    each = [surveys[step] for step in steps]
    of_epochs = [(epochs or {}).get(step, np.nan) for step in steps]
    first = each[0]
    known: dict[str, LayerFate] = {}
    others: dict[str, str] = {}
    silences: set[str] = set()
    for address in first.tallies:
        tallies = [survey.tallies[address] for survey in each if address in survey.tallies]
        if len({tally.units for tally in tallies}) > 1:
            raise InputError(f"These are surveys of several networks: {address!r} differs.")
        if len(tallies) < len(each):
            others[address] = "not surveyed at each step"
        elif _is_value(first, address, tallies):
            others[address] = A_VALUE
        else:
            source = hands_on(first.network, address, silences)
            silences.add(address)
            if source:
                others[address] = source
                continue
            known[address] = layer_fate(
                address,
                _fired(tallies),
                steps=steps,
                epochs=of_epochs,
                n=min(tally.samples for tally in tallies),
                untrained=untrained,
            )
    return Fates(
        known.values(),
        name=first.network.name,
        metrics=metrics,
        others=others,
        provenance=lambda: first.provenance,
    )


def _is_value(survey: Survey, address: str, tallies: Sequence[LayerTally]) -> bool:
    """Return whether a zero of the layer is a value like any other."""
    is_rectified = rectified(survey.network, address)
    return is_rectified is False or any(bool((tally.low < 0).any()) for tally in tallies)


def _fired(tallies: Sequence[LayerTally]) -> npt.NDArray[np.float64]:
    """Return on how many samples each unit fired at each step; NaN where that is not known."""
    rows = []
    for tally in tallies:
        fired = (tally.samples - tally.silent).astype(np.float64)
        # Of a sample that holds NaN it is not known whether the unit fires on it.
        unclear = (tally.nonfinite > 0) & ~(tally.high > 0)
        rows.append(np.where(unclear | (tally.counted == 0), np.nan, fired))
    return np.stack(rows)
