"""Attribution: where in the input a network has seen what it answers, and whether to believe it.

::

    attribute ──► subject    the input, read; the network; where gradients begin
              ──► targets    a class, a unit, an objective: a score for each sample
              ──► engine     scores and gradients of batches, compiled once
              ──► methods/   one file for each family, there by being in the folder
              ──► Attribution, whose check() comes back to controls
"""
