"""The version of layerscope, which pictures carry and the shell prints."""

__version__ = "0.1.0"
