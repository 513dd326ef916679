"""Errors of somebody else's code, in one sentence."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from layerscope.backends.base import Tap
from layerscope.core.errors import AddressError, InputError, ModelError
from layerscope.core.foreign_errors import (
    checked_pass,
    each_in_one_sentence,
    error_text,
    first_sentence,
    in_one_sentence,
)

IMAGE = np.zeros((1, 8, 6, 3))


def raising(error: Exception) -> Any:
    def values(x: Any) -> Any:
        raise error

    return values


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (ValueError("shapes don't fit.\n  got (3,)"), "ValueError: shapes don't fit. got (3,)"),
        (RuntimeError("\x1b[31mred\x1b[0m."), "RuntimeError: red"),
        (RuntimeError(), "RuntimeError"),
        (KeyError("a"), "KeyError: 'a'"),
    ],
)
def test_an_error_is_its_type_and_its_message_on_one_line(error: Exception, text: str) -> None:
    assert error_text(error) == text


def test_of_a_message_the_first_sentence_is_kept() -> None:
    assert first_sentence("\n bad header. Try another.\nmore\n") == "bad header"
    assert first_sentence(str(KeyError("weights"))) == "weights"
    assert first_sentence(" ") == "it does not say why"


def test_what_a_models_code_raises_is_an_input_error() -> None:
    with (
        pytest.raises(InputError, match=r"run on this input: ZeroDivisionError: by zero\.$"),
        in_one_sentence(),
    ):
        raise ZeroDivisionError("by zero.")


def test_so_is_what_it_raises_while_items_are_made() -> None:
    def items() -> Iterator[int]:
        yield 1
        raise ZeroDivisionError("by zero")

    taken = each_in_one_sentence(items())
    assert next(taken) == 1
    with pytest.raises(InputError, match="run on this input: ZeroDivisionError"):
        next(taken)
    assert list(each_in_one_sentence([1, 2])) == [1, 2]


def test_an_error_of_layerscope_stays_what_it_is() -> None:
    with pytest.raises(AddressError, match="There is no layer"), in_one_sentence():
        raise AddressError("There is no layer 'a'.")
    with pytest.raises(ModelError, match="no gradients"):
        checked_pass(raising(ModelError("It has no gradients.")))(IMAGE)


def test_a_pass_says_on_what_the_model_can_not_be_run() -> None:
    complaint = ValueError(
        "Exception encountered when calling Dense.call().\n\n\x1b[1mwrong\x1b[0m\n\nArguments"
    )
    with pytest.raises(InputError, match=r"run on an image of 8×6: ValueError: wrong$"):
        checked_pass(raising(complaint))(IMAGE)
    with pytest.raises(InputError, match=r"an input of shape \(4,\): RuntimeError: it says no"):
        checked_pass(raising(RuntimeError()))(np.zeros((1, 4)))


def test_a_pass_adds_what_features_users_can_do() -> None:
    error = InputError("The input is too small.", for_features=": pass size=")
    with pytest.raises(InputError, match=r"^The input is too small: pass size=\.$"):
        checked_pass(raising(error))(IMAGE)


def test_a_pass_that_leaves_nothing_is_an_error() -> None:
    tap = Tap("pool")
    with pytest.raises(InputError, match="nothing is left of it at 'pool'; pass a larger one"):
        checked_pass(lambda x: {tap: np.zeros((1, 0, 0, 3))})(IMAGE)
    assert checked_pass(lambda x: {tap: x})(IMAGE) == {tap: IMAGE}
