"""Equinox modules for layerscope, which finds this package by its entry points."""
