"""What the numbers of a check say, in words."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from layerscope.recordings.attribution import ALIKE, COMPLETE, MapCheck

_CLEARLY = 0.02  #: a smaller difference of areas is none


def words_of(check: MapCheck) -> tuple[str, ...]:
    """Return what the numbers of a check say."""
    words: list[str] = []
    if check.gap > COMPLETE:
        words.append(f"its sum is {100 * check.gap:.2g} % off what it is to explain")
    for way, better in (("deletion", "falls"), ("insertion", "rises")):
        areas = getattr(check, way)
        if areas and np.isfinite(areas["map"]):
            words.append(_curve_words(areas, better, lower=way == "deletion"))
    if check.deletion and not np.isfinite(check.deletion["map"]):
        words.append(
            "the input's score is no higher than with all of it gone, so that neither curve says "
            "anything"
        )
    if check.shuffled:
        words.append(_shuffled_words(list(check.shuffled.values())[-1], check))
    if np.isfinite(check.sensitivity):
        unsteady = ", so look at a smoother one" if check.sensitivity > 1 else ""
        words.append(f"2 % of noise changes it by {100 * check.sensitivity:.0f} %{unsteady}")
    return tuple(words)


def _curve_words(areas: Mapping[str, float], better: str, *, lower: bool) -> str:
    sign = -1 if lower else 1
    going = "as its strongest places go" if lower else "as its strongest places come"
    random = "random blobs" if "edges" in areas else "a random order"
    others = {"random": random, "edges": "edges"}
    worse = [
        f"{others[name]} ({areas[name]:.2f})"
        for name in others
        if name in areas and sign * (areas["map"] - areas[name]) <= _CLEARLY
    ]
    beaten = [f"{others[name]} ({areas[name]:.2f})" for name in others if name in areas]
    if worse:
        return (
            f"{going}, the score {better} no faster ({areas['map']:.2f}) than with "
            f"{' and '.join(worse)}"
        )
    return f"{going}, the score {better} faster ({areas['map']:.2f}) than with " + " and ".join(
        beaten
    )


def _shuffled_words(alike: float, check: MapCheck) -> str:
    if alike > ALIKE:
        edges = (
            f" the image's edges (rank correlation {check.edges:.2f} with them)"
            if check.edges > ALIKE
            else " the input"
        )
        return (
            f"this map changes little when the network is shuffled (rank correlation {alike:.2f}): "
            f"it shows{edges}, not what the network saw"
        )
    return f"it changes when the network is shuffled (rank correlation {alike:.2f})"
