"""Attention weights in pictures: what is masked, which way queries run, heads made one map."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from layerscope.core.attention import is_attention, mean_over_heads
from layerscope.core.axes import NamedArray
from layerscope.core.errors import ViewError
from layerscope.recordings.recording import Recording
from layerscope.views.render.grid import Heading
from layerscope.views.render.palette import MASKED
from layerscope.views.render.select_maps import Chosen

SUMMARIES = ("mean", "rollout")  #: what heads are made one map by
_SHOWN = 4  #: layers that a note names


def attending(heading: Heading, chosen: Chosen) -> Heading:
    """Return the heading of maps of attention, with their axes and what is masked."""
    ways = "down: query, across: key"
    masked = chosen.masked
    if masked is None:
        note, legend = ways, heading.legend
    else:
        closed, of = int(masked.sum()), masked.size
        note, legend = f"{ways}; {closed} of {of} masked", (*heading.legend, (MASKED, "masked"))
    note = "; ".join(filter(None, (note, heading.note)))
    return replace(heading, note=note, legend=legend, axes=("query", "key"))


def of_heads(recording: Recording, address: str | None, heads: str) -> Recording:
    """Return a recording of one map at this address, the heads of its attention made one.

    Raises
    ------
    ViewError
        When it is no attention, or ``heads`` is no way to make heads one.
    """
    if heads not in SUMMARIES:
        raise ViewError(f"heads={heads!r}: pass 'mean' or 'rollout', or nothing for each head.")
    place = recording.place(address or "input")
    array = recording.named(place.layer)
    if not is_attention(array.axes) or place.unit is not None:
        raise ViewError(
            f"{str(place)!r} has the axes {', '.join(array.axes)}: heads= is for all heads of "
            "attention weights, such as 'mha/attention'."
        )
    if heads == "mean":
        count = array.values.shape[array.axes.index("head")] if "head" in array.axes else 1
        values, axes = mean_over_heads(array.values, array.axes)
        attrs = {"summary": f"mean over {count} heads of "}
        return _alone(recording, place.layer, NamedArray(values, axes, attrs))
    length = recording[place.layer].sizes["key"]
    through = []
    for layer in recording:
        shown = recording.named(layer)
        sizes = dict(zip(shown.axes, shown.values.shape, strict=True))
        if is_attention(shown.axes) and sizes["query"] == sizes["key"] == length:
            through.append(layer)
        if layer == place.layer:
            break
    rolled = recording.rollout([*through, *([] if place.layer in through else [place.layer])])
    made = rolled.named(place.layer)
    count = len(made.attrs["rollout"])
    attrs = {
        "summary": f"rollout of {count} layer{'s' * (count != 1)} up to ",
        "note": _through(made.attrs["rollout"], made.attrs["residual"]),
    }
    return _alone(recording, place.layer, NamedArray(made.values, made.axes, attrs))


def _through(layers: Sequence[str], residual: float) -> str:
    """Return which layers a rollout took, and what it added to each."""
    shown = list(layers)
    if len(shown) > _SHOWN:
        shown = [*shown[: _SHOWN - 1], "…", shown[-1]]
    return f"{', '.join(shown)}, each {1 - residual:g} attention + {residual:g} identity"


def _alone(recording: Recording, address: str, array: NamedArray) -> Recording:
    """Return one array in place of all that was recorded."""
    return Recording(
        {address: array},
        network=recording.network,
        notes=recording.notes,
        digest=lambda: recording.provenance,
        samples=recording.samples,
        kind=recording.kind,
    )
