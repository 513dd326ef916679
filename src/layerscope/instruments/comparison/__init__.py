"""Two of anything side by side: how far their layers are apart, from where on, and why.

::

    two of anything ──► subjects ──► comparable ──► matching ──► measures, noise ──► Comparison
                        recordings   values in      which is     how far apart,      and reasons:
                        of both      one order      which        and what rounding   why the first
                                                                 explains            one parts
"""
