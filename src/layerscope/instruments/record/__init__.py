"""Recording a network while it learns.

::

    Keras' fit ───────────► callback ─┐
    scikit-learn's fit ── training ───┼─► Recorder ─► Probe ─► Session ─► Worker ─► store
    a loop: snap() ───────────────────┘       a pass on the probe   plan, budget   a thread

What is looked at is decided before the training begins; what a look found is cast, summed up and
written by a thread beside it.
"""
