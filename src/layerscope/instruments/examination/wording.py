"""How findings write units, shares and numbers."""

from __future__ import annotations

from collections.abc import Sequence, Sized

import numpy as np

_NAMED = 6


def unit_names(units: Sequence[int]) -> str:
    """Return ``unit 3``, ``units 3, 5 and 7``, or the first of many."""
    numbers = [str(int(unit)) for unit in units]
    if len(numbers) == 1:
        return f"unit {numbers[0]}"
    if len(numbers) <= _NAMED:
        return f"units {', '.join(numbers[:-1])} and {numbers[-1]}"
    return f"units {', '.join(numbers[:_NAMED])} and {len(numbers) - _NAMED} more"


def of_units(units: Sequence[int], count: int) -> str:
    """Return ``all 64 units``, or ``3 of 64 units (3, 5 and 7)``."""
    if len(units) == count:
        return "its only unit" if count == 1 else f"all {count} units"
    return f"{len(units)} of {count} units ({unit_names(units).partition(' ')[2]})"


def be(units: Sized) -> str:
    """Return ``is`` or ``are``."""
    return "is" if len(units) == 1 else "are"


def number(value: float) -> str:
    """Return a number to three digits."""
    return f"{value:.3g}"


def times(ratio: float) -> str:
    """Return how many times as large: ``255 times``."""
    return f"{ratio:,.0f} times" if 10 <= ratio < 1e6 else f"{ratio:.2g} times"


def percent(share: float) -> str:
    """Return a share in percent; what is almost none or almost all is not rounded to it."""
    if 0 < share < 0.01:
        return f"{share:.2%}".replace("%", " %") if share >= 5e-5 else "under 0.01 %"
    if 0.99 < share < 1:
        return "over 99 %"
    return f"{share:.0%}".replace("%", " %")


def samples_text(count: int | None) -> str:
    """Return ``1,000 samples``."""
    return "the samples" if count is None else f"{count:,} sample{'s' * (count != 1)}"


def listed(names: Sequence[str]) -> str:
    """Return names as a sentence lists them; of many the first, and how many more."""
    if len(names) > _NAMED:
        return f"{', '.join(names[: _NAMED - 2])} and {len(names) - _NAMED + 2} more"
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def largest(values: np.ndarray) -> float:
    """Return the largest absolute value that is finite; NaN where there is none."""
    finite = values[np.isfinite(values)]
    return float(np.abs(finite).max()) if finite.size else float("nan")
