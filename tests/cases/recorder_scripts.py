"""Scripts that record, with scikit-learn, of all frameworks the quickest to import.

By :mod:`cases.forked_runs`, which a run gives the script's text and its arguments: it runs as if it
were in a file of its own, but all that it imports is there already.
"""

from __future__ import annotations

import sys
import threading  # noqa: F401

import numpy as np  # noqa: F401
import sklearn.neural_network  # noqa: F401
import xarray  # noqa: F401

import layerscope.backends.sklearn.backend
import layerscope.instruments.record.recorder
import layerscope.recordings.store.writer  # noqa: F401
from cases import disks  # noqa: F401
from cases.forked_runs import arguments

if __name__ == "__main__":
    script, *sys.argv[1:] = arguments()
    exec(compile(script, "script", "exec"), globals())
