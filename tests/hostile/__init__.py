"""Hostile files: mutated and crafted ones, opened as a user opens them, in a process that watches.

::

    seeds ──► mutations ──► File ─┐
    crafted ───────────────► File ┴─► runner ──► child: users, guard ──► Report ──► faults

A *seed* is a small real file of a format; a *mutation* changes it, knowing the format or not. A
*crafted* file was made to do harm. The *child* opens each as a user would, and notes what came of
it: a fault is a traceback that is not layerscope's, code that ran, a file read or written outside,
more memory or time than is allowed, or the end of the process.

A format is an entry of ``FORMATS`` in ``hostile.formats``: one more is one more entry.
"""
