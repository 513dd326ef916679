"""Checks of images on data: the same path as a unit's strongest samples, and whether it holds up.

Both compare profiles (see ``profiles.py``), less their mean over samples, as what all inputs share
says nothing, by rank correlation. *Same path*, layer by layer: the image and the unit's
strongest samples, beside these samples among one another and beside samples drawn at random. *Holds
up*: in the last layer before the unit, does a sample's likeness to the image predict how strongly
the unit fires on it? The image was made without any of these values.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from layerscope.core.rank_correlation import rank_correlations, standard_ranks
from layerscope.instruments.features.ascent.task import Task
from layerscope.instruments.features.diagnosis.profiles import (
    layers_before,
    profiles_of_images,
    profiles_of_samples,
)
from layerscope.instruments.features.diagnosis.sample_scores import SampleScores
from layerscope.recordings.image_checks import HoldsUp, LayerLikeness, SamePath

Array = npt.NDArray[np.float64]

LEAST_SAMPLES = 20  #: fewer say nothing of what is normal
_VALUES = 8_000_000  #: of the profiles of a layer, of all samples
_DRAWS = 200  #: samples, each with others, that say what is normal
_RESAMPLED = 500
_INTERVAL = (2.5, 97.5)


@dataclass(frozen=True)
class ImageChecks:
    """What checks of one image came to; None where the samples do not tell."""

    same_path: SamePath | None = None
    holds_up: HoldsUp | None = None


def image_checks(task: Task, images: npt.NDArray[np.float32], scores: SampleScores | None) -> (
    list[ImageChecks]
):  # fmt: skip
    """Return the checks of unit images, those of one objective after another.

    Nothing is checked with fewer than 20 samples, where no layer comes before what the objective
    reads, or where it is the same for all samples.
    """
    layers = layers_before(task) if scores is not None and task.program.scorer.taps else []
    if scores is None or not layers or len(scores.drawn) < LEAST_SAMPLES:
        return [ImageChecks()] * len(images)
    numbers = np.union1d(scores.drawn, scores.strongest[scores.strongest >= 0])
    rows = {number: row for row, number in enumerate(numbers.tolist())}
    drawn = np.array([rows[number] for number in scores.drawn.tolist()])
    most = max(1, _VALUES // len(numbers))
    profiles = profiles_of_images(task, layers, images, most)
    of_samples = profiles_of_samples(task, layers, numbers, most)
    of_images: dict[str, Array] = {}
    for layer in layers:
        mean = of_samples[layer][drawn].mean(axis=0)
        of_images[layer] = standard_ranks(profiles[layer] - mean)
        of_samples[layer] = standard_ranks(of_samples[layer] - mean).astype(np.float32)
    normal = {
        layer: _normal(of_samples[layer][drawn], scores.strongest.shape[1]) for layer in layers
    }
    among = np.nan_to_num(of_samples[layers[-1]][drawn] @ of_samples[layers[-1]].T)
    checks = []
    for image in range(len(images)):
        objective = image // task.variants
        values = scores.scores[objective]
        known = np.isfinite(values).all() and (scores.strongest[objective] >= 0).all()
        if not known or np.ptp(values) == 0:
            checks.append(ImageChecks())
            continue
        strongest = np.array([rows[number] for number in scores.strongest[objective].tolist()])
        likeness = [
            _likeness(layer, of_images[layer][image], of_samples[layer][strongest], normal[layer])
            for layer in layers
        ]
        path = SamePath(tuple(filter(None, likeness)), len(strongest), len(drawn))
        # What excites nothing, or all units alike, is like nothing.
        like_it = np.nan_to_num(of_samples[layers[-1]][drawn] @ of_images[layers[-1]][image])
        held = _held(layers[-1], like_it, among, drawn, strongest, values)
        checks.append(ImageChecks(path, held))
    return checks


def _normal(ranks: Array, strongest: int) -> tuple[float, float]:
    """Return how alike samples drawn at random are to as many others: the median, and 95 %."""
    random = np.random.default_rng(0)
    correlations = ranks @ ranks.T
    count = len(ranks)
    means = []
    for _ in range(_DRAWS):
        one, *others = random.choice(count, min(strongest + 1, count), replace=False)
        means.append(_mean(correlations[one, others]))
    known = np.array(means)[np.isfinite(means)]
    if not len(known):
        return np.nan, np.nan
    return float(np.median(known)), float(np.quantile(known, 0.95))


def _likeness(
    layer: str, image: Array, strongest: Array, normal: tuple[float, float]
) -> LayerLikeness | None:
    """Return how alike an image and a unit's strongest samples are in a layer.

    None where one of them has no order.
    """
    of_image = _mean(strongest @ image)
    of_pairs = _mean((strongest @ strongest.T)[np.triu_indices(len(strongest), 1)])
    if not np.isfinite([of_pairs, *normal]).all():
        return None
    # A layer in which an image excites nothing, or all alike, has nothing of its samples.
    return LayerLikeness(layer, of_image if np.isfinite(of_image) else 0.0, of_pairs, *normal)


def _held(
    layer: str, like_it: Array, among: Array, drawn: Array, strongest: Array, values: Array
) -> HoldsUp | None:
    """Return how well likeness to an image predicts the objective's values on samples drawn.

    ``among`` is how alike these are to all samples, ``(drawn, sample)``.
    """
    if np.ptp(like_it) == 0:
        return None
    ranks = standard_ranks(np.stack([like_it, values]))
    random = np.random.default_rng(0)
    again = random.integers(len(drawn), size=(_RESAMPLED, len(drawn)))
    resampled = [np.asarray(np.corrcoef(ranks[:, some]))[0, 1] for some in again]
    low, high = np.nanpercentile(resampled, _INTERVAL)
    usual = [_predicts(among[:, one], values, drawn != one) for one in drawn.tolist()]
    best = [_predicts(among[:, one], values, drawn != one) for one in strongest.tolist()]
    return HoldsUp(
        layer,
        float(ranks[0] @ ranks[1]),
        float(low),
        float(high),
        float(np.nanmedian(usual)) if np.isfinite(usual).any() else np.nan,
        float(np.nanmedian(best)) if np.isfinite(best).any() else np.nan,
        len(drawn),
    )


def _predicts(likeness: Array, values: Array, others: Array) -> float:
    """Return the rank correlation of likeness to a sample with values on the others."""
    return float(rank_correlations(likeness[None, others], values[None, others])[0, 0])


def _mean(values: Array) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else np.nan
