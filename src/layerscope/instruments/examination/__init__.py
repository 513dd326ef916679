"""Examination: whether a network is well, and what is not."""
