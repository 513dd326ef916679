"""What Keras says of an input that a layer can't take, in one sentence."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import keras

from layerscope.backends.trace import Subject
from layerscope.core.errors import InputError, LayerscopeError

#: Colours of a terminal; what TensorFlow says of its own functions; numbers of its operations.
_NOISE = re.compile(r"\x1b\[[0-9;]*m|\{\{[^}]*\}\}|\[Op:[^\]]*\]( name: ?\w*)?")
_LONGEST = 300


@contextmanager
def plain_messages() -> Iterator[None]:
    """Let errors of a pass say what was raised, without what Keras adds: colours and arguments."""
    enabled = keras.config.is_traceback_filtering_enabled()
    keras.config.disable_traceback_filtering()
    try:
        yield
    finally:
        if enabled:
            keras.config.enable_traceback_filtering()


class Complaints:
    """Turns what a layer of Keras' own raises into a sentence about its input.

    What code of somebody else's raises stays what it is.
    """

    def __init__(self) -> None:
        self._seen: BaseException | None = None

    def of(self, layer: Any, subject: Subject, error: Exception) -> Exception:
        """Return what to raise in place of an error that the call of a layer ended with."""
        inner, self._seen = self._seen, error
        is_new = inner is not error and not isinstance(error, LayerscopeError)
        if not is_new or type(layer).__module__.partition(".")[0] != "keras":
            return error
        text = " ".join(_NOISE.sub("", str(error)).split())
        if len(text) > _LONGEST:
            text = text[:_LONGEST] + " …"
        raised = InputError(
            f"{subject.address!r} ({subject.type}) can't take what it gets: {text.rstrip('.')}."
        )
        self._seen = raised
        return raised
