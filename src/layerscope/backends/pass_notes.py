"""What a reader of a network should know of the pass that has shown it, in sentences."""

from __future__ import annotations

from collections.abc import Collection

_SHOWN = 8  #: names that a note lists


def pass_notes(
    *,
    in_loops: Collection[str],
    in_threads: Collection[str],
    scaled: Collection[str],
    too_large: Collection[str],
    guessed: Collection[str],
    over_batch: Collection[str],
) -> tuple[str, ...]:
    """Return a sentence for each of these that names any layer.

    Parameters
    ----------
    in_loops, in_threads
        Layers that were called where no value can be seen.
    scaled
        Functions that did arithmetic with plain numbers.
    too_large
        Attention weights that nobody has asked for by name.
    guessed
        Layers whose source is not known.
    over_batch
        Layers that normalize by the statistics of the samples that run together.
    """
    notes = []
    if in_loops:
        notes.append(f"left out, because they run inside a loop: {_listed(in_loops)}")
    if in_threads:
        notes.append(f"left out, because they ran in another thread: {_listed(in_threads)}")
    if scaled:
        names = ", ".join(scaled)
        notes.append(f"not listed, since they only scale or shift by a number: {names}")
    if too_large:
        names = ", ".join(list(too_large)[:_SHOWN])
        notes.append(f"left out, because of their size, unless layers= names them: {names}")
    if guessed:
        notes.append(guessed_note(guessed))
    if over_batch:
        verb, its, it = (
            ("normalizes", "its", "it") if len(over_batch) == 1 else ("normalize", "their", "them")
        )
        notes.append(
            f"{_listed(over_batch)} {verb} by the statistics of the batch: {its} values, and those "
            f"after {it}, depend on which samples are run together"
        )
    return tuple(notes)


def guessed_note(addresses: Collection[str]) -> str:
    """Return what to say of layers whose source is not known."""
    return (
        "code between layers is not seen, so the value computed last is taken for the source of "
        f"{_listed(addresses)}"
    )


def _listed(names: Collection[str]) -> str:
    """Return the first few names, and whether there are more."""
    return ", ".join(list(names)[:_SHOWN]) + (", …" if len(names) > _SHOWN else "")
