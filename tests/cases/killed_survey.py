"""A script that surveys, and whose process ends after some time as if it were killed.

Each run that :mod:`cases.forked_runs` asks for is given a FOLDER and the SECONDS that it has, 0 for
as many as it takes. It is always the same survey, which goes on with what is in the folder.
"""

from __future__ import annotations

import os
import signal

os.environ["KERAS_BACKEND"] = "torch"  # whose process can be forked

import numpy as np
import torch

import layerscope as ls
import layerscope.backends.keras.backend
from cases.forked_runs import arguments
from instruments.survey.test_survey import images, module, network

if __name__ == "__main__":
    torch.set_num_threads(1)
    model = network()
    to, seconds = arguments()
    signal.setitimer(signal.ITIMER_REAL, float(seconds))  # whose signal nobody handles
    module.CHECKPOINT_SAMPLES = 8
    ls.survey(model, images(), top=5, labels=np.arange(90) % 3, batch_size=4, to=to)
