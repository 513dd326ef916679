"""From where on a figure is a finding: all thresholds, which docs/examination.md gives reasons for.

Where the network's own past or a healthy recording is there, it is what is normal; these decide
how far from it is far.
"""

from __future__ import annotations

ENOUGH_SAMPLES = 32  #: fewer can't tell that most of a layer is silent
FEW_SAMPLES = 8  #: fewer can't tell what is always so

SILENT_SHARE = 0.9  #: of a layer's units that are silent
DIED_SHARE = 0.6  #: of a layer's units that died in the training
SILENT_MORE = 0.25  #: by how much more than what was normal

CONSTANT = 1e-6  #: a spread, as a share of the layer's size

FLAT_SLOPE = 0.05  #: a function is saturated where its slope is below this share of its steepest
SATURATED_SHARE = 0.75  #: of a layer's values
SATURATED_UNIT = 0.95  #: of a unit's values

SAME_CORRELATION = 0.9995  #: of two units
SAME_WEIGHTS = 0.999  #: the cosine between what two units read, or how they are read
DISTINCT_SHARE = 0.1  #: of a layer's units that are not copies of others

COLLAPSED_RANK = 1.05  #: an effective rank
RANK_BEFORE = 3.0  #: of the layer before, for the collapse to be this layer's

EXPLODED = 1e4  #: a layer's size as a multiple of the input's, or of its size at the start
VANISHED = 1e-4  #: a layer's spread as a share of the input's
LAYER_FACTOR = 1e3  #: what one layer alone multiplies, or divides, by

BATCH_DIFFERENCE = 0.5  #: of training and evaluation mode, as a share of a layer's spread
BATCH_ANSWERS = 0.2  #: of samples that get another class, or are right only, in training mode
STATISTICS_SHIFT = 3.0  #: of the data's mean from the running mean, in running spreads
STATISTICS_RATIO = 10.0  #: of the data's variance and the running variance, either way

INPUT_SIZE = 3.0  #: the root mean square of an input that nothing normalizes
INPUT_RATIO = 5.0  #: of its size and what it was, either way
INPUT_SHIFT = 3.0  #: of its mean from what it was, in spreads

SAME_CLASS_SAMPLES = 20  #: of which all get one class
START_LOSS = 3.0  #: times ln C
GUESSING_LOSS = 1.5  #: times ln C

STILL_CHANGE = 1e-5  #: of a layer's weights in all steps together, as a share of their norm
SLOW_FACTOR = 100.0  #: times less than the middle one of the layers
SLOW_CHANGE = 1e-2  #: and less than this share of the weights' norm altogether
KERNEL_COSINE = 0.9999  #: of a first-layer kernel now and at the start

GRADIENT_FACTOR = 1e3  #: of the gradients of two layers, each relative to its weights
GRADIENT_SIZE = 1e3  #: of a gradient relative to its weights
