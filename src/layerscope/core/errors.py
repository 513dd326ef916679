"""What layerscope raises: one base class, few children.

Every message is one sentence or two: what was passed, and what would work.
"""

from __future__ import annotations

from layerscope.core.text import message


class LayerscopeError(Exception):
    """Base of every error that is about what the user passed, not about a fault of layerscope.

    ``for_features`` is what to add to the message where the user passed no input, and ``features``
    has made one.
    """

    def __init__(self, *args: object, for_features: str = "") -> None:
        super().__init__(*args)
        self.for_features = for_features

    def __str__(self) -> str:
        # KeyError would print the repr of its message.
        # It quotes names and other programs' words: what could steer a terminal is escaped.
        return message(str(self.args[0])) if self.args else ""


class ModelError(LayerscopeError, TypeError):
    """Not a model, or not one that layerscope can look into."""


class AddressError(LayerscopeError, KeyError):
    """No layer, unit or position of that name in this network."""


class InputError(LayerscopeError, ValueError):
    """The input does not fit the network, or can't be read."""


class ViewError(LayerscopeError, ValueError):
    """A picture was asked for that these numbers can't give."""


class MissingDependencyError(LayerscopeError, ImportError):
    """A package is needed that is not installed; the message says which extra brings it."""


class OutputError(LayerscopeError, OSError):
    """A result can't be written where it was asked for."""
