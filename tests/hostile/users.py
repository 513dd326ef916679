"""What a user does with a file: a function for each way, each raising what layerscope raises."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import layerscope as ls
from hostile.files import File


def model(file: File) -> None:
    """Open it in Python, describe it, read its weights."""
    opened = ls.load_model(file.path, architecture=file.architecture)
    str(ls.describe(opened))
    for array in ls.weights(opened).values():
        assert np.asarray(array).size == array.size


def shell(file: File) -> None:
    """``layerscope describe FILE``."""
    given = ["--architecture", file.architecture] if file.architecture else []
    _run(["describe", *given, "--", file.path])


def here(file: File) -> None:
    """As one names a file in the folder where one is: by its name alone, in Python and the shell.

    The shell is told where options end, as it is when a name begins with a minus.
    """
    path = Path(file.path)
    before = Path.cwd()
    os.chdir(path.parent)
    try:
        _first_error(lambda: ls.load_model(path.name), lambda: _run(["describe", "--", path.name]))
    finally:
        os.chdir(before)


def array(file: File) -> None:
    """Pass it as input to a network of vectors, to one of any input, and to one of images."""
    from layerscope.core.network import InputSpec
    from layerscope.inputs import prepare

    _first_error(
        lambda: prepare(file.path, []),
        lambda: prepare(file.path, [InputSpec("x", (None, 4))]),
        lambda: prepare(file.path, [InputSpec("x", (None, 2)), InputSpec("y", (None, 2))]),
    )


def image(file: File) -> None:
    """Pass it as input to a network of images, alone and as one of the files in its folder."""
    from layerscope.core.errors import InputError
    from layerscope.core.network import InputSpec
    from layerscope.inputs import batches, files_of, prepare

    spec = InputSpec("x", (None, 8, 8, 3))
    prepare(file.path, [InputSpec("x", (None, None, None, 3))], input_range=(-1, 1))
    prepare(file.path, [spec])
    files = files_of(str(Path(file.path).parent))
    if files is None:
        raise InputError("no folder")
    for _ in batches(files, [spec]):
        pass


def recording(file: File) -> None:
    """Open it as a recording, and read a step of it."""
    run = ls.open_recording(file.path)
    str(run)
    for step in list(run.steps)[:2]:
        for address, values in list(run.at(step).items())[:4]:
            assert np.asarray(values).shape == values.shape, address


WAYS: dict[str, Callable[[File], None]] = {
    "model": model, "shell": shell, "here": here, "array": array, "image": image,
    "recording": recording,
}  # fmt: skip


def _run(arguments: list[str]) -> None:
    """The shell's command; what it says with exit code 2 is raised as the error that it was."""
    import contextlib
    import io

    from layerscope.core.errors import LayerscopeError
    from layerscope.interfaces.cli import main

    with contextlib.redirect_stderr(io.StringIO()) as said, contextlib.redirect_stdout(said):
        code = main(arguments)
    if code:
        text = said.getvalue().strip()
        assert code == 2, f"exit code {code}: {text}"
        assert text.count("\n") == 0, f"more than a line on stderr: {text}"
        raise LayerscopeError(text)


def _first_error(*attempts: Callable[[], Any]) -> None:
    """All of them; raises the first error once all were made."""
    from layerscope.core.errors import LayerscopeError

    errors = []
    for attempt in attempts:
        try:
            attempt()
        except LayerscopeError as error:
            errors.append(error)
    if len(errors) == len(attempts):
        raise errors[0]
