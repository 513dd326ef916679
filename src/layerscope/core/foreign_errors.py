"""What somebody else's code raises, in one sentence: a model's own, a framework's, a file's."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar

from layerscope.core.errors import InputError, LayerscopeError
from layerscope.core.text import uncoloured

Item = TypeVar("Item")

_NODE = re.compile(r"\{\{.*?\}\}\s*")  #: where in its graph TensorFlow was
#: What Keras says first, before what went wrong.
_WHERE = "Exception encountered when calling"


def error_text(error: BaseException) -> str:
    """Return an error of somebody else's as one line, its type and its message; no full stop."""
    message = " ".join(uncoloured(str(error)).split())
    return f"{type(error).__name__}: {message}".rstrip(": .")


def first_sentence(text: str) -> str:
    """Return the first sentence of a message's first line, without its full stop."""
    line = next((line for line in text.strip().splitlines() if line.strip()), "it does not say why")
    line = line.strip()
    if line[0] == line[-1] and line[0] in "\"'":  # a KeyError's message is quoted
        line = line[1:-1]
    return line.split(". ")[0].rstrip(".")[:300]


@contextmanager
def in_one_sentence() -> Iterator[None]:
    """Raise InputError where the model's own code raises: it is run on what it does not take."""
    try:
        yield
    except LayerscopeError:
        raise
    # Somebody else's code, which may raise anything.
    except Exception as error:
        raise InputError(f"The model can't be run on this input: {error_text(error)}.") from error


def each_in_one_sentence(items: Iterable[Item]) -> Iterator[Item]:
    """Yield the items; raise InputError where the model's own code, which makes them, raises."""
    waiting = iter(items)
    while True:
        with in_one_sentence():
            try:
                item = next(waiting)
            except StopIteration:
                return
        yield item


def checked_pass(values: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Return a pass that raises InputError where the model can't be run on its input.

    For the pass alone: what a function of the user's raises is the user's to read as it is.
    """

    def run(x: Any) -> Any:
        try:
            result = values(x)
        except LayerscopeError as error:
            if isinstance(error, InputError) and error.__cause__ and not error.for_features:
                # A layer's own complaint, in a sentence that does not know of the image.
                raise InputError(f"The model can't be run on {_what(x)}: {error}") from error
            if not error.for_features:
                raise
            raise type(error)(f"{str(error).removesuffix('.')}{error.for_features}.") from error
        # Somebody else's code, which may raise anything.
        except Exception as error:
            raise InputError(
                f"The model can't be run on {_what(x)}: {type(error).__name__}: "
                f"{_first_line(error)}"
            ) from error
        # Some frameworks go on with nothing.
        for tap, value in result.items() if isinstance(result, Mapping) else ():
            if 0 in tuple(value.shape[1:]):
                raise InputError(
                    f"The model can't be run on {_what(x)}: nothing is left of it at "
                    f"{tap.layer!r}; pass a larger one."
                )
        return result

    return run


def _what(x: Any) -> str:
    """Return what an input is, by its shape."""
    shape = tuple(x.shape[1:])
    if len(shape) != 3:
        return f"an input of shape {shape}"
    return f"an image of {shape[0]}×{shape[1]}"


def _first_line(error: Exception) -> str:
    """Return the line of a message that says what went wrong."""
    plain = _NODE.sub("", uncoloured(str(error)))
    lines = [line.strip() for line in plain.splitlines() if line.strip()]
    if len(lines) > 1 and lines[0].startswith(_WHERE):
        return lines[1]
    return lines[0] if lines else "it says no more"
