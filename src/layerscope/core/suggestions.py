"""Names near one that there is not: ``did you mean 'conv2d'?``."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable


def did_you_mean(
    name: str,
    names: Iterable[str],
    *,
    most: int = 3,
    cutoff: float = 0.6,
    write: Callable[[str], str] = repr,
) -> str:
    """Return ``did you mean 'a' or 'b'?``, of the names nearest to this one; "" where none is near.

    Parameters
    ----------
    most
        How many names to suggest.
    cutoff
        How much alike they have to be, from 0 to 1.
    write
        Makes of a name what the sentence has for it.
    """
    near = difflib.get_close_matches(name, list(names), n=most, cutoff=cutoff)
    return f"did you mean {' or '.join(map(write, near))}?" if near else ""
